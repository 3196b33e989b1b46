"""A rig before and after its upgrade: every check and figure with its grade."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from provision.results import Status
from provision.terminal.console import arrow, safe, symbol
from provision.upgrade import said
from provision.upgrade.verdict import Grade

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from provision.facts.driver import Driver
    from provision.results import Acceptance
    from provision.upgrade.verdict import Finding, Judgement

_LOOKS = {Grade.BETTER: Status.PASS, Grade.WORSE: Status.FAIL, Grade.SAME: Status.SKIP}


def show_judgement(
    console: Console, before: Acceptance, after: Acceptance, judgement: Judgement
) -> None:
    """Show what is before and after, and what it comes to; details: ``dlrig compare``."""
    console.print(
        Text.assemble(
            safe(after.rig, "title"),
            f"  before {arrow(console)} after: {before.verdict.value} {arrow(console)} {after.verdict.value}",
        )
    )
    console.print(_table(console, "Check", judgement.checks))
    if judgement.figures:
        console.print(_table(console, "Figure", judgement.figures))
    looks = _LOOKS[judgement.grade]
    better, worse = len(judgement.better), len(judgement.worse)
    console.print(
        Text.assemble(
            (f"{symbol(console, looks)} {judgement.grade.value}", looks.value),
            f": {better} better, {worse} worse. Side by side: dlrig compare {before.id} {after.id}",
        )
    )


def _table(console: Console, title: str, findings: Iterable[Finding]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in (title, "Before", "After", ""):
        table.add_column(heading, overflow="fold")
    for each in findings:
        name = f"{each.check}, {each.figure}" if each.figure else each.check
        looks = _LOOKS[each.grade]
        graded = f"{symbol(console, looks)} {each.grade.value}"
        reason = f"\n{each.reason}" if each.reason else ""
        table.add_row(
            safe(name),
            safe(each.before or "not measured"),
            safe(each.after or "not measured"),
            Text(graded, style=looks.value).append_text(safe(reason, "label")),
        )
    return table


def show_sets(console: Console, rig: str, driver: Driver) -> None:
    """The driver that is there, and the sets that are kept, newest first."""
    console.print(Text.assemble(safe(rig, "title"), safe(f"  driver {said(driver)}")))
    current = driver.record.set if driver.record else ""
    for name in driver.sets:
        console.print(safe(f"  {name}{'  (installed)' if name == current else ''}"))
    if not driver.sets:
        console.print(Text("  no driver set is kept there", style="label"))
