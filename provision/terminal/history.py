"""Acceptances of the past, and two of them held against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from provision.report.text import line, moment, percent, quantity
from provision.report.words import TONES, WORST_FIRST
from provision.terminal.console import safe, symbol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from provision.history import Entry
    from provision.report.comparison import Comparison, FigureChange
    from provision.report.figures import Measured
    from provision.results import Status


def show_history(console: Console, entries: Iterable[Entry]) -> None:
    """A line per acceptance, in the order given."""
    rows = list(entries)
    if not rows:
        console.print(Text("Nothing has been accepted yet: dlrig check TARGET"))
        return
    table = _table("Run", "Rig", "Verdict", "Checks", "Throughput")
    table.columns[0].no_wrap = table.columns[-1].no_wrap = True
    for entry in rows:
        tone = TONES[entry.verdict]
        verdict = f"{symbol(console, tone)} {entry.verdict.value}"
        if entry.scope != "all":
            verdict += f" (only {line(entry.scope, 40)})"
        counts = (f"{entry.counts.get(s, 0)} {s.value}" for s in WORST_FIRST if entry.counts.get(s))
        best = entry.headline
        mark = "\n[synthetic]" if best and best.synthetic else ""
        table.add_row(
            safe(entry.id),
            safe(entry.rig),
            Text(verdict, style=tone.value),
            Text(", ".join(counts)),
            safe(quantity(best.median, best.unit) + mark if best else ""),
        )
    console.print(table)


def show_comparison(console: Console, comparison: Comparison) -> None:
    """The later acceptance against the earlier one: every check, every figure with its ratio."""
    before, after = comparison.before, comparison.after
    for label, each in (("before", before), ("after", after)):
        console.print(
            Text.assemble(
                (f"{label:<7}", "label"),
                safe(each.id, "title"),
                safe(f"  {each.rig}, {moment(each.started)}: {each.verdict.value}"),
            )
        )
    if not comparison.same_machine:
        console.print(Text("! two different machines", style="warn"))
    elif comparison.same_state:
        console.print(Text("the same machine, in the same state", style="label"))
    else:
        console.print(Text("the same machine; what is installed on it has changed", style="label"))
    _checks(console, comparison)
    if comparison.figures:
        _figures(console, comparison.figures)


def _checks(console: Console, comparison: Comparison) -> None:
    table = _table("Check", "Before", "After", "")
    for check in comparison.checks:
        table.add_row(
            safe(check.check),
            _status(console, check.before),
            _status(console, check.after),
            Text("changed" if check.changed else "", style="title"),
        )
    console.print(table)


def _figures(console: Console, figures: Iterable[FigureChange]) -> None:
    every = list(figures)
    for check in dict.fromkeys(figure.check for figure in every):
        console.print(safe(check, "title"))
        table = _table("Figure", "Before", "After", "Ratio")
        for figure in every:
            if figure.check == check:
                cells = (_measured(each) for each in (figure.before, figure.after))
                table.add_row(safe(figure.name), *cells, _ratio(figure))
        console.print(table)


def _measured(figure: Measured | None) -> Text:
    if figure is None:
        return Text("not measured", style="label")
    spread = f"±{percent(figure.spread)}" if len(figure.samples) > 1 else ""
    mark = "[synthetic]" if figure.synthetic else ""
    return safe(f"{quantity(figure.median, figure.unit)}\n{f'{spread} {mark}'.strip()}".rstrip())


def _ratio(figure: FigureChange) -> Text:
    if figure.ratio is None:
        return Text(figure.obstacle, style="label")
    if figure.beyond_spread:
        return Text(f"{figure.ratio:.3f}\nbeyond the spread", style="title")
    return Text(f"{figure.ratio:.3f}\nwithin the spread")


def _status(console: Console, status: Status | None) -> Text:
    if status is None:
        return Text("not run", style="label")
    return Text(f"{symbol(console, status)} {status.value}", style=status.value)


def _table(*titles: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for title in titles:
        table.add_column(title, overflow="fold")
    return table
