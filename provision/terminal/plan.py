"""A plan: what was chosen and why, what will change, and what to know before agreeing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from provision.plan import FACT, WISH
from provision.report.text import count_of
from provision.results import Status
from provision.terminal.console import arrow, safe, symbol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from provision.plan import Conflict, Decision, Nearest, Plan


def show_plan(console: Console, plan: Plan, *, sources: bool = False) -> None:
    """Show a plan of a rig.

    Args:
        console: where.
        plan: what.
        sources: with where each rule comes from.
    """
    _choices(console, plan, sources=sources)
    _actions(console, plan)
    _warnings(console, plan)
    _stops(console, plan)


def show_choices(console: Console, plan: Plan, *, sources: bool = False) -> None:
    """Show a plan of a machine that does not exist yet: everything would have to be done there."""
    _choices(console, plan, sources=sources)
    _warnings(console, plan)
    _stops(console, plan)


def show_conflicts(
    console: Console, conflicts: tuple[Conflict, ...], nearest: tuple[Nearest, ...]
) -> None:
    """Show why nothing fits, and what would."""
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column()
    table.add_column(overflow="fold")
    for conflict in conflicts:
        text = safe(conflict.statement)
        source = source_of(conflict.source, conflict.date, conflict.confidence)
        if source:
            text.append_text(safe(f"\n{source}", "label"))
        table.add_row("  -", text)
    console.print(table)
    if nearest:
        console.print(safe("  Nearest plans that fit:", "title"))
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column()
    table.add_column(overflow="fold")
    for one in nearest:
        table.add_row("  -", Text.assemble(safe(one.change, "title"), safe(f": {one.gives}")))
    console.print(table)


def source_of(source: str, date: str, confidence: str) -> str:
    """``source: NVIDIA's driver life cycle, read 2026-11-22, high confidence``."""
    if source in {WISH, FACT, ""}:
        return ""
    read = f", read {date}" if date else ""
    sure = f", {confidence} confidence" if confidence else ""
    return f"source: {source}{read}{sure}"


def _choices(console: Console, plan: Plan, *, sources: bool) -> None:
    console.print(Text.assemble("Plan for ", safe(plan.target, "title")))
    _reasons(console, plan.reasons, sources=sources)
    _packages(console, plan)


def _reasons(console: Console, reasons: tuple[Decision, ...], *, sources: bool) -> None:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="label", max_width=20)
    table.add_column(style="title", max_width=30, overflow="fold")
    table.add_column(overflow="fold")
    for decision in reasons:
        reason = safe(decision.reason)
        source = source_of(decision.source, decision.date, decision.confidence)
        if sources and source:
            reason.append_text(safe(f"\n{source}", "label"))
        table.add_row(safe(f"  {decision.subject}"), safe(decision.choice), reason)
    console.print(table)


def _packages(console: Console, plan: Plan) -> None:
    console.print(safe("Packages:"))
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="label", max_width=20)
    table.add_column(overflow="fold")
    for subject, packages in _lists(plan):
        table.add_row(safe(f"  {subject}"), safe("  ".join(packages)))
    console.print(table)


def _lists(plan: Plan) -> Iterator[tuple[str, tuple[str, ...]]]:
    if plan.driver:
        yield "driver", plan.driver.packages
    if plan.cuda.packages:
        yield "CUDA toolkit", plan.cuda.packages
    for each in plan.environments.values():
        yield each.name, each.pins


def _actions(console: Console, plan: Plan) -> None:
    if not plan.actions:
        done = symbol(console, Status.PASS)
        console.print(Text.assemble((f"{done} nothing to do", "pass"), ": the rig is as planned"))
        return
    console.print(Text.assemble((count_of(len(plan.actions), "change"), "title"), ":"))
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="label", max_width=16)
    table.add_column(overflow="fold")
    for action in plan.actions:
        change = Text.assemble(
            safe(action.subject, "title"),
            safe(f": {action.present or 'nothing'} {arrow(console)} "),
            safe(action.wanted, "title"),
            safe(f"  ({action.reason})" if action.reason else "", "label"),
        )
        table.add_row(safe(f"  {action.role}"), change)
    console.print(table)


def _warnings(console: Console, plan: Plan) -> None:
    for warning in plan.warnings:
        table = Table.grid()
        table.add_row(Text("! note: ", style="warn"), safe(warning))
        console.print(table)


def _stops(console: Console, plan: Plan) -> None:
    """What would end ``up`` before it changes anything."""
    for stop in plan.stops:
        table = Table.grid()
        text = Text.assemble(safe(stop.what), safe(f"\n{stop.hint}", "label"))
        mark = f"{symbol(console, Status.FAIL)} in the way: "
        table.add_row(Text(mark, style="fail"), text)
        console.print(table)
