"""Hold measured rates against like cards, the last acceptance, and what is published."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import msgspec

from provision import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checks.question import Measure
    from provision.results import Acceptance, Figure


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """One rate of one device.

    Attributes:
        name: the figure's: ``matrix_product_float32_gpu0``.
        what: for messages: ``float32``.
        device: ``gpu:0``.
        model: the device's.
        unit: TFLOP/s, GB/s.
        samples: in order of time.
        alike: rates of one model are compared where this is the same: the kind of link, where that decides.
        published: at most, in the same unit; None where it is not known.
        how: framework and version.
    """

    name: str
    what: str
    device: str
    model: str
    unit: str
    samples: tuple[float, ...]
    alike: str = ""
    published: float | None = None
    how: str = ""

    @property
    def median(self) -> float:
        """Of the samples."""
        return statistics.median(self.samples)

    def __str__(self) -> str:
        """``float32 4.1 TFLOP/s (94% of 4.37 published)``."""
        share = (
            f" ({self.median / self.published:.0%} of {self.published:g} published)"
            if self.published
            else ""
        )
        return f"{self.what} {self.median:.3g} {self.unit}{share}"

    def keep(self, measure: Measure) -> Figure:
        """As a figure of the result."""
        published = f"; {self.published:g} {self.unit} published" if self.published else ""
        note = f"{self.model}; {self.how}{published}"
        return measure.figure(self.name, self.unit, self.samples, note=note)


def told(rates: Iterable[Rate]) -> str:
    """What was measured, device by device."""
    devices: dict[str, list[Rate]] = {}
    for rate in rates:
        devices.setdefault(rate.device, []).append(rate)
    return "; ".join(
        f"{device} ({same[0].model}): {', '.join(map(str, same))}"
        for device, same in devices.items()
    )


def slower(rates: list[Rate]) -> list[str]:
    """Which are too far below the best like one in the box."""
    share = catalogue.criteria().peaks.margin.share
    found = []
    for rate in rates:
        like = [
            one
            for one in rates
            if (one.model, one.what, one.alike) == (rate.model, rate.what, rate.alike)
        ]
        best = max(like, key=lambda one: one.median)
        if rate.median < share * best.median:
            found.append(
                f"{rate.device}: {rate.what} {rate.median:.3g} {rate.unit}, "
                f"{rate.median / best.median:.0%} of {best.device}'s {best.median:.3g}, a like one"
            )
    return found


def hold(rates: list[Rate], figures: list[Figure], baseline: Acceptance | None, check: str) -> None:
    """Fail where a card is too far below its like, or any below the last acceptance; see ``slower`` and ``lost``."""
    __tracebackhide__ = True
    assert not slower(rates), "; ".join(slower(rates))
    worse = lost(rates, figures, baseline, check)
    assert not worse, "; ".join(worse)


def lost(
    rates: Iterable[Rate], figures: list[Figure], baseline: Acceptance | None, check: str
) -> list[str]:
    """Which are worse than at the last acceptance, by more than the margin and more than both spreads.

    Args:
        rates: those of now.
        figures: the same as figures, in the same order.
        baseline: the last acceptance.
        check: the name of the check that measured them then.
    """
    share = catalogue.criteria().peaks.margin.share
    results = baseline.results if baseline else ()
    before = {
        figure.name: figure for one in results if one.check == check for figure in one.figures
    }
    found = []
    for rate, now in zip(rates, figures, strict=True):
        then = before.get(rate.name)
        if then is None or not then.samples or not _comparable(then, now):
            continue
        least = then.median * (1 - max(1 - share, then.spread + now.spread))
        if now.median < least:
            found.append(
                f"{rate.device}: {rate.what} {now.median:.3g} {now.unit}, and {then.median:.3g} at the last "
                f"acceptance ({now.median / then.median:.0%}; spreads {now.spread:.0%} and {then.spread:.0%})"
            )
    return found


def _comparable(then: Figure, now: Figure) -> bool:
    """The same hardware, by the same framework: of its version only the name counts, as versions are compared."""
    return then.unit == now.unit and _kind(then.note) == _kind(now.note)


def _kind(note: str) -> tuple[str, str]:
    model, _, rest = note.partition("; ")
    return model, rest.partition(" ")[0]
