"""Options of the commands that may have to restart a rig."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click

if TYPE_CHECKING:
    from collections.abc import Callable

    from provision.errors import DlrigError
    from provision.pipeline import Run

F = TypeVar("F", bound="Callable[..., Any]")

_REBOOT = click.option(
    "--reboot/--no-reboot",
    default=None,
    help="Restart a rig where another driver is installed than is loaded, and wait for it; or never. Default: ask; "
    "--yes alone restarts nothing.",
)
_LIMIT = click.option(
    "--reboot-limit",
    type=click.IntRange(min=10),
    default=900,
    metavar="SECONDS",
    help="How long a rig may take to come back.  [default: 900]",
)


def restart_options(function: F) -> F:
    """Add the options to a command."""
    return _REBOOT(_LIMIT(function))


def take_restart_options(run: Run, chosen: dict[str, Any]) -> Run:
    """Put them into a run."""
    run.reboot = chosen["reboot"]
    run.reboot_limit = float(chosen["reboot_limit"])
    return run


def error_document(error: DlrigError | None) -> dict[str, str] | None:
    """An error in JSON."""
    if error is None:
        return None
    return {"what": error.what, "hint": error.hint, "reference": error.reference}
