"""What the monitor saw while a training ran: small panels of one breadth over the same seconds.

Every card has a line style and a mark of its own, so that nobody needs the colours to tell them apart; of more than
eight cards the middle and the span are drawn.
"""

from __future__ import annotations

import re
import statistics
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from provision.report import drawing
from provision.report.figures import drawable
from provision.report.plots import places

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

    from provision.results import Figure

MOST = 8
"""Cards that are drawn one by one."""
POINTS = 200
"""Of a series at most; of longer ones every so manieth is drawn."""

_CARD = re.compile(r"gpu(\d{1,4})_(utilisation|temperature|power|clock)")
_CPU = "cpu_utilisation"
_CPU_LABEL = "CPU"

_COLOURS = (drawing.SERIES, drawing.MARK, drawing.THIRD, drawing.FOURTH)
_DASHES = ((None, None), (6, 2), (2, 1.5), (7, 2, 2, 2))
_SHAPES = "osD^vPX*"

_TITLE_HEIGHT, _PANEL_HEIGHT = 0.75, 1.85  # inches


class Line(NamedTuple):
    """One device's series.

    Attributes:
        label: ``CPU``, ``GPU 0``.
        card: its number; None for the CPU.
        seconds: since the training's command started.
        values: as many.
    """

    label: str
    card: int | None
    seconds: tuple[float, ...]
    values: tuple[float, ...]


class Panel(NamedTuple):
    """One quantity of every device."""

    name: str
    unit: str
    lines: tuple[Line, ...]


_PANELS = (
    ("utilisation", "Utilisation", "%"),
    ("clock", "Clock", "MHz"),
    ("temperature", "Temperature", "°C"),
    ("power", "Power", "W"),
)


def panels(figures: Iterable[Figure]) -> tuple[Panel, ...]:
    """Those that have a series over time; empty where nothing was sampled."""
    lines: dict[str, list[Line]] = {kind: [] for kind, _, _ in _PANELS}
    for figure in figures:
        card = _CARD.fullmatch(figure.name)
        several = len(figure.samples) > 1 and drawable((*figure.samples, *figure.at))
        if figure.at_unit != "s" or not several:
            continue
        if card:
            lines[card[2]].append(_line(f"GPU {int(card[1])}", int(card[1]), figure, 1.0))
        elif figure.name == _CPU:
            lines["utilisation"].append(_line(_CPU_LABEL, None, figure, 100.0))
    return tuple(
        Panel(name, unit, tuple(sorted(lines[kind], key=_order)))
        for kind, name, unit in _PANELS
        if lines[kind]
    )


def summary(line: Line) -> tuple[str, str, str]:
    """Median, least and greatest value."""
    values = line.values
    return f"{statistics.median(values):,.0f}", f"{min(values):,.0f}", f"{max(values):,.0f}"


def draw(shown: Sequence[Panel], salt: str) -> str:
    """All panels, one below the other; ``shown`` has at least one."""

    def paint(canvas: Canvas) -> None:
        every = canvas.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
        for axes, panel in zip(every, shown, strict=True):
            _panel(axes, panel)
        every[-1].set_xlabel("seconds since the start")
        handles = {
            label: handle
            for axes in every
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        canvas.legend(
            handles.values(),
            handles.keys(),
            loc="outside lower center",
            ncols=min(len(handles), 5),
            handlelength=3,
            columnspacing=1.2,
        )

    return drawing.draw(paint, salt, _TITLE_HEIGHT + _PANEL_HEIGHT * len(shown))


def _line(label: str, card: int | None, figure: Figure, factor: float) -> Line:
    step = -(-len(figure.samples) // POINTS)
    values = tuple(value * factor for value in figure.samples[::step])
    return Line(label, card, places(figure)[::step], values)


def _order(line: Line) -> int:
    return -1 if line.card is None else line.card


def _panel(axes: Axes, panel: Panel) -> None:
    axes.set_title(f"{panel.name}, {panel.unit}", color=drawing.INK)
    axes.spines[["left"]].set_visible(False)
    axes.margins(x=0.02)
    axes.locator_params(axis="y", nbins=4)
    cards = [line for line in panel.lines if line.card is not None]
    for line in panel.lines:
        if line.card is None:
            axes.plot(line.seconds, line.values, color=drawing.MUTED, linewidth=1, label=line.label)
    if len(cards) > MOST:
        _span(axes, cards)
    else:
        for number, line in enumerate(cards):
            _card(axes, line, number)
    if panel.unit == "%":
        axes.set_ylim(0, 105)
        axes.set_yticks([0, 50, 100])
    elif panel.unit in {"W", "MHz"}:
        # From zero: what throttling takes away must look like what it is.
        top = max(value for line in panel.lines for value in line.values)
        axes.set_ylim(0, top * 1.1 or 1)


def _card(axes: Axes, line: Line, number: int) -> None:
    # Each combination of four colours with four dashes differs from the others; so do the marks alone.
    few = max(1, len(line.seconds) // 8)
    axes.plot(
        line.seconds,
        line.values,
        color=_COLOURS[number % len(_COLOURS)],
        dashes=_DASHES[(number + number // len(_DASHES)) % len(_DASHES)],
        linewidth=1.5,
        marker=_SHAPES[number % len(_SHAPES)],
        markersize=5,
        markerfacecolor=drawing.PAPER,
        # Beside those of the other cards, not upon them.
        markevery=((number * few // MOST) % few, few),
        label=line.label,
    )


def _span(axes: Axes, cards: Sequence[Line]) -> None:
    """The middle card's value and what lies between the least and the greatest, at the first card's times."""
    seconds = np.asarray(cards[0].seconds)
    values = np.array([np.interp(seconds, line.seconds, line.values) for line in cards])
    axes.fill_between(
        seconds,
        values.min(axis=0),
        values.max(axis=0),
        color=drawing.BAND,
        linewidth=0,
        label=f"all {len(cards)} GPUs",
    )
    axes.plot(
        seconds,
        np.median(values, axis=0),
        color=drawing.SERIES,
        linewidth=2,
        label="the middle one",
    )
