"""``dlrig check --last``: what the rigs know of themselves, for people and for monitoring."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

from provision.cli.options import make_run, write_each
from provision.errors import DlrigError, Exit

if TYPE_CHECKING:
    from rich.console import Console

    from provision.facts.watch import Watch
    from provision.report.nagios import Line


def show_last(chosen: dict[str, Any]) -> int:
    """Show how each rig stands, and run nothing; returns the exit code."""
    from provision.connection import connect  # noqa: PLC0415 - --help needs none of it
    from provision.facts.watch import Watch  # noqa: PLC0415
    from provision.report.nagios import unknown  # noqa: PLC0415
    from provision.watch import ask, standing  # noqa: PLC0415

    run = make_run(chosen)
    found: list[tuple[str, Watch, Line]] = []
    for rig in run.rigs:
        name = rig.target.name
        try:
            with connect(rig.target, run.settings) as connection:
                watch = ask(connection)
            found.append((name, watch, standing(name, watch)))
        except DlrigError as error:
            if chosen["form"] != "nagios":
                raise
            # Monitoring reads one line, whatever happens.
            found.append((name, Watch(), unknown(name, error.what)))
    if chosen["as_json"]:
        write_each(chosen, [watch for _, watch, _ in found])
    elif chosen["form"] == "nagios":
        if isinstance(sys.stdout, io.TextIOWrapper):
            # Monitoring daemons run in the C locale, whose encoding lacks what a line may hold.
            sys.stdout.reconfigure(errors="replace")
        for _, _, line in found:
            sys.stdout.write(f"{line.text}\n")
        return max(line.exit_code for _, _, line in found)
    else:
        _show(run.console, found)
    return max(_code(watch) for _, watch, _ in found)


def _code(watch: Watch) -> Exit:
    """As the command ended that ran the checks; a rig that changed since, or never was checked, is not known."""
    from provision.results import Verdict  # noqa: PLC0415

    note = watch.unchanged
    if note is None:
        return Exit.FAILED
    return Exit.OK if Verdict(note.verdict).accepted else Exit.REJECTED


def _show(console: Console, found: list[tuple[str, Watch, Line]]) -> None:
    from provision.terminal.console import safe  # noqa: PLC0415
    from provision.watch import since  # noqa: PLC0415

    for name, watch, line in found:
        note = watch.unchanged
        if note is None:
            text = f"{since(watch, watch.now)}; not checked since" if watch.accepted else line.text
        else:
            who = "by itself at boot" if note.how == "boot" else "by dlrig"
            when = note.started[:16].replace("T", " ")
            text = f"{note.summary}; checked {who} on {when} UTC ({note.acceptance or 'no id'})"
        console.print(safe(f"{name}: {text}"))
