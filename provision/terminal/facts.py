"""A rig as it is now, in a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from provision.report.rig import rows
from provision.report.text import moment
from provision.terminal.console import safe

if TYPE_CHECKING:
    from rich.console import Console

    from provision.facts import Facts


def show_facts(console: Console, facts: Facts) -> None:
    """A row for each thing worth knowing; what needs attention bears a mark."""
    console.print(
        Text.assemble(
            safe(facts.target, "title"), ("  as of " + moment(facts.taken), "label"), end=""
        )
    )
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="label", max_width=24)
    table.add_column(overflow="fold")
    for row in rows(facts):
        mark = Text("! ", style="warn") if row.notice else Text()
        table.add_row(safe(row.label), mark.append_text(safe(row.value)))
    console.print(table)
