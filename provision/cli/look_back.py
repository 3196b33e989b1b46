"""``dlrig report``, ``dlrig history``, ``dlrig compare``."""

from __future__ import annotations

import rich_click as click

from provision.cli.options import write_json
from provision.cli.printing import output_file_option


@click.command()
@click.argument("which", default="last")
@click.option(
    "--format",
    "form",
    type=click.Choice(["terminal", "html", "json", "junit", "nagios", "prometheus"]),
    default="terminal",
    help="html prints the page's place; nagios is one line.  [default: terminal]",
)
@output_file_option
def report(which: str, form: str, output: str | None) -> int:
    """Show an acceptance again. WHICH is its id, the beginning of it, 'last' or '-2'.

    Exit codes as for check; with --format nagios: 0 OK, 1 warning, 2 critical, 3 unknown.
    """
    from provision.cli.reporting import show  # noqa: PLC0415 - --help needs none of it

    return show(which, form, output)


@click.command()
@click.option("--rig", default=None, metavar="NAME", help="Only this rig's.")
@click.option(
    "-n",
    "number",
    default=20,
    type=click.IntRange(min=1),
    help="How many, latest first.  [default: 20]",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def history(rig: str | None, number: int, as_json: bool) -> None:  # noqa: FBT001 - click passes it by name
    """List the acceptances that were run from this machine, latest first."""
    from provision.history import History  # noqa: PLC0415
    from provision.state import history_path  # noqa: PLC0415
    from provision.terminal.console import output  # noqa: PLC0415
    from provision.terminal.history import show_history  # noqa: PLC0415

    with History(history_path()) as kept:
        entries = kept.list(number, rig)
    if as_json:
        write_json(entries)
    else:
        show_history(output(), entries)


@click.command()
@click.argument("before", default="-2")
@click.argument("after", default="last")
def compare(before: str, after: str) -> None:
    """Compare two acceptances, check by check and figure by figure.

    BEFORE and AFTER are ids, beginnings of them, 'last' or '-2'; by default the last two.
    """
    from provision.history import History  # noqa: PLC0415
    from provision.report.comparison import compare as differences  # noqa: PLC0415
    from provision.state import history_path  # noqa: PLC0415
    from provision.terminal.console import output  # noqa: PLC0415
    from provision.terminal.history import show_comparison  # noqa: PLC0415

    with History(history_path()) as kept:
        show_comparison(output(), differences(kept.get(before), kept.get(after)))
