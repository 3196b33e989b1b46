"""The clock: what the kernel says of it, and how far it is from the clock of whoever asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hostile_answers import QUICK, answers, outcomes, torture, whole_facts
from hypothesis import given

from provision.facts.health import clock

if TYPE_CHECKING:
    from provision.facts.health.clock import Clock
    from provision.facts.reading import Outcome

NOW = 1795420800
"""2026-11-23T08:00:00 UTC, when the transcripts here are taken."""

SAMPLE = (
    f"now={NOW}\nstate=0\nmaximum=250000\nestimate=1000\nstatus=8193\nservice chrony\nservice ntp\n"
)
STRANGE = (
    "now=99999999999999999999",
    "now=-1",
    "state=-1",
    "status=x",
    "service",
    "synchronised=maybe",
)


def parse(out: str) -> Clock:
    return clock.parse(answers(clock=out))


def test_a_clock_that_is_kept() -> None:
    found = parse(SAMPLE)
    assert (found.ahead, found.synchronised, found.error) == (0, True, 0.25)
    assert found.services == ("chrony", "ntp")


@pytest.mark.parametrize(
    ("out", "synchronised"),
    [
        (SAMPLE.replace("status=8193", "status=64"), False),
        (SAMPLE.replace("state=0", "state=5"), False),
        (f"now={NOW}\nsynchronised=yes\n", True),
        (f"now={NOW}\nsynchronised=no\n", False),
        (f"now={NOW}\ndenied=yes\n", None),
    ],
)
def test_a_clock_that_nobody_keeps(out: str, synchronised: bool | None) -> None:  # noqa: FBT001 - a column
    assert parse(out).synchronised is synchronised


def test_a_clock_that_is_wrong() -> None:
    assert parse(f"now={NOW - 3600}\n").ahead == -3600
    assert parse("now=\n").ahead is None


@QUICK
@given(outcomes(SAMPLE, STRANGE))
def test_any_answer_can_be_parsed(outcome: Outcome) -> None:
    whole_facts(answers(clock=outcome))


def test_a_flood_can_be_parsed() -> None:
    torture(clock.parse, "clock", SAMPLE, STRANGE)
