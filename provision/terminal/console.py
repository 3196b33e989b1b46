"""The two consoles, what they can show, and how an error looks.

Colour only on a terminal that has it, and never with ``NO_COLOR``; no meaning by colour alone.
"""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.text import Text
from rich.theme import Theme

from provision.errors import ImpossiblePlanError
from provision.report.text import clean
from provision.report.words import PLAIN_SYMBOLS, SYMBOLS

if TYPE_CHECKING:
    from typing import TextIO

    from provision.errors import DlrigError
    from provision.results import Status

THEME = Theme(
    {
        "pass": "green",
        "warn": "yellow",
        "fail": "bold red",
        "skip": "dim",
        "error": "magenta",
        "label": "dim",
        "title": "bold",
    }
)


def output() -> Console:
    """Standard output: what was asked for."""
    return make(sys.stdout)


def messages() -> Console:
    """Standard error: progress, warnings, errors."""
    return make(sys.stderr)


def make(file: TextIO) -> Console:
    """A console on ``file`` that takes no text for markup and never fails on a letter it cannot show."""
    if isinstance(file, io.TextIOWrapper):
        file.reconfigure(errors="replace")
    return Console(file=file, theme=THEME, markup=False, emoji=False, highlight=False)


def safe(text: str, style: str = "") -> Text:
    """Text from a rig, harmless; for a Console of any settings."""
    return Text(clean(text), style=style)


def can_show(console: Console, text: str) -> bool:
    """Whether the console's encoding has all of ``text``."""
    try:
        text.encode(console.encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def symbol(console: Console, status: Status) -> str:
    """A status's symbol that the console can show."""
    shown = SYMBOLS[status]
    return shown if can_show(console, shown) else PLAIN_SYMBOLS[status]


def arrow(console: Console) -> str:
    """What stands between what was and what will be."""
    return "→" if can_show(console, "→") else "->"


def show_error(console: Console, error: DlrigError) -> None:
    """What happened, where, what to do, and the error's short name."""
    head = Text.assemble(("error", "bold red"), ": ")
    if error.where:
        head.append_text(safe(f"{error.where}: ", "bold"))
    if isinstance(error, ImpossiblePlanError) and error.conflicts:
        from provision.terminal.plan import show_conflicts  # noqa: PLC0415 - it needs this module

        head.append_text(
            safe("nothing fits:" if error.nearest else "nothing fits, and no small change helps:")
        )
        console.print(head)
        show_conflicts(console, error.conflicts, error.nearest)
    else:
        head.append_text(safe(error.what))
        console.print(head)
        _hint(console, error)
    console.print(Padding(safe(f"({error.reference})", "label"), (0, 0, 0, 2)))


def _hint(console: Console, error: DlrigError) -> None:
    if error.hint:
        console.print(Padding(safe(error.hint), (0, 0, 0, 2)))
