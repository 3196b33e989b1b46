"""Time two ways of doing the same, in turn, so that a machine whose speed drifts treats both alike."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def timed(work: Callable[[], None]) -> float:
    """Wall time of ``work``, in seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def report(title: str, first: str, second: str, pairs: list[tuple[float, float]]) -> str:
    """A table in Markdown: medians, spans, and the ratio pair by pair.

    Args:
        title: what was compared.
        first: the name of the first of each pair.
        second: the name of the second.
        pairs: seconds.
    """
    a, b = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    ratios = [pair[1] / pair[0] for pair in pairs]
    rows = [
        f"## {title}",
        "",
        f"{len(pairs)} interleaved pairs; seconds, wall time.",
        "",
        "| | median | min | max |",
        "|---|---|---|---|",
        *(
            f"| {name} | {statistics.median(values):.2f} | {min(values):.2f} | {max(values):.2f} |"
            for name, values in ((first, a), (second, b))
        ),
        f"| ratio, {second} / {first} | {statistics.median(ratios):.2f} | {min(ratios):.2f} | {max(ratios):.2f} |",
        "",
    ]
    return "\n".join(rows)
