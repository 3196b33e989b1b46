"""Run a playbook on rigs through Ansible. The only module that imports ansible_runner.

Each run has a private folder: the inventory that was used, Ansible's output and its events stay there as the
transcript. Sudo's password is handed over in memory, to Ansible's prompt: it is in no file and no argument.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import tempfile
from typing import TYPE_CHECKING, Any

import ansible_runner
import msgspec

from provision.bundle import bundled
from provision.errors import ApplyError
from provision.inventory import tool_environment
from provision.remedies import remedy_for
from provision.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from provision.connection import Settings

_SIGN_OF_LIFE = 15
"""Seconds between SSH's signs of life; four missing ones end the connection."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One rig, the roles' variables for it, and whether the user who connects is root already."""

    target: Target
    variables: dict[str, Any] = {}
    root: bool


class Play(msgspec.Struct, frozen=True, kw_only=True):
    """What to run.

    Attributes:
        playbook: its name below ``playbooks``.
        roles: only these; empty for the whole playbook.
        inventory: the user's own, where the rigs come from one.
    """

    playbook: str = "site.yml"
    roles: tuple[str, ...] = ()
    inventory: str | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened on a rig.

    Attributes:
        rig: the target's name; empty for a task that begins everywhere.
        task: the task's name; for a job in the background, the role's and the thing's.
        status: ``begin``, ``ok``, ``changed``, ``skipped``, ``failed`` or ``unreachable``; ``background`` where
            a job was begun that goes on beside other tasks, ``ended`` where it was waited for.
        detail: what a failed task said.
        seconds: how long it took on this rig; 0 for ``begin``.
    """

    rig: str
    task: str
    status: str
    detail: str = ""
    seconds: float = 0.0


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended, by rig: the tasks that changed something; what failed first."""

    changed: dict[str, tuple[str, ...]]
    failures: dict[str, ApplyError]


_LONGEST_FOLDER = 40
"""Letters; 108 less what dlrig, Ansible and ssh put behind it."""

_STATUS = {
    "runner_on_ok": "ok",
    "runner_on_skipped": "skipped",
    "runner_on_failed": "failed",
    "runner_on_unreachable": "unreachable",
}

_MAY_HOLD_JOBS = {"runner_on_ok", "runner_on_failed", "runner_item_on_ok", "runner_item_on_failed"}
_STOP = re.compile(r"[ \t]*\[([a-z]+(?:-[a-z]+)+)\]$", re.MULTILINE)
"""How a role's own refusal ends: the word for programs, in brackets."""


def apply(
    jobs: Sequence[Job],
    folder: Path,
    settings: Settings,
    *,
    play: Play,
    become_password: str | None = None,
    on_step: Callable[[Step], None],
) -> Applied:
    """Run a playbook on rigs.

    Args:
        jobs: the rigs, and the variables of each.
        folder: private; keeps the transcript.
        settings: how to connect.
        play: what to run.
        become_password: sudo's, the same on all rigs.
        on_step: sees everything that happens, as it happens.

    Raises:
        ApplyError: Ansible itself could not run. A task that failed or a rig that went away is returned.
        KeyboardInterrupt: the user stopped it; Ansible was ended first.
    """
    _require_ssh(jobs)
    names = {_alias(job, play.inventory): job.target.name for job in jobs}
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    hosts = folder / "hosts.json"
    hosts.write_text(json.dumps(_hosts(jobs, settings, play.inventory), indent=1))
    hosts.chmod(0o600)
    watcher = _Watcher(names, on_step)
    # Ansible finds a connection that is still open by host name, port and user alone. Two machines can go by one
    # name, in two SSH configurations or before and after a reinstallation, so each run has its own.
    with tempfile.TemporaryDirectory(prefix="dlrig-", dir=_place_for_sockets()) as sockets:
        runner = ansible_runner.run(
            private_data_dir=str(folder),
            # A run may need several playbooks, of which none may overwrite another's transcript.
            ident=_free(folder, "ansible"),
            playbook=str(bundled("playbooks") / play.playbook),
            inventory=[*([play.inventory] if play.inventory else []), str(hosts)],
            limit=",".join(names),
            cmdline=_options(play.roles, become_password),
            passwords={r"^BECOME password.*:\s*?$": become_password} if become_password else None,
            envvars=_environment(settings) | {"ANSIBLE_SSH_CONTROL_PATH_DIR": sockets},
            settings={"suppress_ansible_output": True, "idle_timeout": 0, "job_timeout": 0},
            # Otherwise ansible-runner writes passwords to a file below the folder.
            suppress_env_files=True,
            quiet=True,
            event_handler=watcher.handle,
        )
    if runner.status == "canceled":
        raise KeyboardInterrupt
    if runner.rc != 0 and not watcher.failures:
        raise ApplyError(
            f"Ansible ended with code {runner.rc}: {_last_words(runner)}",
            hint=f"{remedy_for(_last_words(runner))}\nTranscript: {folder}",
            reference="ansible-failed",
        )
    return Applied(
        changed={rig: tuple(tasks) for rig, tasks in watcher.changed.items()},
        failures={rig: _failed(step, folder) for rig, step in watcher.failures.items()},
    )


