"""CPU against one GPU against all, with published figures as marks: one drawing per training."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from matplotlib.ticker import FuncFormatter, LogLocator

from provision.report import drawing
from provision.report.text import number
from provision.report.training import Speed, Training, device

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

    from provision.catalogue.published import Run

LOGARITHMIC = 10.0
"""From this ratio of the greatest to the least on, the axis is logarithmic: the least would be a dot at zero."""
_NEAR = 100.0
"""Below this ratio powers of ten alone would be too few numbers on the axis."""
_SHAPES = "osD^vP"
_OWN = "this rig"
_ROW, _REST = 0.62, 1.05  # inches


class Row(NamedTuple):
    """One kind of device or one machine: what was measured, and what was published; either may be missing."""

    label: str
    speed: Speed | None
    runs: tuple[Run, ...]


def rows(training: Training, runs: Sequence[Run]) -> tuple[Row, ...]:
    """A row per kind of device that was measured or, as far as the rig's own reach, published."""
    if training.machines:
        return tuple(Row(speed.device, speed, ()) for speed in training.speeds)
    speeds = {speed.gpus: speed for speed in training.speeds}
    reach = max(speeds)
    every = sorted({*speeds, *(run.gpus for run in runs if run.gpus <= reach)})
    return tuple(
        Row(device(gpus), speeds.get(gpus), tuple(run for run in runs if run.gpus == gpus))
        for gpus in every
    )


def logarithmic(shown: Sequence[Row]) -> bool:
    """Whether the figures lie so far apart that only a logarithmic axis holds them."""
    values = [value for row in shown for value in _values(row)]
    return bool(values) and min(values) > 0 and max(values) > LOGARITHMIC * min(values)


def draw(shown: Sequence[Row], salt: str) -> str:
    """The measured median as a dot with the middle 80 % of its windows; published spans as hollow marks."""

    def paint(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        _grid(axes, shown)
        shapes = _shapes(shown)
        for height, row in enumerate(shown):
            if row.speed:
                _measured(axes, height, row.speed)
            for place, run in enumerate(row.runs):
                _published(axes, height + 0.2 + 0.15 * place, run, shapes[run.by])
        named = {
            label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        own_first = sorted(named, key=lambda label: not label.startswith(_OWN))
        handles = [named[label] for label in own_first]
        if len(named) > 1:
            canvas.legend(handles, own_first, loc="outside lower center", ncols=2)

    return drawing.draw(paint, salt, _REST + _ROW * len(shown))


def _grid(axes: Axes, shown: Sequence[Row]) -> None:
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    axes.spines[["left"]].set_visible(False)
    axes.set_yticks(range(len(shown)), [row.label for row in shown], color=drawing.INK)
    axes.set_ylim(len(shown) - 0.35, -0.5)
    values = [value for row in shown for value in _values(row)]
    if logarithmic(shown):
        axes.set_xscale("log", subs=[])
        near = max(values) < _NEAR * min(values)
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if near else (1.0,)))
        # Room for the number beside the last dot.
        axes.set_xlim(min(values) / 1.6, max(values) * 3)
    else:
        axes.set_xlim(0, max(values) * 1.2 or 1)
        axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: number(value)))


def _measured(axes: Axes, height: float, speed: Speed) -> None:
    low, high = speed.figure.middle
    axes.plot([low, high], [height, height], color=drawing.SERIES, linewidth=4, alpha=0.55)
    axes.plot(
        [speed.figure.median],
        [height],
        "o",
        color=drawing.SERIES,
        markersize=9,
        markerfacecolor=drawing.PAPER if speed.disturbed else drawing.SERIES,
        markeredgewidth=2,
        linestyle="",
        label=f"{_OWN}, disturbed" if speed.disturbed else _OWN,
    )
    axes.annotate(
        number(speed.figure.median),
        (max(high, speed.figure.median), height),
        xytext=(9, 0),
        textcoords="offset points",
        va="center",
        fontweight="bold",
    )


def _published(axes: Axes, height: float, run: Run, shape: str) -> None:
    span = run.span
    if span is None:
        return
    axes.plot(
        sorted(set(span)),
        [height] * len(set(span)),
        color=drawing.MARK,
        linewidth=1,
        marker=shape,
        markersize=6,
        markerfacecolor=drawing.PAPER,
        markeredgewidth=1.5,
        label=f"{run.year} {run.by}",
    )


def _values(row: Row) -> list[float]:
    own = [row.speed.figure.median, *row.speed.figure.middle] if row.speed else []
    return own + [value for run in row.runs for value in run.span or ()]


def _shapes(shown: Sequence[Row]) -> dict[str, str]:
    every = dict.fromkeys(run.by for row in shown for run in row.runs)
    return {by: _SHAPES[(place + 1) % len(_SHAPES)] for place, by in enumerate(every)}
