"""``dlrig check``."""

from __future__ import annotations

from typing import Any

import rich_click as click

from provision.cli.options import (
    make_run,
    output_options,
    reach_options,
    scope_options,
    wish_options,
    write_each,
)
from provision.errors import UsageError


def run_checks(chosen: dict[str, Any]) -> int:
    """Check the rigs and report; the same for ``check`` and ``bench``."""
    from provision.pipeline import carry  # noqa: PLC0415 - --help needs none of it
    from provision.stages import CHECK  # noqa: PLC0415

    run = make_run(chosen)
    code = carry(run, CHECK)
    if chosen["as_json"]:
        write_each(chosen, [rig.acceptance for rig in run.rigs if rig.acceptance])
    return code


@click.command()
@reach_options
@wish_options
@scope_options
@click.option(
    "-m",
    "markers",
    default="",
    metavar="EXPRESSION",
    help="Only checks with these markers: 'hardware', 'driver', 'runtime', 'quick', 'not training' …",
)
@click.option(
    "--last",
    is_flag=True,
    help="Run nothing: show what a rig that watches itself (dlrig up --watch) found last. Needs no root.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["terminal", "nagios"]),
    default="terminal",
    help="With --last: nagios is one line for monitoring, with its exit codes.  [default: terminal]",
)
@output_options
def check(**chosen: Any) -> int:  # noqa: ANN401 - the shared options
    """Accept a rig: run every check and report. Changes nothing but the note on a rig that watches itself.

    The same as [bold]pytest checks/ --rig TARGET[/] in a checkout, with the result kept and the report written.

    Examples:

        dlrig check rigger@10.0.0.7

        dlrig check local -m 'not training'

        dlrig check local --last --format nagios
    """
    if chosen["last"]:
        from provision.cli.last import show_last  # noqa: PLC0415 - --help needs none of it

        return show_last(chosen)
    if chosen["form"] != "terminal":
        raise UsageError(
            "--format is for --last",
            hint="After a check: dlrig report --format nagios",
            reference="format-without-last",
        )
    return run_checks(chosen)