def _options(roles: Sequence[str], become_password: str | None) -> str:
    tags = [f"--tags {','.join(roles)}"] if roles else []
    return " ".join([*tags, *(["--ask-become-pass"] if become_password else [])])


def _free(folder: Path, name: str) -> str:
    """``name``, or with a number where that is taken."""
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(each for each in names if not (folder / "artifacts" / each).exists())


class _Watcher:
    """Turns ansible-runner's events into steps, and remembers what changed and what failed first."""

    def __init__(self, names: dict[str, str], on_step: Callable[[Step], None]) -> None:
        self._names = names
        self._on_step = on_step
        self.changed: dict[str, list[str]] = {name: [] for name in names.values()}
        self.failures: dict[str, Step] = {}
        self._jobs: dict[tuple[str, str], str] = {}

    def handle(self, event: dict[str, Any]) -> bool:
        """Take one event; True lets ansible-runner keep it in the transcript."""
        data = event.get("event_data", {})
        kind = event.get("event", "")
        if kind == "playbook_on_task_start":
            self._on_step(Step(rig="", task=_task(data), status="begin"))
        if kind in _MAY_HOLD_JOBS:
            self._jobs_of(data)
        if kind in _STATUS and not (kind == "runner_on_failed" and data.get("ignore_errors")):
            self._ended(_STATUS[kind], data)
        return True

    def _jobs_of(self, data: dict[str, Any]) -> None:
        """Tell of jobs that go on beside other tasks, and of those that were waited for."""
        rig = self._names.get(data.get("host", ""), data.get("host", ""))
        result = data.get("res") or {}
        for part in (result, *result.get("results", ())):
            job = part.get("ansible_job_id") if isinstance(part, dict) else None
            if not job:
                continue
            known = self._jobs.get((rig, job))
            if known is None and not part.get("finished"):
                self._jobs[rig, job] = name = _job(data, part)
                self._on_step(Step(rig=rig, task=name, status="background"))
            elif known and part.get("finished"):
                self._jobs[rig, job] = ""
                self._on_step(Step(rig=rig, task=known, status="ended"))

    def _ended(self, status: str, data: dict[str, Any]) -> None:
        result = data.get("res") or {}
        if status == "ok" and result.get("changed"):
            status = "changed"
        step = Step(
            rig=self._names.get(data.get("host", ""), data.get("host", "")),
            task=_task(data),
            status=status,
            detail=_complaint(result) if status in {"failed", "unreachable"} else "",
            seconds=float(data.get("duration") or 0.0),
        )
        if status == "changed":
            self.changed.setdefault(step.rig, []).append(step.task)
        elif step.detail:
            self.failures.setdefault(step.rig, step)
        self._on_step(step)


def _job(data: dict[str, Any], part: dict[str, Any]) -> str:
    """``environments: tensorflow``."""
    label = part.get("_ansible_item_label")
    thing = label if isinstance(label, str) else _task(data)
    return ": ".join(filter(None, (str(data.get("role") or ""), thing)))


def _task(data: dict[str, Any]) -> str:
    """Ansible puts the role's name before the task's: ``base : Install …``."""
    return str(data.get("task", "")).rpartition(" : ")[2]


