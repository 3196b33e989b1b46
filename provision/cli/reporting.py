"""What ``dlrig report`` shows, in each of its forms."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from provision.errors import Exit
from provision.history import History
from provision.state import history_path, run_folder

if TYPE_CHECKING:
    from provision.results import Acceptance


def show(which: str, form: str) -> int:
    """Show one acceptance; returns the exit code.

    Raises:
        UsageError: there is no such acceptance.
    """
    with History(history_path()) as history:
        acceptance = history.get(which)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Monitoring daemons run in the C locale, whose encoding lacks what a report may hold.
        sys.stdout.reconfigure(errors="replace")
    if form == "nagios":
        from provision.report import nagios  # noqa: PLC0415 - each form loads its own writer

        line = nagios.render(acceptance)
        sys.stdout.write(f"{line.text}\n")
        return line.exit_code
    if form == "terminal":
        _on_terminal(acceptance)
    elif form == "html":
        from provision.report.files import write_reports  # noqa: PLC0415

        sys.stdout.write(f"{write_reports(acceptance, run_folder(acceptance.id))}\n")
    elif form == "junit":
        from provision.report import junit  # noqa: PLC0415

        sys.stdout.write(junit.render(acceptance).decode())
    else:
        from provision.report import document  # noqa: PLC0415

        sys.stdout.write(document.to_json(acceptance).decode() + "\n")
    return Exit.OK if acceptance.verdict.accepted else Exit.REJECTED


def _on_terminal(acceptance: Acceptance) -> None:
    from provision.report.files import PAGE  # noqa: PLC0415
    from provision.terminal.console import output  # noqa: PLC0415
    from provision.terminal.results import show_results, show_verdict  # noqa: PLC0415

    page = run_folder(acceptance.id) / PAGE
    console = output()
    show_results(console, acceptance.results)
    show_verdict(console, acceptance, page if page.exists() else None)
