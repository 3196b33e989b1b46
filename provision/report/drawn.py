"""Every plot of the page with its caption and its words, for those who see it and those who do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from provision.catalogue.published import read_published
from provision.report import panels, plots
from provision.report.figures import COURSE, THROUGHPUT, drawable, drift, is_disturbed, is_synthetic
from provision.report.speeds import where
from provision.report.text import number, percent, signed
from provision.report.training import device

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from provision.catalogue.published import Pairs
    from provision.catalogue.published import Run as PublishedRun
    from provision.results import Figure, Result

VALUES = 200
"""Rows of a table of values at most."""


class Plot(msgspec.Struct, frozen=True, kw_only=True):
    """One drawing; ``svg`` holds nothing that came from a rig.

    Attributes:
        summary: what it shows, in a sentence.
        marks: what the published marks are, and which of them lie beyond the plot; a sentence each.
        head: of the table of values.
        values: its rows.
        tall: takes the room of two.
    """

    check: str
    title: str
    unit: str
    summary: str
    note: str
    synthetic: bool
    disturbed: bool
    marks: tuple[str, ...] = ()
    svg: str
    tall: bool = False
    head: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """The plots of one check, and what must be known of all of them."""

    check: str
    note: str
    plots: tuple[Plot, ...]


def drawn(results: Iterable[Result]) -> tuple[Run, ...]:
    """Check by check, those that have something to draw."""
    every = ((result, tuple(_plots(result, place))) for place, result in enumerate(results))
    return tuple(
        Run(check=result.check, note=shown[0].note, plots=shown) for result, shown in every if shown
    )


def _plots(result: Result, place: int) -> Iterator[Plot]:
    """Throughput, loss, and what the monitor saw; that stands between the others where it is as tall as both."""
    shown = panels.panels(result.figures)
    seen = [_monitored(result, shown, f"panels {place}")] if shown else []
    yield from _series(result, THROUGHPUT, place)
    yield from (plot for plot in seen if plot.tall)
    yield from _series(result, COURSE, place)
    yield from (plot for plot in seen if not plot.tall)


def _series(result: Result, name: str, place: int) -> Iterator[Plot]:
    drawer = _throughput if name == THROUGHPUT else _loss
    for kind, figure in enumerate(result.figures):
        several = figure.name == name and len(figure.samples) > 1
        if several and drawable((*figure.samples, *figure.at)):
            yield drawer(result.check, figure, f"plot {place} {kind}")


def _throughput(check: str, figure: Figure, salt: str) -> Plot:
    runs = _like(check, figure)
    split = {run.label: plots.within(figure, run.series) for run in runs}
    inside = {label: marks for label, (marks, _) in split.items() if marks}
    disturbed, fall = is_disturbed(figure.note), drift(figure.samples)
    words = (
        f"median {number(figure.median)} (dashed)",
        f"middle 80 % within ±{percent(figure.spread)} (band)",
        f"drift {signed(fall)}" if fall is not None else "",
        "dotted, because something disturbed it" if disturbed else "",
    )
    return _plot(
        check,
        figure,
        title="Throughput, window by window",
        summary=", ".join(filter(None, words)),
        marks=(
            *((f"Hollow marks: {'; '.join(inside)}.",) if inside else ()),
            *(
                f"Not drawn, beyond this plot: {label}: {_said(beyond)}."
                for label, (_, beyond) in split.items()
                if beyond
            ),
        ),
        svg=plots.throughput(figure, salt, inside, disturbed=disturbed),
    )


def _loss(check: str, figure: Figure, salt: str) -> Plot:
    runs = read_published().runs(check)
    last = max(plots.places(figure), default=0)
    marks = {
        f"{run.year}, {device(run.gpus)}": found
        for run in runs
        if (found := tuple(pair for pair in run.losses if pair[0] <= last))
    }
    by = dict.fromkeys(f"{run.year} {run.by}" for run in runs if run.losses)
    return _plot(
        check,
        figure,
        title="Loss by step",
        summary=f"from {number(figure.samples[0])} to {number(figure.samples[-1])}",
        marks=(f"Hollow marks: {', '.join(by)} (real images).",) if marks else (),
        svg=plots.loss(figure, salt, marks),
    )


def _plot(
    check: str, figure: Figure, *, title: str, summary: str, marks: tuple[str, ...], svg: str
) -> Plot:
    pairs = list(zip(plots.places(figure), figure.samples, strict=True))
    step = -(-len(pairs) // VALUES)
    every = f" (one of {step})" if step > 1 else ""
    return Plot(
        check=check,
        title=title,
        unit=figure.unit,
        summary=summary,
        note=figure.note,
        synthetic=is_synthetic(figure.note),
        disturbed=is_disturbed(figure.note),
        marks=marks,
        svg=svg,
        head=((figure.at_unit or "sample").capitalize() + every, figure.unit or title),
        values=tuple((number(at), number(value)) for at, value in pairs[::step]),
    )


def _monitored(result: Result, shown: Sequence[panels.Panel], salt: str) -> Plot:
    note = next((figure.note for figure in result.figures if figure.name == THROUGHPUT), "")
    several = max(sum(line.card is not None for line in panel.lines) for panel in shown)
    names = ", ".join(panel.name.lower() for panel in shown)
    how = f"; the middle of {several} GPUs, and their span" if several > panels.MOST else ""
    return Plot(
        check=result.check,
        title="While it ran",
        unit="",
        summary=f"{names} by time{how}",
        note=note,
        synthetic=is_synthetic(note),
        disturbed=is_disturbed(note),
        svg=panels.draw(shown, salt),
        tall=len(shown) > 2,  # noqa: PLR2004 - about as tall as two other plots
        head=("Device", "Quantity", "Median", "Least", "Most"),
        values=tuple(
            (line.label, f"{panel.name}, {panel.unit}", *panels.summary(line))
            for panel in shown
            for line in panel.lines
        ),
    )


def _like(check: str, figure: Figure) -> tuple[PublishedRun, ...]:
    """Published series of the same training on as many devices of the same kind."""
    place = where(figure.note)
    if place is None:
        return ()
    every = read_published().runs(check, figure.unit)
    return tuple(run for run in every if run.gpus == place[0] and run.series)


def _said(pairs: Pairs) -> str:
    return ", ".join(f"{number(value)} at step {number(step)}" for step, value in pairs)
