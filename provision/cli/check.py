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
@output_options
def check(**chosen: Any) -> int:  # noqa: ANN401 - the shared options
    """Accept a rig: run every check and report. Changes nothing.

    The same as [bold]pytest checks/ --rig TARGET[/] in a checkout, with the result kept and the report written.

    Examples:

        dlrig check rigger@10.0.0.7

        dlrig check local -m 'not training'
    """
    return run_checks(chosen)