def _complaint(result: dict[str, Any]) -> str:
    """What a failed task said: its message, and the last lines of what it ran."""
    failed = [
        item for item in result.get("results", ()) if isinstance(item, dict) and item.get("failed")
    ]
    parts: list[str] = []
    for part in failed or [result]:
        # Modules of this project say why in words; where `failed_when` ends a task, Ansible's own words are empty.
        parts.append(str(part.get("why") or part.get("msg") or ""))
        for stream in ("stderr", "stdout", "module_stderr"):
            lines = str(part.get(stream) or "").strip().splitlines()
            if lines and lines[-1] not in parts[0]:
                parts.append("\n".join(lines[-8:]))
                break
    return "\n".join(part for part in parts if part).strip() or "it gave no reason"


def _failed(step: Step, folder: Path) -> ApplyError:
    if step.status == "unreachable":
        return ApplyError(
            f"the rig went away during '{step.task}': {step.detail}",
            where=step.rig,
            hint="When it is back, run the same command again: it goes on from there.\n"
            f"Transcript: {folder}",
            reference="connection-lost",
        )
    stop = _STOP.search(step.detail)
    if stop:
        # The role looked before it touched anything, and says itself what to do.
        return ApplyError(
            _STOP.sub("", step.detail).strip().rstrip("."),
            where=step.rig,
            hint=f"Transcript: {folder}",
            reference=stop[1],
        )
    return ApplyError(
        f"'{step.task}' failed: {step.detail}",
        where=step.rig,
        hint=f"{remedy_for(step.detail)}\nTranscript: {folder}",
        reference="task-failed",
    )


def _last_words(runner: Any) -> str:  # noqa: ANN401 - ansible-runner has no types
    text = runner.stdout.read() if runner.stdout else ""
    told = [line for line in text.splitlines() if "ERROR" in line or "fatal" in line]
    return (told or text.strip().splitlines() or ["no output"])[-1][:500]


def _alias(job: Job, inventory: str | None) -> str:
    """The rig's name in Ansible's inventory, where ``:`` and ``@`` would mean something else."""
    if inventory:
        return job.target.name
    return re.sub(r"[^A-Za-z0-9_.-]", "_", job.target.name)


def _hosts(jobs: Sequence[Job], settings: Settings, inventory: str | None) -> dict[str, Any]:
    hosts = {}
    for job in jobs:
        own: dict[str, Any] = dict(job.variables)
        if job.root:
            # Not every system has sudo, and root needs none.
            own["ansible_become"] = False
        if job.target.local:
            own["ansible_connection"] = "local"
        elif not inventory:
            own["ansible_host"] = job.target.host
            own |= {"ansible_user": job.target.user} if job.target.user else {}
            own |= {"ansible_port": job.target.port} if job.target.port else {}
        if settings.identity and not job.target.local:
            own["ansible_ssh_private_key_file"] = settings.identity[0]
        hosts[_alias(job, inventory)] = own
    return {"all": {"hosts": hosts}}


def _environment(settings: Settings) -> dict[str, str]:
    # ControlPersist: one connection for the whole run. Strict: the key was checked, and accepted where it was
    # new, when the facts were read; Ansible trusts the same file of known hosts.
    ssh = [
        "-o ControlMaster=auto -o ControlPersist=60s -o StrictHostKeyChecking=yes",
        f"-o ServerAliveInterval={_SIGN_OF_LIFE} -o ServerAliveCountMax=4",
        f"-o ConnectTimeout={settings.connect_limit:g} -o BatchMode=yes",
    ]
    if settings.ssh_config:
        ssh.insert(0, f"-F {settings.ssh_config}")
    return {
        **tool_environment(),
        "ANSIBLE_CONFIG": str(bundled("playbooks") / "ansible.cfg"),
        "ANSIBLE_SSH_ARGS": " ".join(ssh),
        "ANSIBLE_FORKS": str(max(10, 4 * (os.cpu_count() or 1))),
    }


def _place_for_sockets() -> str | None:
    """The usual folder of temporary files, unless the path of a socket in it would be too long (unix(7))."""
    return None if len(tempfile.gettempdir()) <= _LONGEST_FOLDER else "/tmp"  # noqa: S108 - the folder in it is private


def _require_ssh(jobs: Sequence[Job]) -> None:
    if any(not job.target.local for job in jobs) and shutil.which("ssh") is None:
        raise ApplyError(
            "there is no OpenSSH client on this machine, and Ansible connects with it",
            where="this machine",
            hint="Install it: sudo apt install openssh-client",
            reference="no-ssh-client",
        )
