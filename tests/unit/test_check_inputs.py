"""What a command gives the checks beside the rigs: the last acceptance, and waivers."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import TYPE_CHECKING

import msgspec
import pytest
from acceptances import sample
from facts_of import base_done, environment, facts_of
from fake_rig import run_of

from provision import acceptance, catalogue, waivers
from provision.acceptance import Scope, Subject
from provision.cli import cli
from provision.connection import Settings
from provision.errors import UsageError
from provision.history import History
from provision.plan import state_digest
from provision.planner import make_plan
from provision.report.document import from_json
from provision.results import Acceptance, Result, Status, Verdict, Waived
from provision.stages.checking import accept_as
from provision.stages.planning import leave_what_is_done
from provision.state import history_path
from provision.wishes import Wishes

if TYPE_CHECKING:
    from pathlib import Path

    from provision.pipeline import Run

FACTS = facts_of(**base_done(), environments=environment("tensorflow", ["tensorflow-cpu==2.21.0"]))
PLAN = make_plan(FACTS, Wishes(), catalogue.load())


def kept(day: int, verdict: Verdict = Verdict.ACCEPTED, **changes: object) -> Acceptance:
    one = msgspec.structs.replace(
        sample("cpu_accepted"),
        id=f"202601{day:02d}T000000Z-000000",
        started=f"2026-01-{day:02d}T00:00:00+00:00",
        machine=FACTS.system.machine,
        verdict=verdict,
        **changes,
    )
    with History(history_path()) as history:
        history.add(one)
    return one


def latest(machine: str = FACTS.system.machine) -> str:
    with History(history_path()) as history:
        found = history.latest_accepted(machine)
    return found.id[:8] if found else ""


def test_the_last_whole_acceptance_that_accepted_is_the_baseline() -> None:
    assert latest() == ""
    kept(1)
    kept(2, Verdict.WARNINGS)
    kept(3, Verdict.REJECTED)
    kept(4, Verdict.INCOMPLETE)
    kept(5, scope="quick")
    assert latest() == "20260102"


def test_machines_without_an_id_have_no_baseline_in_common() -> None:
    kept(1)
    with History(history_path()) as history:
        history.add(
            msgspec.structs.replace(sample("gpu_rejected"), machine="", verdict=Verdict.ACCEPTED)
        )
    assert latest("") == ""


def checked(monkeypatch: pytest.MonkeyPatch, run: Run) -> list[Subject]:
    """The subjects that the checks were asked to accept."""
    asked: list[Subject] = []

    def accept(subjects: list[Subject], *_: object, **__: object) -> dict[str, Acceptance]:
        asked.extend(subjects)
        return {"rig": msgspec.structs.replace(sample("cpu_accepted"), id=run.rigs[0].id)}

    monkeypatch.setattr("provision.acceptance.accept", accept)
    run.rigs[0].facts = FACTS
    accept_as(run, {run.rigs[0].id: (run.rigs[0], PLAN)})
    return asked


def test_it_is_given_to_the_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    before = kept(1)
    (subject,) = checked(monkeypatch, run_of())
    assert subject.baseline == before


def test_the_first_time_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    (subject,) = checked(monkeypatch, run_of())
    assert subject.baseline is None


def test_pytest_gets_files_of_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(acceptance, "_run", lambda command, *_: commands.append(command) or 4)
    plan = msgspec.structs.replace(PLAN, target="another-name")
    subject = Subject(id="x", plan=plan, baseline=kept(1, rig="name-of-then"))
    with pytest.raises(acceptance.ApplyError):
        acceptance.accept([subject], tmp_path, Settings(), Scope(waivers=("/a.toml", "/b.toml")))
    (command,) = commands
    pairs = list(itertools.pairwise(command))
    assert ("--waivers", "/a.toml") in pairs
    assert ("--waivers", "/b.toml") in pairs
    (file,) = [value for option, value in pairs if option == "--baseline"]
    assert from_json((tmp_path / file).read_bytes()).rig == "another-name"


def given(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[str, ...]:
    """The files that a command passes on; nothing is checked."""
    runs: list[Run] = []
    monkeypatch.setattr("provision.pipeline.carry", lambda run, _: runs.append(run) or 0)
    cli.main([*arguments], standalone_mode=False)
    return runs[0].scope.waivers


@pytest.fixture
def no_usual_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(waivers, "EVERYWHERE", tmp_path / "etc.toml")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


def entry(path: Path) -> Path:
    until = dt.datetime.now(dt.UTC).date()
    path.write_text(f'[[waiver]]\ncheck = "x"\nreason = "y"\nuntil = {until}\n')
    return path


@pytest.mark.parametrize("command", ["check", "up", "upgrade", "bench"])
def test_every_command_that_checks_takes_waivers(
    monkeypatch: pytest.MonkeyPatch, no_usual_files: Path, command: str
) -> None:
    file = entry(no_usual_files / "w.toml")
    monkeypatch.chdir(no_usual_files)
    assert given(monkeypatch, command, "rig", "--waivers", "w.toml") == (str(file),)
    assert given(monkeypatch, command, "rig") == ()


def test_without_the_option_the_usual_files(
    monkeypatch: pytest.MonkeyPatch, no_usual_files: Path
) -> None:
    file = entry(no_usual_files / "etc.toml")
    assert given(monkeypatch, "check", "rig") == (str(file),)


@pytest.mark.parametrize("content", [None, "[[waiver]]\n"])
def test_a_wrong_file_is_said_before_anything_is_done(
    monkeypatch: pytest.MonkeyPatch, no_usual_files: Path, content: str | None
) -> None:
    file = no_usual_files / "w.toml"
    if content:
        file.write_text(content)
    with pytest.raises(UsageError, match="cannot be read" if content is None else "missing"):
        given(monkeypatch, "up", "rig", "--waivers", str(file))


@pytest.mark.parametrize(("until", "done"), [("2999-01-01", True), ("2020-01-01", False)])
def test_a_rig_is_not_done_once_a_waiver_that_it_rests_on_is_over(
    until: str, *, done: bool
) -> None:
    waived = Result(
        check="hardware/disk_space",
        rig="rig",
        status=Status.FAIL,
        question="?",
        message="full",
        waived=Waived(until=until, reason="ordered"),
    )
    kept(1, results=(waived,), state=state_digest(FACTS))
    run = run_of()
    (rig,) = run.rigs
    rig.facts, rig.plan = FACTS, PLAN
    assert not PLAN.actions
    leave_what_is_done(run)
    assert rig.done == done
