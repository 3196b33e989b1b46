"""Two acceptances of a rig, before and after its driver changed: is it better, the same, or worse? Pure."""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING

import msgspec

from provision.report.text import percent, quantity
from provision.report.words import WORDS
from provision.results import Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from provision.report.comparison import CheckChange, Comparison, FigureChange
    from provision.report.figures import Measured

LEAST = 0.03
"""A figure must differ by more than this fraction, besides both runs' own spread: two runs of the same thing differ
by more than the samples within one do (clocks, temperature). dlrig's own choice."""

_GOOD = {Status.PASS, Status.WARN}
_BAD = {Status.FAIL, Status.ERROR, None}
_ON_CPU = re.compile(r"\b\d+ cpu \(")
"""How the training checks note where they ran: ``1 cpu (AMD EPYC)``."""
_LOWER_IS_BETTER = {"s", "ms", "us", "µs", "°C", "W"}


class Grade(enum.StrEnum):
    """How what is after compares with what was before."""

    BETTER = "better"
    SAME = "same"
    WORSE = "worse"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One check or one figure, before and after.

    Attributes:
        check: the check's name.
        figure: the figure's; empty where it is about the check itself.
        before: status, or median with unit; empty where there was none.
        after: the same.
        grade: of the change.
        reason: why it counts so, or why it does not count; empty where that is plain.
    """

    check: str
    figure: str = ""
    before: str
    after: str
    grade: Grade
    reason: str = ""

    def __str__(self) -> str:
        """``driver/gpu_count: passed before, failed after``."""
        name = f"{self.check}, {self.figure}" if self.figure else self.check
        reason = f" ({self.reason})" if self.reason else ""
        return f"{name}: {self.before} before, {self.after} after{reason}"


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """Every check and figure with its grade."""

    checks: tuple[Finding, ...]
    figures: tuple[Finding, ...]

    @property
    def worse(self) -> tuple[Finding, ...]:
        """What got worse."""
        return tuple(each for each in (*self.checks, *self.figures) if each.grade is Grade.WORSE)

    @property
    def better(self) -> tuple[Finding, ...]:
        """What got better."""
        return tuple(each for each in (*self.checks, *self.figures) if each.grade is Grade.BETTER)

    @property
    def grade(self) -> Grade:
        """Worse where anything is; else better where anything is."""
        if self.worse:
            return Grade.WORSE
        return Grade.BETTER if self.better else Grade.SAME


def judge_upgrade(comparison: Comparison) -> Judgement:
    """Grade every check and every figure of two acceptances."""
    accepted = comparison.before.verdict.accepted
    return Judgement(
        checks=tuple(_check(change, was_accepted=accepted) for change in comparison.checks),
        figures=tuple(_figures(comparison.figures)),
    )


def _check(change: CheckChange, *, was_accepted: bool) -> Finding:
    return Finding(
        check=change.check,
        before=_word(change.before),
        after=_word(change.after),
        grade=_grade(change.before, change.after, was_accepted=was_accepted),
    )


def _grade(before: Status | None, after: Status | None, *, was_accepted: bool) -> Grade:
    """A check that was passed, if only with a warning, and is no longer: worse; the other way round: better.

    One that did not apply before and fails now is worse where the rig was accepted without it; where the rig was
    rejected, it may only have become possible to ask. One that was not run after could not measure.
    """
    if after in _BAD and (before in _GOOD or (was_accepted and before is Status.SKIP and after)):
        return Grade.WORSE
    if before in {Status.FAIL, Status.ERROR} and after in _GOOD:
        return Grade.BETTER
    return Grade.SAME


def _figures(changes: Iterable[FigureChange]) -> Iterable[Finding]:
    for change in changes:
        grade, reason = _weigh(change)
        yield Finding(
            check=change.check,
            figure=change.name,
            before=quantity(change.before.median, change.before.unit) if change.before else "",
            after=quantity(change.after.median, change.after.unit) if change.after else "",
            grade=grade,
            reason=reason,
        )


def _weigh(change: FigureChange) -> tuple[Grade, str]:
    """A figure counts where it moved by more than its noise, and where it is known which way is up."""
    before, after, ratio = change.before, change.after, change.ratio
    if before is None or after is None or ratio is None:
        return Grade.SAME, change.obstacle
    if _of_the_processor(after):
        return Grade.SAME, "the processor's own: no driver changes it"
    higher = _higher_is_better(before.unit)
    if higher is None:
        return Grade.SAME, "neither way is better"
    if min(len(before.samples), len(after.samples)) < 2:  # noqa: PLR2004 - a spread needs two
        return Grade.SAME, "a single sample: its noise is not known"
    if not change.beyond_spread or abs(ratio - 1) <= LEAST:
        return Grade.SAME, ""
    moved = f"{percent(abs(ratio - 1))} {'more' if ratio > 1 else 'less'}"
    noise = percent(max(LEAST, before.spread + after.spread))
    return Grade.BETTER if (ratio > 1) == higher else Grade.WORSE, f"{moved}; noise {noise}"


def _of_the_processor(figure: Measured) -> bool:
    """Measured without a GPU: other programs move it, and a driver does not."""
    return figure.check.startswith("performance/cpu_") or bool(_ON_CPU.search(figure.note))


def _higher_is_better(unit: str) -> bool | None:
    """Rates are good, times and heat are not; None where the unit does not say."""
    if unit.endswith("/s"):
        return True
    return False if unit in _LOWER_IS_BETTER else None


def _word(status: Status | None) -> str:
    return WORDS[status] if status else "not run"
