"""A command is a tuple of stages over one or more rigs; this carries rigs through it and knows no stage."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from provision.errors import DlrigError, Exit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rich.console import Console

    from provision.acceptance import Scope
    from provision.connection import Settings
    from provision.facts import Facts
    from provision.facts.reading import Transcript
    from provision.plan import Plan
    from provision.results import Acceptance
    from provision.target import Target
    from provision.upgrade import Upgrade
    from provision.wishes import Wishes


@dataclasses.dataclass(kw_only=True)
class RigRun:
    """One rig on its way through the stages.

    Attributes:
        target: which rig.
        wishes: what is asked for it.
        id: of this run on this rig, and of the acceptance that it ends with.
        password: sudo's; never shown.
        changed: tasks that changed something there.
        error: why the rig went no further.
        done: nothing is left to do for it.
        fresh: nothing was changed there since the facts were read.
        restarted: it was restarted in this run; once is enough.
        upgrade: what ``dlrig upgrade`` knows of it.
        back_to: name of the kept driver set that ``dlrig rollback`` is to install.
    """

    target: Target
    wishes: Wishes
    id: str
    password: str | None = dataclasses.field(default=None, repr=False)
    transcript: Transcript | None = None
    facts: Facts | None = None
    plan: Plan | None = None
    changed: tuple[str, ...] = ()
    acceptance: Acceptance | None = None
    error: DlrigError | None = None
    done: bool = False
    fresh: bool = False
    restarted: bool = False
    upgrade: Upgrade | None = None
    back_to: str = ""

    @property
    def known_facts(self) -> Facts:
        """The facts, once they were read."""
        if self.facts is None:
            raise LookupError("the facts are read by an earlier stage")
        return self.facts

    @property
    def known_plan(self) -> Plan:
        """The plan, once it was made."""
        if self.plan is None:
            raise LookupError("the plan is made by an earlier stage")
        return self.plan

    @property
    def known_upgrade(self) -> Upgrade:
        """What is known of the upgrade, once it began."""
        if self.upgrade is None:
            raise LookupError("the upgrade is begun by an earlier stage")
        return self.upgrade


@dataclasses.dataclass(kw_only=True)
class Run:
    """One command over its rigs.

    Attributes:
        rigs: all of them.
        settings: how to connect.
        scope: which checks.
        make_console: makes the console for people; standard error where standard output belongs to a program.
        inventory: the user's Ansible inventory, where the rigs come from one.
        yes: no questions.
        always_check: run the checks though nothing changed.
        reboot: restart rigs where that is due; None asks.
        reboot_limit: seconds that a rig may take to come back.
        keep: an upgrade stays, whatever the checks say.
        at_boot: the rig's own unit runs it, where kernel or driver changed.
        wanted_set: the kept driver set to go back to; empty for the one before.
        verbose: every task.
        folder_of: the folder of a run's id, made where it is missing.
    """

    rigs: list[RigRun]
    settings: Settings
    scope: Scope
    make_console: Callable[[], Console]
    folder_of: Callable[[str], Path]
    inventory: str | None = None
    yes: bool = False
    always_check: bool = False
    reboot: bool | None = None
    reboot_limit: float = 900.0
    keep: bool = False
    wanted_set: str = ""
    at_boot: bool = False
    verbose: bool = False

    @functools.cached_property
    def console(self) -> Console:
        """For people; made when something is first shown, since rich takes long to import."""
        return self.make_console()

    @property
    def going(self) -> list[RigRun]:
        """The rigs that neither failed nor are done."""
        return [rig for rig in self.rigs if rig.error is None and not rig.done]

    @property
    def exit_code(self) -> Exit:
        """The worst of all rigs: work that could not be done, then a rig that was not accepted."""
        errors = [rig.error.exit_code for rig in self.rigs if rig.error]
        if errors:
            return max(errors)
        refused = [
            rig for rig in self.rigs if rig.acceptance and not rig.acceptance.verdict.accepted
        ]
        return Exit.REJECTED if refused else Exit.OK


def carry(run: Run, stages: tuple[Callable[[Run], None], ...]) -> Exit:
    """Run the stages in order, as long as any rig goes on."""
    for stage in stages:
        if not run.going:
            break
        stage(run)
    return run.exit_code
