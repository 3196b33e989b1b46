"""A rig in memory for the flow of upgrades: its driver, what Ansible would do to it, and what checks would find."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any

import msgspec
from facts_of import BARE, GTX_1060, facts_of

from provision.acceptance import Scope
from provision.apply import Applied
from provision.connection import Settings
from provision.facts.driver import DriverRecord, UpgradeRecord
from provision.facts.reading import Outcome, Transcript
from provision.pipeline import RigRun, Run
from provision.plan import Action, DriverPlan, Plan, Profile, state_digest
from provision.results import Acceptance, Figure, Result, Status, judge
from provision.state import new_id, run_folder
from provision.target import parse_target
from provision.terminal.console import make
from provision.wishes import Wishes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from provision.acceptance import Subject
    from provision.apply import Job, Play
    from provision.errors import ApplyError
    from provision.facts import Facts

OLD, NEW = "580.95.05", "595.71.05"
NEWEST = {580: "580.105.08", 595: NEW}
"""What the archive has."""


def name_of(version: str) -> str:
    return f"{version}-ubuntu-open"


class FakeRig:
    """What is there; tests change it, and break it.

    Attributes:
        fails_with: driver → checks that fail with it.
        speed: driver → throughput.
        break_play: called before a playbook does anything; may raise, or return how the run ended.
        log: what was done, in order.
    """

    def __init__(self) -> None:
        self.version = self.loaded = self.module_next = OLD
        self.state = "managed"
        self.gpus = GTX_1060
        self.boot = 1
        self.sets = [name_of(OLD)]
        self.recorded = OLD
        self.note: UpgradeRecord | None = None
        self.privilege = "sudo"
        self.fails_with: dict[str, set[str]] = {}
        self.speed: dict[str, float] = {}
        self.break_play: Callable[[FakeRig, str], ApplyError | None] = lambda _rig, _play: None
        self.keeps_sets = True
        self.log: list[str] = []

    def readings(self) -> dict[str, str]:
        record = DriverRecord(
            source="ubuntu",
            branch=int(self.recorded.partition(".")[0]),
            version=self.recorded,
            flavour="open",
            modules="precompiled",
            set=name_of(self.recorded),
        )
        rows = {
            "class": self.state,
            "why": "half of it" if self.state == "broken" else "",
            "version": self.version,
            "flavour": "open",
            "loaded": self.loaded,
            "kernel": "6.8.0-60-generic",
            "next_kernel": "6.8.0-60-generic",
            "module_next": self.module_next,
            "sets": " ".join(self.sets),
            "record": msgspec.json.encode(record).decode(),
            "upgrade": msgspec.json.encode(self.note).decode() if self.note else "",
        }
        return {
            "driver": "".join(f"{key}: '{value}'\n" for key, value in rows.items()),
            "nvidia_module": self.loaded,
            "pci_nvidia": self.gpus,
            "boot": f"boot-{self.boot}\n100\n/usr/lib/systemd/systemd\n",
        }

    def transcript(self) -> Transcript:
        readings = {**BARE, **self.readings()}
        return Transcript(
            target="rig",
            taken="2026-01-01T00:00:00+00:00",
            outcomes={key: Outcome(exit_code=0, out=text) for key, text in readings.items()},
            login="rigger",
            privilege=self.privilege,
        )

    def facts(self) -> Facts:
        return facts_of(self.privilege, **self.readings())

    def install(self, version: str) -> None:
        self.version = self.module_next = self.recorded = version
        self.state = "managed"
        if self.keeps_sets:
            others = [name for name in self.sets if name != name_of(version)]
            self.sets = [name_of(version), *others][:2]

    def play(self, play: str, version: str) -> ApplyError | None:
        self.log.append(f"{play} {version}")
        error = self.break_play(self, play)
        if error is None:
            self.install(version)
        return error

    def restart(self) -> None:
        self.log.append("restart")
        self.boot += 1
        self.loaded = self.module_next

    def accept(self, subject: Subject) -> Acceptance:
        self.log.append(f"accept with {self.loaded}")
        failing = self.fails_with.get(self.loaded, set())
        speed = self.speed.get(self.loaded, 100.0)
        throughput = Figure(
            name="throughput", unit="examples/s", samples=(speed, speed * 1.01, speed * 0.99)
        )
        checks = ("driver/loaded", "driver/gpu_count", "training/cifar10")
        results = tuple(
            Result(
                check=check,
                rig="rig",
                status=Status.FAIL if check in failing else Status.PASS,
                question="Is it?",
                message="it is not" if check in failing else "it is",
                figures=(throughput,) if check.startswith("training") else (),
            )
            for check in checks
        )
        facts = self.facts()
        return Acceptance(
            id=subject.id,
            rig="rig",
            machine=facts.system.machine,
            started="2026-01-01T00:00:00+00:00",
            seconds=1.0,
            verdict=judge(results),
            results=results,
            state=state_digest(facts),
            facts=msgspec.to_builtins(facts),
            plan=msgspec.to_builtins(subject.plan),
            version="0",
        )


def fake_plan(facts: Facts, wishes: Wishes, _catalogue: object, *, newest: bool = False) -> Plan:
    """The wished branch, else the present one; a driver that is there stays unless a newer one is wanted."""
    present = facts.driver
    branch = int(wishes.driver or present.branch or 580)
    stays = present.branch == branch and not newest
    version = present.version if stays else NEWEST[branch]
    right = present.state.value == "managed" and present.version == version
    action = Action(
        role="nvidia_driver",
        subject="driver",
        present=present.version,
        wanted=version,
        reason="it differs",
    )
    driver = DriverPlan(
        branch=branch,
        version=version,
        type="",
        end_of_life="",
        flavour="open",
        source="ubuntu",
        modules="precompiled",
        packages=(),
    )
    return Plan(
        target=facts.target,
        profile=Profile.GPU,
        driver=driver if facts.gpus else None,
        environments={},
        reasons=(),
        actions=() if right or not facts.gpus else (action,),
        variables={"wanted": version},
    )


def connect_to(fake: FakeRig, patch: pytest.MonkeyPatch) -> None:
    """Let everything that would reach a rig, Ansible or the checks reach ``fake``."""

    def apply(
        jobs: list[Job], _folder: Path, _settings: Settings, *, play: Play, **_more: object
    ) -> Applied:
        (job,) = jobs
        chosen = job.variables.get("nvidia_driver_set", "").partition("-")[0]
        error = fake.play(play.playbook, chosen or job.variables["wanted"])
        changed = {"rig": () if error else ("Install the driver",)}
        return Applied(changed=changed, failures={"rig": error} if error else {})

    def accept(subjects: list[Subject], *_rest: object, **_more: object) -> dict[str, Acceptance]:
        return {"rig": fake.accept(subjects[0])}

    def restart(*_rest: object, **_more: object) -> float:
        fake.restart()
        return 1.0

    def write_note(_target: object, _settings: object, note: UpgradeRecord, _pw: object) -> None:
        fake.log.append("note")
        fake.note = note

    def remove_note(*_rest: object) -> None:
        fake.log.append("no note")
        fake.note = None

    patch.setattr("provision.planner.make_plan", fake_plan)
    patch.setattr("provision.stages.looking.connect", lambda *_: contextlib.nullcontext())
    patch.setattr("provision.stages.looking.gather", lambda *_, **__: fake.transcript())
    patch.setattr("provision.catalogue.driver_look", lambda: "")
    patch.setattr("provision.apply.apply", apply)
    patch.setattr("provision.acceptance.accept", accept)
    patch.setattr("provision.reboot.restart", restart)
    patch.setattr("provision.stages.upgrading.write_note", write_note)
    patch.setattr("provision.stages.upgrading.remove_note", remove_note)
    patch.setattr("provision.stages.rolling_back.remove_note", remove_note)
    patch.setattr("provision.report.files.write_reports", lambda *_: None)


def run_of(*, ask: Callable[[str], bool] | None = None, driver: str = "", **more: Any) -> Run:  # noqa: ANN401 - as Run
    """One command over one rig; ``run.console.file`` holds what it said."""
    console = make(io.StringIO())
    console.width = 300
    return Run(
        rigs=[
            RigRun(target=parse_target("rig"), wishes=Wishes(driver=driver), id=new_id()),
        ],
        settings=Settings(ask=ask),
        scope=Scope(),
        make_console=lambda: console,
        folder_of=run_folder,
        **{"yes": ask is None, "reboot": True if ask is None else None, **more},
    )


def said(run: Run) -> str:
    """What the command told, on one line."""
    file = run.console.file
    assert isinstance(file, io.StringIO)
    return " ".join(file.getvalue().split())
