"""Throughput and loss of one training run, by step, with published values as marks."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from provision.report import drawing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

    from provision.catalogue.published import Pairs
    from provision.results import Figure

_MANY = 40
"""From this many samples on, single points would merge."""
ROOM = 2.0
"""How many times as far as the run's own figures the axes may reach to hold a mark. dlrig's own choice: what lies
further would leave the run less than half of the plot."""
LEAST = 0.05
"""What is less than this share of the run's own lies on the axis, where it cannot be told from nothing."""
_SHAPES = "osD^v"


def places(figure: Figure) -> tuple[float, ...]:
    """The abscissa of each sample; its number, from 1, where the figure has none."""
    if len(figure.at) == len(figure.samples):
        return figure.at
    return tuple(float(number) for number in range(1, len(figure.samples) + 1))


def within(figure: Figure, marks: Pairs) -> tuple[Pairs, Pairs]:
    """The marks that fit beside a run's throughput without squeezing it, and those that do not."""
    if figure.at_unit != "step":
        return (), marks
    last, most = max(places(figure)), max(figure.samples)
    inside = tuple(
        (step, rate)
        for step, rate in marks
        if step <= last * ROOM and most * LEAST <= rate <= most * ROOM
    )
    return inside, tuple(mark for mark in marks if mark not in inside)


def throughput(
    figure: Figure, salt: str, marks: Mapping[str, Pairs] | None = None, *, disturbed: bool = False
) -> str:
    """Throughput window by window, its median dashed, and the band that holds the middle 80 % of the windows.

    Args:
        figure: what was measured.
        salt: see ``drawing.draw``.
        marks: label → published pairs of step and rate that fit (see ``within``).
        disturbed: other work had its part in the figure: it is dotted.
    """
    marked = {label: pairs for label, pairs in (marks or {}).items() if pairs}

    def paint(canvas: Canvas) -> None:
        axes = _axes(canvas, figure)
        if len(figure.samples) > 1:
            deciles = statistics.quantiles(figure.samples, n=10, method="inclusive")
            axes.axhspan(deciles[0], deciles[-1], color=drawing.BAND, linewidth=0, zorder=0.5)
        axes.axhline(figure.median, color=drawing.SERIES, linewidth=1, dashes=(5, 4))
        _series(axes, figure, dotted=disturbed)
        _marks(axes, marked)
        # From zero: a wobble of a few per cent must look like one.
        rates = [*figure.samples, *(rate for pairs in marked.values() for _, rate in pairs)]
        axes.set_ylim(0, max(rates) * 1.15 or 1)
        if marked:
            axes.legend(loc="lower right", handletextpad=0.2)

    return drawing.draw(paint, salt)


def loss(figure: Figure, salt: str, marks: Mapping[str, Pairs] | None = None) -> str:
    """Loss by step; ``marks`` are drawn beside it: label → published pairs of step and loss."""
    marked = {label: pairs for label, pairs in (marks or {}).items() if pairs}

    def paint(canvas: Canvas) -> None:
        axes = _axes(canvas, figure)
        _series(axes, figure)
        _marks(axes, marked)
        if marked:
            axes.legend(handletextpad=0.2)
        values = [*figure.samples, *(loss for pairs in marked.values() for _, loss in pairs)]
        margin = (max(values) - min(values)) * 0.12 or 0.5
        axes.set_ylim(min(values) - margin, max(values) + margin)

    return drawing.draw(paint, salt)


def _axes(canvas: Canvas, figure: Figure) -> Axes:
    axes = canvas.add_subplot()
    axes.spines[["left"]].set_visible(False)
    # Only names known here: a unit from elsewhere could be anything, and stands in the caption.
    axes.set_xlabel("step" if figure.at_unit == "step" else "sample")
    axes.margins(x=0.03)
    return axes


def _series(axes: Axes, figure: Figure, *, dotted: bool = False) -> None:
    few = len(figure.samples) < _MANY
    axes.plot(
        places(figure),
        figure.samples,
        color=drawing.SERIES,
        linewidth=2,
        linestyle=":" if dotted else "-",
        marker="o" if few else "",
        markersize=5,
        markeredgecolor=drawing.PAPER,
        markeredgewidth=1,
        solid_capstyle="round",
        zorder=2,
    )


def _marks(axes: Axes, marks: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    """Hollow, a shape for each label."""
    for place, (label, pairs) in enumerate(marks.items()):
        axes.plot(
            [step for step, _ in pairs],
            [value for _, value in pairs],
            _SHAPES[place % len(_SHAPES)],
            color=drawing.MARK,
            markerfacecolor="none",
            markersize=8,
            markeredgewidth=1.5,
            label=label,
            zorder=3,
        )
