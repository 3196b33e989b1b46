"""Notes of acceptances: what is written, what is compared, and what is said of it; and the wheel for the rig."""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.util
import io
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import yaml
from acceptances import result, sample, with_results
from facts_of import base_done, facts_of
from rich.console import Console

from provision import __version__, catalogue
from provision.acceptance import Scope
from provision.connection import Completed, Connection
from provision.connection import Settings as ConnectionSettings
from provision.errors import DlrigError
from provision.facts.watch import Now, Watch, read
from provision.pipeline import RigRun, Run
from provision.planner import watch as planned
from provision.results import Status
from provision.stages.watching import note_on_rigs
from provision.state import run_folder
from provision.target import parse_target
from provision.watch import (
    BOOT,
    CHECK,
    changes,
    leave,
    news_of,
    note_of,
    note_of_trouble,
    standing,
)
from provision.wishes import Wishes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from provision.facts.watch import Note
    from provision.results import Acceptance

ROOT = Path(__file__).parents[2]
ROLE = ROOT / "playbooks/roles/watch"
SCRIPT = ROLE / "files/dlrig-watch.sh"
BEFORE = Now(kernel="6.1.0-40", loaded="580.95.05", installed="580.95.05")
AFTER = Now(kernel="6.1.0-41", loaded="580.105.08", installed="580.105.08")


def good() -> Acceptance:
    return with_results(sample("cpu_accepted"), result(Status.PASS))


def bad() -> Acceptance:
    failed = [result(Status.FAIL, f"driver/check_{number}") for number in range(5)]
    return with_results(sample("cpu_accepted"), result(Status.PASS), *failed)


def watching(now: Now, *, accepted: Note | None = None, verdict: Note | None = None) -> Watch:
    return Watch(installed=True, now=now, accepted=accepted, verdict=verdict)


def written(note: Note) -> str:
    """As it lies on the rig."""
    return msgspec.json.format(msgspec.json.encode(note), indent=1).decode()


ACCEPTED = note_of(good(), watching(BEFORE), CHECK)


def test_an_accepted_rig_has_nothing_to_say() -> None:
    assert ACCEPTED.login == ""
    assert (ACCEPTED.verdict, ACCEPTED.exit_code, ACCEPTED.now) == ("accepted", 0, BEFORE)
    line = standing("rig", watching(BEFORE, accepted=ACCEPTED, verdict=ACCEPTED))
    assert (line.text, line.exit_code) == (ACCEPTED.line, 0)


def test_what_changed_and_what_failed_is_in_the_login_message() -> None:
    note = note_of(bad(), watching(AFTER, accepted=ACCEPTED, verdict=ACCEPTED), BOOT)
    assert note.login == (
        "dlrig: kernel 6.1.0-40 became 6.1.0-41, driver 580.95.05 became 580.105.08 since the acceptance of "
        f"{ACCEPTED.started[:10]}; checked at boot: rejected, 5 of 6 failed (driver/check_0, driver/check_1, "
        "driver/check_2, …); see: sudo /opt/dlrig/tool/bin/dlrig report"
    )
    line = standing("rig", watching(AFTER, accepted=ACCEPTED, verdict=note))
    assert (line.text, line.exit_code) == (note.line, 2)


def test_a_changed_rig_that_nobody_checked_is_a_warning() -> None:
    line = standing("rig", watching(AFTER, accepted=ACCEPTED, verdict=ACCEPTED))
    assert line.exit_code == 1
    assert line.text.endswith(f"since the acceptance of {ACCEPTED.started[:10]}; not checked since")


def test_a_rig_back_in_the_accepted_state_stands_as_it_was_accepted() -> None:
    rejected = note_of(bad(), watching(AFTER, accepted=ACCEPTED), BOOT)
    watch = watching(BEFORE, accepted=ACCEPTED, verdict=rejected)
    assert standing("rig", watch).exit_code == 0
    assert watch.unchanged == ACCEPTED


@pytest.mark.parametrize(("watch", "words"), [(Watch(), "--watch"), (watching(BEFORE), "never")])
def test_what_is_not_known_is_unknown(watch: Watch, words: str) -> None:
    line = standing("rig", watch)
    assert line.exit_code == 3
    assert words in line.text


