"""How stages speak to people; what that needs is loaded when something is first said."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provision.errors import DlrigError
    from provision.pipeline import RigRun, Run


def say(run: Run, text: str) -> None:
    """One line, or a few."""
    from provision.terminal.console import safe  # noqa: PLC0415

    run.console.print(safe(text))


def fail(run: Run, rig: RigRun, error: DlrigError) -> None:
    """The rig goes no further; says why."""
    from provision.terminal.console import show_error  # noqa: PLC0415

    rig.error = error
    show_error(run.console, error)
