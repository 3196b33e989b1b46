"""Plan, show the plans, and leave the rigs that need nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision import catalogue
from provision.errors import DlrigError
from provision.plan import state_digest
from provision.stages.restarting import is_due
from provision.stages.telling import fail, say
from provision.state import history_path

if TYPE_CHECKING:
    from provision.pipeline import Run


def make_plans(run: Run) -> None:
    """Decide what each rig is to be."""
    from provision.planner import make_plan  # noqa: PLC0415

    for rig in run.going:
        try:
            rig.plan = make_plan(rig.known_facts, rig.wishes, catalogue.load())
        except DlrigError as error:
            fail(run, rig, error)


def show_plans(run: Run) -> None:
    """Say what each rig is, what it is to be, and why."""
    from provision.terminal.facts import show_facts  # noqa: PLC0415
    from provision.terminal.plan import show_plan  # noqa: PLC0415

    for rig in run.going:
        show_facts(run.console, rig.known_facts)
        show_plan(run.console, rig.known_plan, sources=run.verbose)


def leave_what_is_done(run: Run) -> None:
    """A rig that is as planned, and was accepted as it is, needs nothing."""
    if run.always_check:
        return
    from provision.history import History  # noqa: PLC0415 - only where there is something to look up

    with History(history_path()) as history:
        for rig in run.going:
            if rig.known_plan.actions or is_due(rig):
                continue
            known = rig.known_facts
            last = history.latest(known.system.machine, scope="all")
            # A later run of some checks may have found what the last whole one did not.
            newest = history.latest(known.system.machine)
            accepted = last and newest and last.holds(known.taken) and newest.holds(known.taken)
            if last and accepted and last.state == state_digest(known):
                rig.acceptance = last
                rig.done = True
                say(
                    run,
                    f"{rig.target.name}: nothing to do. It is as planned, and was {last.verdict.value} "
                    f"as it is now on {last.started[:16].replace('T', ' ')} UTC ({last.id}).",
                )


def leave_what_is_planned(run: Run) -> None:
    """A rig that is as planned needs nothing, where nobody asks whether it is accepted."""
    for rig in run.going:
        if not rig.known_plan.actions and not is_due(rig):
            rig.done = True
            say(run, f"{rig.target.name}: nothing to do. It is as planned; it was not checked.")
