"""Why a run became slower: what changed as much between its first quarter and its last. Pure functions."""

from __future__ import annotations

import itertools
import statistics
from typing import TYPE_CHECKING

import msgspec

from checks.training import evidence, series
from provision import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checks.performance.seen import Card
    from checks.training.outcome import Outcome
    from checks.training.running import Run
    from checks.training.series import Span


class Fall(msgspec.Struct, frozen=True, kw_only=True):
    """A run that became slower.

    Attributes:
        before, after: examples/s in the first and in the last quarter of the windows.
        share: by which the last is less, 0 to 1; below 0 where it is more.
        noise: the spread of all windows.
    """

    before: float
    after: float
    share: float
    noise: float

    @property
    def matters(self) -> bool:
        """It is more than the catalogue allows, and more than the windows waver."""
        return self.share > max(catalogue.criteria().limits.bound("fall"), self.noise)


def fall(outcome: Outcome) -> Fall | None:
    """How the run went; None for one too short to tell."""
    windows = outcome.counted
    drift = series.drift(windows)
    if drift is None:
        return None
    first, last = series.quarters(windows)
    return Fall(
        before=statistics.median(first),
        after=statistics.median(last),
        share=-drift,
        noise=_noise(windows),
    )


def _noise(windows: tuple[float, ...]) -> float:
    """Spread from one window to the next: a steady fall is none of it."""
    ratios = [late / early for early, late in itertools.pairwise(windows) if early]
    return series.spread(ratios)


def causes(run: Run, outcome: Outcome, seen: Fall) -> list[str]:
    """Every change that explains a good part of the fall, as sentences; the most certain first."""
    least = catalogue.criteria().limits.bound("explained") * seen.share
    found = [f"the machine was disturbed: {run.disturbed}"] if run.disturbed else []
    windows = outcome.spans(run.seen.began)
    if len(windows) >= series.LEAST:
        size = len(windows) // 4
        first = (windows[0][0], windows[size - 1][1])
        last = (windows[-size][0], windows[-1][1])
        for card in run.cards:
            found += _of_card(card, first, last, least)
    found += _of_processor(outcome, least)
    return [*found, *_of_input(outcome, seen)]


def _of_card(card: Card, first: Span, last: Span, least: float) -> Iterator[str]:
    early, late = evidence.work(card, first), evidence.work(card, last)
    name = f"GPU {card.index}"
    if _fell(early.clock, late.clock) >= least:
        yield f"{name}'s clock fell from {early.clock:.0f} to {late.clock:.0f} MHz{_why(early, late)}"
    elif _fell(early.utilisation, late.utilisation) >= least:
        yield (
            f"{name} waits more: a kernel ran in {early.utilisation:.0f}% of the time, "
            f"and in {late.utilisation:.0f}% at the end, at the same clock"
        )


def _fell(early: float | None, late: float | None) -> float:
    """By which share; 0 where it is not known."""
    return 1 - late / early if early and late is not None else 0.0


def _why(early: evidence.CardWork, late: evidence.CardWork) -> str:
    """What the driver gives as the reason of a lower clock."""
    limits = catalogue.criteria().limits
    heat = ""
    if early.temperature and late.temperature:
        heat = f", at {early.temperature:.0f} and then {late.temperature:.0f} °C"
    if (late.hot or 0) >= limits.bound("hot"):
        return f" because of heat{heat}"
    if (late.capped or 0) >= limits.bound("capped"):
        taken = f" ({late.power:.0f} W)" if late.power else ""
        return f" because of its power limit{taken}{heat}"
    return f", and the driver gives no reason{heat}"


def _of_processor(outcome: Outcome, least: float) -> Iterator[str]:
    before, after = outcome.matmul_gflops_before, outcome.matmul_gflops_after
    if before and 1 - after / before >= least:
        yield (
            "the device itself became slower: a matrix product ran at "
            f"{before:,.0f} GFLOP/s before and {after:,.0f} after"
        )


def _of_input(outcome: Outcome, seen: Fall) -> Iterator[str]:
    """A queue that was full at the start is drained to the pace of what fills it."""
    fed = outcome.input_examples_per_sec
    part = catalogue.criteria().limits.bound("part")
    if fed and seen.after / fed >= part and seen.before > seen.after:
        yield (
            f"it came down to what the input pipeline makes: {fed:,.0f} examples/s alone, "
            f"{seen.after:,.0f} at the end"
        )
