"""What an acceptance measured, boiled down to numbers that can be stored, shown and compared."""

from __future__ import annotations

import math
import re
import statistics
from typing import TYPE_CHECKING

import msgspec

from provision.report.text import percent, quantity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from provision.results import Acceptance, Figure, Result

SYNTHETIC = "synthetic"
"""The word in a figure's note that says its data were generated."""

COURSE = "loss"
"""A figure that is a course, not a quantity: its median over a run means nothing by itself."""

THROUGHPUT = "throughput"

_DISTURBED = re.compile(r"(?<!\bnot )\bdisturbed\b|\bnot steady\b", re.IGNORECASE)
"""Words in a note: other work, or heat, had its part in the figure."""

_MONITORED = re.compile(r"cpu_utilisation|gpu\d{1,4}_(?:utilisation|temperature|power|clock)")
"""What was sampled while a training ran."""


_DRIFT_NEEDS = 8

_GREATEST = 1e18
"""Beyond any rate, heat or power there is."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of one check.

    Attributes:
        check: the check that measured it.
        name: the figure's.
        unit: of ``median``.
        median: over all samples.
        spread: half the distance between the 10th and 90th percentile, as a fraction of the median.
        samples: in order of time.
        note: what to know before comparing it.
    """

    check: str
    name: str
    unit: str
    median: float
    spread: float
    samples: tuple[float, ...]
    note: str = ""

    @property
    def synthetic(self) -> bool:
        """Whether its data were generated."""
        return is_synthetic(self.note)

    @property
    def disturbed(self) -> bool:
        """Whether other work had its part in it."""
        return is_disturbed(self.note)

    @property
    def middle(self) -> tuple[float, float]:
        """The 10th and the 90th percentile of the samples."""
        if len(self.samples) == 1:
            return self.samples[0], self.samples[0]
        deciles = statistics.quantiles(self.samples, n=10, method="inclusive")
        return deciles[0], deciles[-1]

    def __str__(self) -> str:
        """``327.8 examples/s (±2 %, 12 samples) [synthetic]``."""
        spread = f" (±{percent(self.spread)}, {len(self.samples)} samples)"
        return (
            quantity(self.median, self.unit)
            + (spread if len(self.samples) > 1 else "")
            + (f" [{SYNTHETIC}]" if self.synthetic else "")
            + (" [disturbed]" if self.disturbed else "")
        )


def is_synthetic(note: str) -> bool:
    """Whether a figure's note says that its data were generated."""
    return SYNTHETIC in note.lower()


def is_disturbed(note: str) -> bool:
    """Whether a figure's note says that other work had its part in it."""
    return _DISTURBED.search(note) is not None


def is_course(name: str) -> bool:
    """Whether a figure is a course over time, which is drawn, and not compared: a loss, or what the monitor saw."""
    return name == COURSE or _MONITORED.fullmatch(name) is not None


def drift(samples: Sequence[float]) -> float | None:
    """Median of the last quarter over that of the first, minus 1; None with fewer than 8 samples."""
    quarter = len(samples) // 4
    if len(samples) < _DRIFT_NEEDS or not (first := statistics.median(samples[:quarter])):
        return None
    return statistics.median(samples[-quarter:]) / first - 1


def drawable(values: Iterable[float]) -> bool:
    """Whether sums and products of the values stay finite: a rig may say anything."""
    return all(abs(value) < _GREATEST for value in values)


def finite(acceptance: Acceptance) -> Acceptance:
    """The same acceptance without samples that are no numbers, which JSON cannot hold; notes count them."""
    results = tuple(
        msgspec.structs.replace(result, figures=tuple(_finite(each) for each in result.figures))
        if any(not all(map(math.isfinite, (*each.samples, *each.at))) for each in result.figures)
        else result
        for result in acceptance.results
    )
    return msgspec.structs.replace(acceptance, results=results)


def _finite(figure: Figure) -> Figure:
    paired = len(figure.at) == len(figure.samples)
    at = figure.at if paired else figure.samples
    kept = [
        (sample, place)
        for sample, place in zip(figure.samples, at, strict=True)
        if math.isfinite(sample) and math.isfinite(place)
    ]
    lost = len(figure.samples) - len(kept)
    remark = f"{lost} of {len(figure.samples)} values were infinite or no number" if lost else ""
    return msgspec.structs.replace(
        figure,
        samples=tuple(sample for sample, _ in kept),
        at=tuple(place for _, place in kept) if paired else (),
        note="; ".join(filter(None, (figure.note, remark))),
    )


def measured(acceptance: Acceptance) -> tuple[Measured, ...]:
    """Every figure that has at least one finite sample, in the order of the checks."""
    return tuple(
        measure(result, figure)
        for result in finite(acceptance).results
        for figure in result.figures
        if figure.samples
    )


def measure(result: Result, figure: Figure) -> Measured:
    """One figure; it has at least one sample, all finite."""
    return Measured(
        check=result.check,
        name=figure.name,
        unit=figure.unit,
        median=figure.median,
        spread=figure.spread,
        samples=figure.samples,
        note=figure.note,
    )


def headline(acceptance: Acceptance) -> Measured | None:
    """The highest throughput that was measured; None where none was."""
    found = [each for each in measured(acceptance) if each.name == THROUGHPUT]
    return max(found, key=lambda each: each.median, default=None)
