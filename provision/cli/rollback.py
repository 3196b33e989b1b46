"""``dlrig rollback``."""

from __future__ import annotations

from typing import Any

import rich_click as click

from provision.cli.options import (
    console_for,
    make_run,
    output_options,
    reach_options,
    scope_options,
    write_each,
)
from provision.cli.restarting import error_document, restart_options, take_restart_options


@click.command()
@reach_options
@scope_options
@click.option(
    "--set",
    "wanted_set",
    default="",
    metavar="NAME",
    help="Which kept set. Default: the one before.",
)
@click.option(
    "--list", "listing", is_flag=True, help="List the kept sets, newest first; change nothing."
)
@click.option("-y", "--yes", is_flag=True, help="Agree beforehand; ask nothing.")
@click.option(
    "--check/--no-check",
    "checking",
    default=True,
    help="Run the checks afterwards, or not.  [default: check]",
)
@click.option(
    "-m", "markers", default="", metavar="EXPRESSION", help="Only checks with these markers."
)
@restart_options
@output_options
def rollback(**chosen: Any) -> int:  # noqa: ANN401 - the shared options
    """Install the former driver again, from the packages that are kept on the rig.

    Installs exactly that set, restarts, verifies the version and checks the rig. The rig needs no network for it.

    Examples:

        dlrig rollback rigger@10.0.0.7 --list

        dlrig rollback rigger@10.0.0.7 --yes --reboot
    """
    from provision.pipeline import carry  # noqa: PLC0415 - --help needs none of it
    from provision.stages import ROLLBACK, ROLLBACK_UNCHECKED, read_facts  # noqa: PLC0415

    run = take_restart_options(make_run(chosen), chosen)
    run.wanted_set = chosen["wanted_set"]
    if chosen["listing"]:
        stages: Any = (read_facts,)
    else:
        stages = ROLLBACK if chosen["checking"] else ROLLBACK_UNCHECKED
    code = carry(run, stages)
    if chosen["as_json"]:
        write_each(
            chosen,
            [
                {
                    "rig": rig.target.name,
                    "driver": rig.facts.driver.version if rig.facts else "",
                    "sets": rig.facts.driver.sets if rig.facts else (),
                    "set": rig.back_to,
                    "acceptance": rig.acceptance,
                    "error": error_document(rig.error),
                }
                for rig in run.rigs
            ],
        )
    elif chosen["listing"]:
        from provision.terminal.upgrade import show_sets  # noqa: PLC0415

        for rig in run.going:
            show_sets(console_for(chosen), rig.target.name, rig.known_facts.driver)
    return code
