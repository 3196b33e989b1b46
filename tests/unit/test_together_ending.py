"""How a rig's part ended, and which of several failures the others follow from."""

from __future__ import annotations

import json
from typing import Any

import pytest
from together_reports import report

from provision.connection import Completed
from provision.errors import UnreachableError
from provision.together import Ended, Failure, Member
from provision.together.ending import cause, outcome

MEMBER = Member(name="rig", python="/env/bin/python", environment="torch", version="2.13.0")


def completed(
    said: object, code: int = 3, *, timed_out: bool = False, stderr: str = ""
) -> Completed:
    text = said if isinstance(said, str) else json.dumps(said)
    return Completed(
        exit_code=code,
        stdout=f'{{"pid": 7}}\nstep 0\n{text}\n'.encode(),
        stderr=stderr.encode(),
        seconds=1.0,
        timed_out=timed_out,
    )


def launched(*processes: dict[str, Any], ended: str = "failed") -> Ended:
    results = [{"exit_code": 0, "result": None, "stderr": "", **each} for each in processes]
    return outcome(MEMBER, completed({"results": results, "ended": ended, "seconds": 1.0}), None)


def failure(ended: Ended) -> Failure:
    assert ended.failure
    return ended.failure


def told(kind: str, what: str = "words") -> dict[str, Any]:
    error = {"what": what, "hint": "do", "kind": kind}
    return {"exit_code": 3, "result": {"error": error}}


def test_reports_of_all_processes() -> None:
    ended = launched({"result": report()}, {"result": report(rank=1)}, ended="")
    assert ended.failure is None
    assert [one.rank for one in ended.measured] == [0, 1]


def test_a_killed_process_is_named_with_its_signal() -> None:
    found = failure(launched({"exit_code": -9, "stderr": "last words\n"}))
    assert (found.kind, found.what) == ("killed", "its process was killed by SIGKILL (last words)")


def test_of_several_processes_the_cause_is_told() -> None:
    found = failure(
        launched(
            {"exit_code": -15, "ended": True},
            told("peer-lost"),
            told("out-of-memory", "CUDA out of memory"),
        )
    )
    assert (found.kind, found.what, found.hint) == ("out-of-memory", "CUDA out of memory", "do")


@pytest.mark.parametrize(
    ("ended", "kind"),
    [("stopped", "stopped"), ("limit", "no-time"), ("disconnected", "unreachable")],
)
def test_what_the_launcher_ended_is_told_as_such(ended: str, kind: str) -> None:
    assert failure(launched({"exit_code": -9, "ended": True}, ended=ended)).kind == kind


def test_a_process_that_fails_after_its_report_does_not_pass() -> None:
    ended = launched({"result": report(), "exit_code": -6})
    assert "after it had reported" in failure(ended).what


@pytest.mark.parametrize(
    ("done", "kind", "words"),
    [
        (completed("", 127), "no-framework", "does not start"),
        (completed("", 124, timed_out=True), "no-time", "time limit"),
        (completed("nonsense", 1, stderr="Traceback\nKeyError: 'x'\n"), "failed", "KeyError: 'x'"),
        (completed({"error": {"what": "another measurement"}}), "failed", "another measurement"),
        (None, "hangs", "did not end"),
    ],
)
def test_what_came_back_instead_of_an_object(done: Completed | None, kind: str, words: str) -> None:
    found = failure(outcome(MEMBER, done, None))
    assert found.kind == kind
    assert words in found.what


def test_a_lost_connection() -> None:
    error = UnreachableError("the connection was lost", where="rig", reference="connection-lost")
    assert failure(outcome(MEMBER, None, error)).kind == "unreachable"


def test_the_cause_is_not_what_follows_from_it() -> None:
    def one(rig: str, kind: str) -> Ended:
        return Ended(rig=rig, failure=Failure(rig=rig, what="", kind=kind))

    found = cause([one("a", "peer-lost"), one("b", "stopped"), one("c", "killed")])
    assert found
    assert found.rig == "c"
    assert cause([Ended(rig="a")]) is None
