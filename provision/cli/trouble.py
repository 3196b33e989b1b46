"""The last resort of every command: a message and an exit code instead of a traceback."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Any

import click

from provision.errors import DlrigError, Exit

if TYPE_CHECKING:
    from collections.abc import Callable

STOPPED = 130
"""What shells report for a command that Ctrl-C ended."""


def reporting(command: Callable[[], Any]) -> int:
    """Run a command; returns the process's exit code."""
    try:
        outcome = command()
    except DlrigError as error:
        from provision.terminal.console import messages, show_error  # noqa: PLC0415 - rich is only needed here

        show_error(messages(), error)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return Exit.USAGE
    except (KeyboardInterrupt, click.Abort):
        print(  # noqa: T201 - nothing else may fail now
            "\nStopped. Nothing is lost: run the same command again and it goes on from there.",
            file=sys.stderr,
        )
        return STOPPED
    except BrokenPipeError:
        # Whoever read our output has gone, as `head` does; Python must not complain when it flushes.
        sys.stdout = None
        return Exit.OK
    except Exception:  # noqa: BLE001 - a defect of ours; the user gets a sentence and a file to send
        return _defect()
    return outcome if isinstance(outcome, int) else Exit.OK


def _defect() -> int:
    text = traceback.format_exc()
    last = text.strip().splitlines()[-1]
    try:
        from provision.state import new_id, state_folder, write_file  # noqa: PLC0415

        path = state_folder() / f"defect-{new_id()}.txt"
        write_file(path, text.encode())
        kept = f"The details are in {path}; please report them."
    except (DlrigError, OSError):
        kept = text
    print(f"error: a defect in dlrig: {last}\n{kept}", file=sys.stderr)  # noqa: T201 - as above
    return Exit.FAILED
