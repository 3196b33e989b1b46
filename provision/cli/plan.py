"""``dlrig plan``."""

from __future__ import annotations

from typing import Any

import rich_click as click

from provision.cli.options import (
    make_run,
    output_options,
    reach_options,
    wish_options,
    write_json,
)


@click.command()
@reach_options
@wish_options
@output_options
def plan(**chosen: Any) -> int:  # noqa: ANN401 - the shared options
    """Show what a rig is, what it would become, and why. Changes nothing.

    Examples:

        dlrig plan rigger@10.0.0.7

        dlrig plan local --json
    """
    from provision.pipeline import carry  # noqa: PLC0415 - --help needs none of it
    from provision.stages import PLAN  # noqa: PLC0415

    run = make_run(chosen)
    code = carry(run, PLAN)
    if chosen["as_json"]:
        write_json([rig.plan for rig in run.rigs if rig.plan])
    return code
