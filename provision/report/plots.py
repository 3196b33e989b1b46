"""Plots as inline SVG whose colours and letters the page decides, so that they fit light, dark and paper.

Text inside comes from here alone, never from a rig: titles and notes stand in the page, escaped like the rest.
"""

from __future__ import annotations

import datetime as dt
import io
import re
import statistics
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import msgspec
from matplotlib.figure import Figure as Canvas

from provision import decode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from provision.results import Figure

# matplotlib knows no CSS: each stand-in colour becomes a variable of the page.
_COLOURS = {
    "#010203": "var(--ink)",
    "#010204": "var(--muted)",
    "#010205": "var(--rule)",
    "#010206": "var(--series)",
    "#010207": "var(--band)",
    "#010208": "var(--mark)",
    "#010209": "var(--paper)",
}
_INK, _MUTED, _RULE, _SERIES, _BAND, _MARK, _PAPER = _COLOURS

_STYLE: dict[str, Any] = {
    "figure.facecolor": "none",
    "svg.fonttype": "none",  # letters stay text: searchable, read aloud, in the page's type
    "font.size": 11,
    "text.color": _INK,
    "text.parse_math": False,
    "axes.facecolor": "none",
    "axes.edgecolor": _RULE,
    "axes.labelcolor": _MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": _RULE,
    "grid.linewidth": 0.8,
    "xtick.color": _RULE,
    "xtick.labelcolor": _MUTED,
    "ytick.color": _RULE,
    "ytick.labelcolor": _MUTED,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
}
_WIDTH, _HEIGHT = 6.0, 3.6  # inches at 72 points: letters stay readable when a phone shrinks it
_MANY = 40
"""From this many samples on, single points would merge."""


class Point(msgspec.Struct, frozen=True):
    """A published value of the reference rig."""

    run: str
    step: float
    value: float


class Reference(msgspec.Struct, frozen=True):
    """What the reference rig published; see ``reference.toml``.

    Attributes:
        source: where it comes from.
        date: of the run.
        confidence: how far to trust it.
        label: what it is, for a caption.
        check: the beginning of the checks that it may be held against.
        figure: the figure that it may be held against.
        points: the values.
    """

    source: str
    date: dt.date
    confidence: str
    label: str
    check: str
    figure: str
    points: tuple[Point, ...]

    def beside(self, check: str, figure: Figure) -> tuple[Point, ...]:
        """The values to be held against ``figure``, as far as its steps reach."""
        if figure.name != self.figure or not check.startswith(self.check):
            return ()
        last = max(places(figure), default=0)
        return tuple(point for point in self.points if point.step <= last)


@cache
def reference() -> Reference:
    """The published values."""
    raw = Path(__file__).with_name("reference.toml").read_bytes()
    return decode.toml(raw, Reference)


def places(figure: Figure) -> tuple[float, ...]:
    """The abscissa of each sample; its number, from 1, where the figure has none."""
    if len(figure.at) == len(figure.samples):
        return figure.at
    return tuple(float(number) for number in range(1, len(figure.samples) + 1))


def throughput(figure: Figure, salt: str) -> str:
    """Throughput window by window, its median dashed, and the band that holds the middle 80 % of the windows."""
    with mpl.rc_context(_style(salt)):
        canvas, axes = _axes(figure)
        most = max(figure.samples)
        if len(figure.samples) > 1:
            deciles = statistics.quantiles(figure.samples, n=10, method="inclusive")
            axes.axhspan(deciles[0], deciles[-1], color=_BAND, linewidth=0, zorder=0.5)
        axes.axhline(figure.median, color=_SERIES, linewidth=1, dashes=(5, 4))
        _series(axes, figure)
        # From zero: a wobble of a few per cent must look like one.
        axes.set_ylim(0, most * 1.15 or 1)
        return _svg(canvas)


def loss(figure: Figure, points: Sequence[Point], salt: str) -> str:
    """Loss by step; ``points`` are marked beside it."""
    with mpl.rc_context(_style(salt)):
        canvas, axes = _axes(figure)
        _series(axes, figure)
        for run, shape in zip(dict.fromkeys(point.run for point in points), "osD", strict=False):
            mine = [point for point in points if point.run == run]
            axes.plot(
                [point.step for point in mine],
                [point.value for point in mine],
                shape,
                color=_MARK,
                markerfacecolor="none",
                markersize=8,
                markeredgewidth=1.5,
                label=f"2017, {run}",
                zorder=3,
            )
        if points:
            axes.legend(frameon=False, handletextpad=0.2)
        values = [*figure.samples, *(point.value for point in points)]
        margin = (max(values) - min(values)) * 0.12 or 0.5
        axes.set_ylim(min(values) - margin, max(values) + margin)
        return _svg(canvas)


def _style(salt: str) -> Any:  # noqa: ANN401 - matplotlib lists its 300 keys as literals
    # The salt makes the ids inside the drawing differ from those of the page's other drawings.
    return {**_STYLE, "svg.hashsalt": salt}


def _axes(figure: Figure) -> tuple[Canvas, Axes]:
    canvas = Canvas(figsize=(_WIDTH, _HEIGHT), dpi=72, layout="constrained")
    axes = canvas.add_subplot()
    axes.spines[["left"]].set_visible(False)
    # Only names known here: a unit from elsewhere could be anything, and stands in the caption.
    axes.set_xlabel("step" if figure.at_unit == "step" else "sample")
    axes.margins(x=0.03)
    return canvas, axes


def _series(axes: Axes, figure: Figure) -> None:
    few = len(figure.samples) < _MANY
    axes.plot(
        places(figure),
        figure.samples,
        color=_SERIES,
        linewidth=2,
        marker="o" if few else "",
        markersize=5,
        markeredgecolor=_PAPER,
        markeredgewidth=1,
        solid_capstyle="round",
        zorder=2,
    )


def _svg(canvas: Canvas) -> str:
    """The drawing alone, as wide as its place, in the page's colours and type."""
    out = io.StringIO()
    canvas.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    drawing = out.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    for extra in (r"<metadata>.*?</metadata>", r"<style.*?</style>", r'(?<=<g) id="[^"]*"'):
        drawing = re.sub(extra, "", drawing, flags=re.DOTALL)
    drawing = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", drawing, count=1)
    drawing = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", drawing, count=1)
    drawing = re.sub(r"font-family: [^;\"]*;?|(?<=px) '[^;\"]*'(?=[;\"])", "", drawing)
    for colour, variable in _COLOURS.items():
        drawing = drawing.replace(colour, variable)
    return drawing.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1).strip()