def test_a_check_that_could_not_run_is_said() -> None:
    error = DlrigError('no "plan" fits\nat all', reference="x")
    note = note_of_trouble(error, watching(AFTER, accepted=ACCEPTED))
    assert (note.verdict, note.exit_code) == ("incomplete", 3)
    assert "could not be checked: no 'plan' fits at all; see: journalctl" in note.login


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        (BEFORE, BEFORE, ""),
        (Now(kernel="a"), Now(kernel="b"), "kernel a became b"),
        (
            BEFORE,
            msgspec.structs.replace(BEFORE, installed="580.105.08"),
            "installed driver 580.95.05 became 580.105.08",
        ),
        (BEFORE, msgspec.structs.replace(BEFORE, loaded=""), "driver 580.95.05 became none"),
    ],
)
def test_changes_in_words(was: Now, now: Now, said: str) -> None:
    assert changes(was, now) == said


def test_news_are_what_is_newer_than_what_is_known_here() -> None:
    own = note_of(bad(), watching(AFTER, accepted=ACCEPTED), BOOT)
    watch = watching(AFTER, accepted=ACCEPTED, verdict=own)
    assert "the rig checked itself at boot" in news_of("rig", watch, "2000-01-01T00:00:00+00:00")
    assert news_of("rig", watch, "2999-01-01T00:00:00+00:00") == ""
    ours = msgspec.structs.replace(own, how=CHECK)
    assert news_of("rig", watching(AFTER, verdict=ours), "") == ""
    assert "not checked since" in news_of("rig", watching(AFTER, verdict=ACCEPTED), "2999")


class Rig(Connection):
    """Takes what is sent to it for a root shell."""

    def __init__(self) -> None:
        self.script = ""

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", **_more: object) -> Completed:
        token = argv[3]
        self.script = stdin.decode().partition(f"echo {token}\n")[2]
        return Completed(exit_code=0, stdout=f"{token}\n".encode(), stderr=b"", seconds=0.0)


def left(note: Note, watch: Watch) -> str:
    connection = Rig()
    leave(connection, "rig", note, watch, None)
    return connection.script


def test_only_what_is_accepted_becomes_what_the_next_boot_compares_with() -> None:
    before = watching(BEFORE, accepted=ACCEPTED, verdict=ACCEPTED)
    script = left(ACCEPTED, before)
    assert "/accepted.json" in script
    assert "/verdict.json" in script
    rejected = left(note_of(bad(), before, CHECK), before)
    assert "rm -f /var/lib/dlrig/accepted.json" in rejected, "the same state is refuted"
    assert "mv -f /var/lib/dlrig/.accepted" not in rejected
    elsewhere = watching(AFTER, accepted=ACCEPTED, verdict=ACCEPTED)
    kept = left(note_of(bad(), elsewhere, BOOT), elsewhere)
    assert "accepted.json" not in kept, "another state was, and still is"


@pytest.mark.parametrize(
    ("scope", "at_boot", "noted"),
    [("all", False, True), ("driver", False, False), ("driver", True, True)],
)
def test_a_part_of_the_checks_counts_only_where_the_rig_chose_it(
    monkeypatch: pytest.MonkeyPatch, scope: str, *, at_boot: bool, noted: bool
) -> None:
    there = Rig()
    monkeypatch.setattr("provision.watch.connect", lambda *_: there)
    rig = RigRun(target=parse_target("rig"), wishes=Wishes(), id="x", facts=facts_of(watch=shown()))
    run = Run(
        rigs=[rig],
        settings=ConnectionSettings(),
        scope=Scope(),
        make_console=lambda: Console(file=io.StringIO()),
        folder_of=run_folder,
        at_boot=at_boot,
    )
    note_on_rigs(run, [(rig, msgspec.structs.replace(good(), scope=scope))])
    assert bool(there.script) is noted
    assert ('"how": "boot"' in there.script) is (at_boot and noted)


# --- what the rig prints ---------------------------------------------------------------------------------------------


