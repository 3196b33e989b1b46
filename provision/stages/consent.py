"""May it be changed, and can it be?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.errors import ApplyError, UsageError
from provision.stages.restarting import is_due
from provision.stages.telling import fail

if TYPE_CHECKING:
    from provision.pipeline import RigRun, Run


def refuse(run: Run) -> None:
    """Stop before what would do harm: a driver that nobody manages, a display in use."""
    for rig in run.going:
        refusal = rig.known_plan.refusal
        if refusal and rig.known_plan.actions:
            fail(run, rig, refusal)


def become_root(run: Run) -> None:
    """Make sure that the changes can be made: as root, or by sudo, with its password where it wants one."""
    for rig in run.going:
        if not _changes(rig) or rig.known_facts.privilege != "none":
            continue
        login = rig.known_facts.login
        error = ApplyError(
            f"'{login}' cannot become root there without a password, and the plan changes the system",
            where=rig.target.name,
            hint="Give sudo's password with --ask-become-pass (asks) or --become-password-file, "
            f"connect as root, or allow '{login}' to use sudo. Nothing was changed.",
            reference="no-root",
        )
        fail(run, rig, error)


def _changes(rig: RigRun) -> bool:
    planned = bool(rig.plan and rig.plan.actions)
    resumed = bool(rig.upgrade and rig.upgrade.resumed)
    return planned or resumed or bool(rig.back_to) or is_due(rig)


def agree(run: Run) -> None:
    """Ask before anything is changed."""
    changing = [rig for rig in run.going if rig.known_plan.actions]
    names = ", ".join(rig.target.name for rig in changing)
    ask_for(run, changing, f"Change {names} as planned?")


def ask_for(run: Run, rigs: list[RigRun], question: str) -> None:
    """Ask once for all ``rigs``; where the answer is no, nothing is left to do for them.

    Raises:
        UsageError: there is nobody to ask.
    """
    if not rigs or run.yes:
        return
    if run.settings.ask is None:
        raise UsageError(
            "the plan changes the rig, and there is nobody to ask",
            hint="Add --yes to agree beforehand.",
            reference="nobody-to-ask",
        )
    if not run.settings.ask(question):
        for rig in rigs:
            rig.done = True
        run.console.print("Nothing was changed.")
