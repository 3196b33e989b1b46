"""The pipeline: who goes on, who is done, and which exit code it comes to."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import msgspec
import pytest
from facts_of import base_done, environment, facts_of
from rich.console import Console

from provision import catalogue
from provision.acceptance import Scope
from provision.connection import Settings
from provision.errors import Exit, UnreachableError, UsageError
from provision.history import History
from provision.pipeline import RigRun, Run, carry
from provision.plan import state_digest
from provision.planner import make_plan
from provision.results import Acceptance, Verdict
from provision.stages import agree, become_root, leave_what_is_done
from provision.state import history_path, run_folder
from provision.target import parse_target
from provision.wishes import Wishes

if TYPE_CHECKING:
    from collections.abc import Callable

    from provision.facts import Facts

DONE = facts_of(**base_done(), environments=environment("tensorflow", ["tensorflow-cpu==2.21.0"]))


def run_of(facts: Facts, *, ask: Callable[[str], bool] | None = None, **more: bool) -> Run:
    rig = RigRun(
        target=parse_target("rig"), wishes=Wishes(), id="20260101T000000Z-000001", facts=facts
    )
    rig.plan = make_plan(facts, Wishes(), catalogue.load())
    return Run(
        rigs=[rig],
        settings=Settings(ask=ask),
        scope=Scope(),
        make_console=lambda: Console(file=io.StringIO(), width=200),
        folder_of=run_folder,
        **more,
    )


def accepted(number: int, verdict: Verdict, *, scope: str = "all", facts: Facts = DONE) -> None:
    """Keep an acceptance in the test's own history."""
    with History(history_path()) as history:
        history.add(
            Acceptance(
                id=f"2026010{number}T000000Z-00000{number}",
                rig="rig",
                machine=facts.system.machine,
                started=f"2026-01-0{number}T00:00:00+00:00",
                seconds=1.0,
                verdict=verdict,
                results=(),
                state=state_digest(facts),
                facts=msgspec.to_builtins(facts),
                plan={},
                version="0",
                scope=scope,
            )
        )


def is_done() -> bool:
    run = run_of(DONE)
    leave_what_is_done(run)
    return run.rigs[0].done


def test_a_rig_as_planned_and_accepted_as_it_is_needs_nothing() -> None:
    assert not is_done(), "it was never accepted"
    accepted(1, Verdict.ACCEPTED)
    assert is_done()


def test_a_part_of_the_checks_accepts_no_rig() -> None:
    accepted(1, Verdict.ACCEPTED, scope="runtime")
    assert not is_done()


def test_what_a_later_part_refused_is_checked_again() -> None:
    accepted(1, Verdict.ACCEPTED)
    accepted(2, Verdict.REJECTED, scope="runtime")
    assert not is_done()


@pytest.mark.parametrize("verdict", [Verdict.REJECTED, Verdict.INCOMPLETE])
def test_a_rig_that_was_not_accepted_is_checked_again(verdict: Verdict) -> None:
    accepted(1, verdict)
    assert not is_done()


def test_an_acceptance_of_another_state_does_not_count() -> None:
    accepted(1, Verdict.ACCEPTED, facts=facts_of(**base_done()))
    assert not is_done()


def test_without_a_way_to_become_root_nothing_is_tried() -> None:
    run = run_of(facts_of(privilege="none"))
    become_root(run)
    error = run.rigs[0].error
    assert error
    assert error.reference == "no-root"
    assert "Nothing was changed" in error.hint


def test_consent_is_asked_for_and_respected() -> None:
    questions: list[str] = []

    def no(question: str) -> bool:
        questions.append(question)
        return False

    run = run_of(facts_of(), ask=no)
    agree(run)
    assert questions == ["Change rig as planned?"]
    assert run.rigs[0].done
    with pytest.raises(UsageError, match="nobody to ask"):
        agree(run_of(facts_of()))
    willing = run_of(facts_of(), yes=True)
    agree(willing)
    assert willing.going


def test_the_exit_code_is_the_worst_of_all_rigs() -> None:
    run = run_of(DONE)
    other = RigRun(target=parse_target("other"), wishes=Wishes(), id="20260101T000000Z-000002")
    run.rigs.append(other)
    assert carry(run, ()) is Exit.OK
    other.error = UnreachableError("gone", reference="x")
    assert carry(run, ()) is Exit.FAILED
    assert [rig.target.name for rig in run.going] == ["rig"], "the others go on"


def test_a_password_is_not_shown_with_its_rig() -> None:
    rig = RigRun(target=parse_target("rig"), wishes=Wishes(), id="x", password="hunter2")
    assert "hunter2" not in repr(rig)
