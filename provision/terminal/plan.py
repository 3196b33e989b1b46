"""A plan: what was chosen and why, what will change, and what to know before agreeing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from provision.report.text import count_of
from provision.results import Status
from provision.terminal.console import arrow, safe, symbol

if TYPE_CHECKING:
    from rich.console import Console

    from provision.plan import Decision, EnvironmentPlan, Plan


def show_plan(console: Console, plan: Plan, *, sources: bool = False) -> None:
    """Show a plan.

    Args:
        console: where.
        plan: what.
        sources: with where each rule comes from.
    """
    console.print(Text.assemble("Plan for ", safe(plan.target, "title")))
    _decisions(console, plan.decisions, sources=sources)
    _environments(console, plan.environments)
    _actions(console, plan)
    for warning in plan.warnings:
        table = Table.grid()
        table.add_row(Text("! note: ", style="warn"), safe(warning))
        console.print(table)


def _decisions(console: Console, decisions: tuple[Decision, ...], *, sources: bool) -> None:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="label", max_width=20)
    table.add_column(style="title", max_width=24, overflow="fold")
    table.add_column(overflow="fold")
    for decision in decisions:
        reason = safe(decision.reason)
        if sources and decision.source:
            reason.append_text(safe(f"\nsource: {decision.source}", "label"))
        table.add_row(safe(f"  {decision.subject}"), safe(decision.choice), reason)
    console.print(table)


def _environments(console: Console, environments: tuple[EnvironmentPlan, ...]) -> None:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="label", max_width=20)
    table.add_column(overflow="fold")
    for each in environments:
        wanted = (
            f"{each.framework} {each.version} on Python {each.python}, {each.device}, {each.path}"
        )
        described = Text.assemble(safe(each.name, "title"), "  ", safe(wanted))
        table.add_row("  environment", described)
    if environments:
        console.print(table)


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
