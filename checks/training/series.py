"""Values over time: how they waver and fall, which of them belong to which window, and fewer of them."""

from __future__ import annotations

import itertools
import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST = 200
"""Points of a series that is kept: as many as a plot can show."""
LEAST = 8
"""Windows that a fall is told from: two in each quarter."""

Span = tuple[float, float]
"""Start and end, in one clock's seconds."""


def spread(values: Sequence[float]) -> float:
    """Half the distance between the 10th and 90th percentile, as a fraction of the median; 0 for one value."""
    middle = statistics.median(values) if values else 0.0
    if len(values) < 2 or not middle:  # noqa: PLR2004 - a spread needs two
        return 0.0
    deciles = statistics.quantiles(values, n=10, method="inclusive")
    return (deciles[-1] - deciles[0]) / 2 / middle


def drift(values: Sequence[float]) -> float | None:
    """Median of the last quarter over that of the first, minus 1; None below ``LEAST`` values."""
    if len(values) < LEAST:
        return None
    first, last = quarters(values)
    before = statistics.median(first)
    return statistics.median(last) / before - 1 if before else None


def quarters(values: Sequence[float]) -> tuple[list[float], list[float]]:
    """The first quarter and the last; at least one value each, where there is one."""
    size = max(1, len(values) // 4)
    return list(values[:size]), list(values[-size:])


def spans(step0_end: float, window_ends: Sequence[float], began: float) -> list[Span]:
    """When each window ran, in seconds since the command's start.

    Args:
        step0_end: Unix time.
        window_ends: Unix times, in order.
        began: Unix time of the command's start.
    """
    edges = [step0_end - began, *(end - began for end in window_ends)]
    return list(itertools.pairwise(edges))


def within(times: Sequence[float], values: Sequence[float | None], span: Span) -> list[float]:
    """The values whose time lies in a span, its end included; those that were not said are left out."""
    start, end = span
    pairs = zip(times, values, strict=False)
    return [value for time, value in pairs if value is not None and start < time <= end]


def by_window(
    times: Sequence[float], values: Sequence[float | None], windows: Sequence[Span]
) -> list[float | None]:
    """The mean of a series over each window; None for a window in which nothing was said."""
    found = (within(times, values, window) for window in windows)
    return [statistics.fmean(each) if each else None for each in found]


def thinned(
    times: Sequence[float], values: Sequence[float | None], most: int = MOST
) -> tuple[list[float], list[float]]:
    """At most so many points: the medians of groups of neighbours, each at the middle of its group."""
    said = [(time, value) for time, value in zip(times, values, strict=False) if value is not None]
    size = -(-len(said) // most) if said else 1
    groups = [said[start : start + size] for start in range(0, len(said), size)]
    at = [round(statistics.median(time for time, _ in group), 3) for group in groups]
    kept = [statistics.median(value for _, value in group) for group in groups]
    return at, [float(f"{value:.6g}") for value in kept]
