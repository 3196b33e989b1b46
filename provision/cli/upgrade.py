"""``dlrig upgrade``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from provision.pipeline import RigRun


@click.command()
@reach_options
@wish_options
@scope_options
@click.option(
    "-m",
    "markers",
    default="",
    metavar="EXPRESSION",
    help="Judge by these checks only: 'hardware or driver', 'not training' … Default: all.",
)
@click.option(
    "--keep", is_flag=True, help="Keep the new driver, also where the rig is worse with it."
)
@click.option("-y", "--yes", is_flag=True, help="Agree to the plan beforehand; ask nothing.")
@restart_options
@output_options
def upgrade(**chosen: Any) -> int:  # noqa: ANN401 - the shared options
    """Change a rig's driver, and leave it better or as it was.

    Accepts and measures the rig, changes the driver in one transaction, restarts, accepts and measures again,
    and compares. Where a check no longer passes, or a figure got worse by more than its noise, it installs the
    former driver again from the packages that are kept on the rig. Without --driver: the newest release of the
    present branch. Cut at any point, it goes on where the same command is run again.

    Exit codes: 0 the new driver stays; 1 the old one is back, or what stays is not accepted; 3 the work
    could not be done.

    Examples:

        dlrig upgrade rigger@10.0.0.7

        dlrig upgrade rigger@10.0.0.7 --driver 580 --yes --reboot

        dlrig upgrade rigger@10.0.0.7 --driver 580.95.05 --modules open --keep
    """
    from provision.pipeline import carry  # noqa: PLC0415 - --help needs none of it
    from provision.stages import UPGRADE  # noqa: PLC0415

    run = take_restart_options(make_run(chosen), chosen)
    run.keep = chosen["keep"]
    code = carry(run, UPGRADE)
    if chosen["as_json"]:
        write_each(chosen, [_document(rig) for rig in run.rigs])
    return code


def _document(rig: RigRun) -> dict[str, Any]:
    upgrade = rig.upgrade
    driver = rig.facts.driver if rig.facts else None
    judgement = upgrade.judgement if upgrade else None
    return {
        "rig": rig.target.name,
        "outcome": upgrade.outcome if upgrade else "",
        "from": upgrade.before if upgrade else "",
        "to": driver.version if driver else "",
        "before": upgrade.baseline.id if upgrade and upgrade.baseline else None,
        "after": upgrade.after.id if upgrade and upgrade.after else None,
        "grade": judgement.grade if judgement else None,
        "checks": judgement.checks if judgement else (),
        "figures": judgement.figures if judgement else (),
        "went_back_because": upgrade.decision.reasons if upgrade and upgrade.decision else (),
        "acceptance": rig.acceptance,
        "error": error_document(rig.error),
    }
