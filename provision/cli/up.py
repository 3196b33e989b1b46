"""``dlrig up``."""

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
from provision.cli.restarting import error_document, restart_options, take_restart_options


@click.command()
@reach_options
@wish_options
@scope_options
@click.option("-y", "--yes", is_flag=True, help="Agree to the plan beforehand; ask nothing.")
@click.option(
    "--check/--no-check",
    "checking",
    default=None,
    help="Always run the checks, or never. Default: where something changed, or the rig is not accepted as it is.",
)
@restart_options
@output_options
def up(**chosen: Any) -> int:  # noqa: ANN401 - the shared options
    """Make a rig of a box: facts, plan, apply, restart, checks, report.

    Shows the plan with its reasons and asks before it changes anything. Run it again at any time: it finds
    what has drifted and changes only that; where a run was cut, it goes on from there.

    Examples:

        dlrig up rigger@10.0.0.7

        dlrig up local --yes

        dlrig up rigger@10.0.0.7 --yes --reboot

        dlrig up -i hosts.ini --limit lab --yes
    """
    from provision.pipeline import carry  # noqa: PLC0415 - --help needs none of it
    from provision.stages import UP, UP_UNCHECKED  # noqa: PLC0415

    run = take_restart_options(make_run(chosen), chosen)
    code = carry(run, UP if chosen["checking"] is not False else UP_UNCHECKED)
    if chosen["as_json"]:
        write_each(
            chosen,
            [
                {
                    "rig": rig.target.name,
                    "changed": rig.changed,
                    "nothing_to_do": rig.done and rig.acceptance is not None,
                    "acceptance": rig.acceptance,
                    "restarted": rig.restarted,
                    "error": error_document(rig.error),
                }
                for rig in run.rigs
            ],
        )
    return code
