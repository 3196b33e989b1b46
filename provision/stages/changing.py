"""Let Ansible carry out what was planned, and see that it is so."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from provision import __version__, catalogue
from provision.errors import ApplyError, DlrigError
from provision.stages.looking import read_again
from provision.stages.telling import fail

if TYPE_CHECKING:
    from collections.abc import Callable

    from provision.pipeline import RigRun, Run


def carry_out(run: Run) -> None:
    """Let Ansible do what the plans want; rigs that need the same roles together."""
    changing = sorted(
        (rig for rig in run.going if rig.known_plan.actions), key=lambda rig: rig.known_plan.roles
    )
    for roles, group in itertools.groupby(changing, key=lambda rig: rig.known_plan.roles):
        let_ansible(run, list(group), lambda rig: rig.known_plan.variables, roles=roles)


def let_ansible(
    run: Run,
    rigs: list[RigRun],
    variables: Callable[[RigRun], dict[str, Any]],
    *,
    playbook: str = "site.yml",
    roles: tuple[str, ...] = (),
) -> None:
    """Run a playbook on rigs; those where a task failed go no further.

    Args:
        run: the command.
        rigs: at least one.
        variables: the roles', of each rig.
        playbook: its name below ``playbooks``.
        roles: only these; empty for the whole playbook.
    """
    from provision.apply import Job, Play, apply  # noqa: PLC0415 - Ansible is not needed where nothing changes
    from provision.terminal.progress import Progress  # noqa: PLC0415

    jobs = [
        Job(
            target=rig.target,
            variables=variables(rig) | _provenance(rig),
            root=rig.known_facts.privilege == "root",
        )
        for rig in rigs
    ]
    with Progress(run.console, several=len(run.rigs) > 1, verbose=run.verbose) as progress:
        applied = apply(
            jobs,
            run.folder_of(rigs[0].id),
            run.settings,
            play=Play(playbook=playbook, roles=roles, inventory=run.inventory),
            become_password=rigs[0].password,
            on_step=progress.show,
        )
    for rig in rigs:
        rig.fresh = False
        rig.changed += applied.changed.get(rig.target.name, ())
        error = applied.failures.get(rig.target.name)
        if error:
            fail(run, rig, error)


def _provenance(rig: RigRun) -> dict[str, Any]:
    """What the rig's own records say of who changed it."""
    return {"nvidia_driver_plan": rig.id, "nvidia_driver_tool": f"dlrig {__version__}"}


def verify(run: Run) -> None:
    """The rigs must now be as planned, by facts that were read after the last change."""
    from provision.planner import make_plan  # noqa: PLC0415

    changed = [rig for rig in run.going if rig.known_plan.actions]
    read_again(run, changed)
    for rig in changed:
        if rig.error:
            continue
        try:
            left = make_plan(rig.known_facts, rig.wishes, catalogue.load()).actions
        except DlrigError as error:
            fail(run, rig, error)
            continue
        if left:
            undone = "; ".join(f"{action.subject}: {action.reason}" for action in left)
            fail(run, rig, not_as_planned(rig, undone))


def not_as_planned(rig: RigRun, undone: str) -> ApplyError:
    """The roles ended well, and what they should have done is not so."""
    return ApplyError(
        f"the roles ended well, and yet it is not as planned: {undone}",
        where=rig.target.name,
        hint="Something undoes the changes there (another configuration tool?). Then run this again.",
        reference="not-as-planned",
    )