def shown(**parts: str) -> str:
    now = "kernel 6.1.0-40\nloaded 580.95.05\ninstalled 580.95.05"
    return "".join(f"== {name}\n{text}\n" for name, text in {"now": now, **parts}.items())


def test_what_the_rig_shows_is_read() -> None:
    watch = read(
        shown(
            tool='{"version": "9.9", "sha256": "x"}\n',
            enabled="enabled",
            watch='{"wishes": {"tensorflow": "2.20.0"}, "checks": ""}',
            accepted=written(ACCEPTED),
            verdict=written(ACCEPTED),
        )
    )
    assert (watch.installed, watch.enabled, watch.tool) == (True, True, "9.9")
    assert watch.wishes == {"tensorflow": "2.20.0"}
    assert watch.now == BEFORE
    assert watch.accepted == watch.verdict == ACCEPTED


@pytest.mark.parametrize(
    "text", ["", "nonsense", "== now\n", shown(verdict="{", accepted="[]", tool="1")]
)
def test_whatever_the_rig_shows_nothing_breaks(text: str) -> None:
    watch = read(text)
    assert watch.verdict is None
    assert watch.tool == ""


@pytest.fixture
def rig(tmp_path: Path) -> Path:
    """A folder of notes, and the script that looks there, with this machine's kernel and no driver."""
    script = SCRIPT.read_text("utf-8").replace("state=/var/lib/dlrig", f"state={tmp_path}")
    script = script.replace("/sys/module/nvidia", str(tmp_path / "module"))
    script = script.replace("/usr/lib/*-linux-gnu", str(tmp_path / "lib"))
    (tmp_path / "dlrig-watch").write_text(script)
    return tmp_path


