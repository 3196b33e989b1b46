"""``dlrig plan``: for rigs, and for a machine that does not exist yet."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import rich_click as click

from provision.cli.options import (
    console_for,
    make_run,
    make_wishes_from,
    output_options,
    reach_options,
    wish_options,
    write_each,
    write_json,
)
from provision.errors import DlrigError, Exit, ImpossiblePlanError, UsageError

if TYPE_CHECKING:
    from provision.pipeline import RigRun
    from provision.plan import NoPlan, Plan

_IMAGINED = ("system", "gpus", "kernel", "secure_boot")


@click.command()
@reach_options
@click.option(
    "--os", "system", default="", metavar="NAME", help="Its system: ubuntu-24.04, noble …"
)
@click.option(
    "--gpu",
    "gpus",
    multiple=True,
    metavar="GPU",
    help="A GPU: a device id (10de:1c03) or a name ('RTX 4090'); once per card.",
)
@click.option(
    "--kernel",
    default="",
    metavar="RELEASE",
    help="Its kernel, as uname -r says it. Default: the system's.",
)
@click.option("--secure-boot", is_flag=True, help="Secure Boot is switched on there.")
@wish_options
@output_options
def plan(**chosen: Any) -> int:  # noqa: ANN401 - the shared options
    """Show what a rig is, what it would become, and why. Changes nothing.

    With --os it plans for a machine that does not exist yet, and needs none.

    Examples:

        dlrig plan rigger@10.0.0.7

        dlrig plan local --json

        dlrig plan --os ubuntu-24.04 --gpu 'GTX 1060' --gpu 'GTX 1060'

        dlrig plan --os debian-13 --gpu 10de:2b85 --driver 595 --torch 2.10.0
    """
    if any(chosen[name] for name in _IMAGINED):
        return _imagined(chosen)
    from provision.pipeline import carry  # noqa: PLC0415 - --help needs none of it
    from provision.stages import PLAN  # noqa: PLC0415

    run = make_run(chosen)
    code = carry(run, PLAN)
    if chosen["as_json"]:
        write_each(chosen, [_document(rig) for rig in run.rigs])
    return code


def _document(rig: RigRun) -> Plan | NoPlan:
    return no_plan(rig.target.name, rig.error) if rig.error else rig.known_plan


def no_plan(target: str, error: DlrigError) -> NoPlan:
    """What stands in the place of a plan, in JSON."""
    from provision.plan import NoPlan  # noqa: PLC0415

    why = error if isinstance(error, ImpossiblePlanError) else None
    return NoPlan(
        target=target,
        what=error.what,
        hint=error.hint,
        reference=error.reference,
        conflicts=why.conflicts if why else (),
        nearest=why.nearest if why else (),
    )


def _imagined(chosen: dict[str, Any]) -> int:
    if chosen["targets"] or chosen["inventory"]:
        raise UsageError(
            "a rig and a machine that does not exist yet exclude each other",
            where="--os, --gpu, --kernel, --secure-boot",
            hint="Leave out the target, or these options.",
            reference="target-and-imagined",
        )
    if not chosen["system"]:
        raise UsageError(
            "which system is the machine to have?",
            where="--os",
            hint="For example: dlrig plan --os ubuntu-24.04 --gpu 'GTX 1060'",
            reference="no-system",
        )
    from provision import catalogue  # noqa: PLC0415 - only once the options are right
    from provision.imagined import imagine  # noqa: PLC0415
    from provision.planner import make_plan  # noqa: PLC0415

    wishes = make_wishes_from(chosen)
    facts = imagine(
        chosen["system"],
        chosen["gpus"],
        catalogue.load(),
        kernel=chosen["kernel"],
        secure_boot=chosen["secure_boot"],
        now=dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds"),
    )
    try:
        made = make_plan(facts, wishes, catalogue.load())
    except ImpossiblePlanError as error:
        if chosen["as_json"]:
            write_json(no_plan(facts.target, error))
        raise
    if chosen["as_json"]:
        write_json(made)
        return Exit.OK
    from provision.terminal.plan import show_choices  # noqa: PLC0415 - rich takes long to import

    show_choices(console_for(chosen), made, sources=chosen["verbose"])
    return Exit.OK
