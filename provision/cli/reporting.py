"""What ``dlrig report`` shows, in each of its forms."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from provision.cli.printing import encodable, print_nagios, print_prometheus, refuse_output
from provision.errors import Exit
from provision.history import History
from provision.state import history_path, run_folder

if TYPE_CHECKING:
    from provision.results import Acceptance


def show(which: str, form: str, file: str | None) -> int:
    """Show one acceptance; returns the exit code.

    Raises:
        UsageError: there is no such acceptance, or ``file`` is given for a form that takes none.
    """
    refuse_output(form, file)
    with History(history_path()) as history:
        acceptance = history.get(which)
    encodable()
    if form == "nagios":
        return print_nagios([acceptance])
    if form == "terminal":
        _on_terminal(acceptance)
    elif form == "prometheus":
        print_prometheus([acceptance], file)
    elif form == "html":
        from provision.report.files import write_reports  # noqa: PLC0415 - each form loads its own writer

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