def ask(rig: Path, what: str) -> tuple[int, str]:
    done = subprocess.run(
        ["sh", str(rig / "dlrig-watch"), what],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def now_of(rig: Path) -> Now:
    return read("== now\n" + ask(rig, "now")[1]).now


@pytest.mark.subprocess
def test_the_shell_compares_what_python_wrote(rig: Path) -> None:
    here = now_of(rig)
    assert (here.loaded, here.installed) == ("", "")
    assert ask(rig, "changed")[0] == 0, "it was never accepted"
    accepted = note_of(good(), watching(here), CHECK)
    (rig / "accepted.json").write_text(written(accepted))
    (rig / "verdict.json").write_text(written(accepted))
    assert ask(rig, "changed")[0] == 2
    assert ask(rig, "login") == (0, "")
    (rig / "lib/nvidia/current").mkdir(parents=True)
    (rig / "lib/libcuda.so.1").touch()
    (rig / "lib/nvidia/current/libcuda.so.580.95.05").touch()
    (rig / "lib/libnvidia-ml.so.570.10").touch()
    assert now_of(rig).installed == "570.10 580.95.05"
    assert ask(rig, "changed")[0] == 0
    assert "changed since this rig was checked on 20" in ask(rig, "login")[1]
    rejected = note_of(bad(), watching(now_of(rig), accepted=accepted), BOOT)
    (rig / "verdict.json").write_text(written(rejected))
    assert ask(rig, "login") == (0, rejected.login + "\n")
    assert ask(rig, "changed")[0] == 0, "a rejected rig is looked at again"


@pytest.mark.subprocess
def test_the_unit_stays_out_of_the_boot_that_somebody_checks(rig: Path) -> None:
    (rig / "restarted-by-dlrig").touch()
    assert ask(rig, "changed")[0] == 2
    assert ask(rig, "changed")[0] == 0, "of one boot only"
    (rig / "upgrade.json").touch()
    assert ask(rig, "changed")[0] == 2


# --- the plan --------------------------------------------------------------------------------------------------------


NO_WISHES = Wishes()


def show_of(
    wishes: Wishes = NO_WISHES, *, tool: str = __version__, enabled: str = "enabled"
) -> str:
    settings = msgspec.json.encode({"wishes": planned.held_against(wishes)}).decode()
    return shown(tool=f'{{"version": "{tool}"}}', enabled=enabled, watch=settings)


@pytest.mark.parametrize(
    ("shows", "wishes", "said"),
    [
        ("", Wishes(), []),
        ("", Wishes(watch=False), []),
        ("", Wishes(watch=True), ["installed"]),
        (show_of(), Wishes(), []),
        (show_of(), Wishes(watch=True), []),
        (show_of(), Wishes(watch=False), ["removed"]),
        (show_of(tool="0.0.1"), Wishes(), [f"dlrig {__version__}"]),
        (show_of(tool=""), Wishes(), [f"dlrig {__version__}"]),
        (show_of(enabled="disabled"), Wishes(), ["on"]),
        (show_of(), Wishes(tensorflow="2.20.0"), ["these wishes"]),
        (show_of(Wishes(tensorflow="2.20.0")), Wishes(tensorflow="2.20.0", watch=True), []),
    ],
)
def test_what_is_to_do(shows: str, wishes: Wishes, said: list[str]) -> None:
    facts = facts_of(**{**base_done(), "watch": shows})
    found = planned.actions(facts, wishes, catalogue.load())
    assert [action.wanted for action in found] == said
    assert {action.role for action in found} <= {"watch"}


def test_the_rigs_wishes_are_plain_and_its_own() -> None:
    wishes = Wishes(watch=True, cuda=("12.9",), env=("jax",))
    assert planned.held_against(wishes) == {"cuda": ["12.9"], "env": ["jax"]}
    assert planned.variables(facts_of(), wishes)["watch_enabled"] is True
    assert planned.variables(facts_of(), Wishes()) == {}


# --- the role --------------------------------------------------------------------------------------------------------


def action() -> ModuleType:
    """The action by its path: Ansible loads it so too."""
    spec = importlib.util.spec_from_file_location(
        "watch_action", ROLE / "action_plugins/dlrig_tool.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


tool = action()


def test_the_wheel_is_whole_and_always_the_same(tmp_path: Path) -> None:
    wheel = tool.build(ROOT / "playbooks")
    assert wheel.name == f"dlrig-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(io.BytesIO(wheel.content)) as archive:
        archive.extractall(tmp_path)
        names = set(archive.namelist())
        record = archive.read(f"dlrig-{__version__}.dist-info/RECORD").decode()
    rows = {name: (digest, size) for name, digest, size in csv.reader(record.splitlines())}
    assert set(rows) == names
    for name, (digest, size) in rows.items():
        content = (tmp_path / name).read_bytes()
        ours = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        assert digest in {"", f"sha256={ours}"}
        assert size in {"", str(len(content))}
    for part in ("playbooks/site.yml", "checks/conftest.py", "templates/report.html.j2"):
        assert f"provision/bundled/{part}" in names
    assert "provision/cli/check.py" in names
    # The installed one makes the very same, so that neither replaces the other's work.
    assert tool.build(tmp_path / "provision/bundled/playbooks") == wheel


def test_playbooks_without_their_dlrig_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "playbooks").mkdir()
    with pytest.raises(FileNotFoundError, match="not part of a dlrig"):
        tool.build(tmp_path / "playbooks")


def role(file: str) -> Any:  # noqa: ANN401 - whatever the YAML holds
    return yaml.safe_load((ROLE / file).read_text("utf-8"))


def test_uv_is_the_environments_uv() -> None:
    defaults = yaml.safe_load((ROLE.parent / "environments/defaults/main.yml").read_text("utf-8"))
    assert role("vars/main.yml")["_watch_uv_requirement"] == defaults["environments_uv_requirement"]


def test_everything_that_is_put_there_is_removed() -> None:
    variables = role("vars/main.yml")
    assert set(variables["watch_files"]) <= set(variables["_watch_traces"])
    assert {variables["_watch_tool"], variables["_watch_settings"]} <= set(
        variables["_watch_traces"]
    )


def test_every_variable_is_in_the_manual() -> None:
    manual = (ROOT / "docs/watching.md").read_text("utf-8")
    assert not [name for name in role("defaults/main.yml") if f"`{name}`" not in manual]


@pytest.mark.parametrize("name", ["dlrig_indexes", "dlrig_makers", "dlrig_processes"])
def test_what_both_roles_need_is_one_file(name: str) -> None:
    file = f"module_utils/{name}.py"
    assert (ROLE / file).resolve() == ROLE.parent / "environments" / file
