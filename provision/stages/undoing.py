"""The second half of an upgrade that did not do: decide to go back, go back, and see that it is as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.errors import ApplyError, DlrigError
from provision.results import Status
from provision.stages.checking import accept_as, report_on
from provision.stages.consent import ask_for, become_root
from provision.stages.restarting import restart_all
from provision.stages.rolling_back import former, install_sets, plan_as_is, require_sets
from provision.stages.telling import fail, say
from provision.state import RUN_ID, new_id
from provision.upgrade import (
    Decision,
    RolledBackError,
    forget_decision,
    keep_decision,
    kept_decision,
    said,
)

if TYPE_CHECKING:
    from pathlib import Path

    from provision.pipeline import RigRun, Run
    from provision.plan import Plan
    from provision.results import Acceptance
    from provision.upgrade import Upgrade


def finish_going_back(run: Run) -> None:
    """Where a run was cut after it had decided to go back, finish that first: the answer is known."""
    rigs = []
    for rig in run.going:
        folder = _folder(run, rig)
        decision = kept_decision(folder) if folder and rig.known_upgrade.resumed else None
        if decision:
            rig.known_upgrade.decision, rig.back_to = decision, decision.back_to
            rigs.append(rig)
            say(run, f"{rig.target.name}: was going back to {decision.back_to}.")
    if rigs:
        become_root(run)
        names = ", ".join(rig.target.name for rig in rigs)
        ask_for(run, [rig for rig in rigs if not rig.error], f"Go on going back on {names}?")
        undo_all(run, [rig for rig in rigs if not rig.error and not rig.done])


def decide_to_undo(run: Run, rig: RigRun) -> None:
    """Go back where the new driver failed, or anything got worse."""
    upgrade, driver = rig.known_upgrade, rig.known_facts.driver
    reasons = _reasons(upgrade)
    if not reasons:
        return
    kept = upgrade.note.from_set
    back_to = kept if kept in driver.sets else former(driver)
    if not back_to:
        error = ApplyError(
            "it is worse than before, and the driver set of before is not kept there: "
            + "; ".join(reasons),
            where=rig.target.name,
            hint=f"Driver {said(driver)} stays. Another one: dlrig upgrade --driver BRANCH",
            reference="no-kept-set",
        )
        fail(run, rig, error)
        return
    upgrade.decision = Decision(back_to=back_to, reasons=reasons)
    folder = _folder(run, rig)
    if folder:
        keep_decision(folder, upgrade.decision)


def _reasons(upgrade: Upgrade) -> tuple[str, ...]:
    if upgrade.trouble:
        return (upgrade.trouble.what,)
    if upgrade.judgement:
        return tuple(map(str, upgrade.judgement.worse))
    if upgrade.after and not upgrade.after.verdict.accepted:
        # What it was before was measured from elsewhere, and is not known here.
        return _failed(upgrade.after)
    return ()


def _failed(acceptance: Acceptance) -> tuple[str, ...]:
    failed = [each for each in acceptance.results if each.standing in {Status.FAIL, Status.ERROR}]
    return tuple(f"{each.check}: {each.message}" for each in failed) or (acceptance.verdict.value,)


def undo_all(run: Run, rigs: list[RigRun]) -> None:
    """Install the sets of before, restart, verify, accept; each rig ends with what had got worse."""
    if not rigs:
        return
    for rig in rigs:
        decision = rig.known_upgrade.decision
        rig.back_to = decision.back_to if decision else ""
        rig.restarted = False
        say(run, f"{rig.target.name}: goes back to the driver set {rig.back_to}.")
    install_sets(run, rigs)
    restart_all(run, [rig for rig in rigs if not rig.error])
    back = [rig for rig in rigs if not rig.error]
    require_sets(run, back)
    _accept_again(run, [rig for rig in back if not rig.error])


def _accept_again(run: Run, rigs: list[RigRun]) -> None:
    subjects: dict[str, tuple[RigRun, Plan]] = {}
    for rig in rigs:
        folder = _folder(run, rig)
        if folder:
            forget_decision(folder)
        try:
            subjects[new_id()] = (rig, plan_as_is(rig))
        except DlrigError as error:
            fail(run, rig, error)
    if not subjects:
        return
    found = accept_as(run, subjects)
    for key, (rig, _) in subjects.items():
        if key not in found:
            continue
        rig.acceptance, rig.known_upgrade.outcome = found[key], "rolled back"
        report_on(run, found[key])
        fail(run, rig, _rolled_back(rig, found[key]))


def _rolled_back(rig: RigRun, now: Acceptance) -> RolledBackError:
    upgrade = rig.known_upgrade
    reasons = upgrade.decision.reasons if upgrade.decision else ()
    with_new = f"With the new driver: dlrig report {upgrade.after.id}. " if upgrade.after else ""
    return RolledBackError(
        f"the upgrade was rolled back: {'; '.join(reasons)}",
        where=rig.target.name,
        hint=f"It has driver {said(rig.known_facts.driver)} again, and is {now.verdict.value}. {with_new}"
        "To have the new driver all the same: --keep",
        reference="rolled-back",
    )


def _folder(run: Run, rig: RigRun) -> Path | None:
    """Where the decision is kept: beside the acceptance that an upgrade began with."""
    baseline = rig.known_upgrade.note.baseline
    # It comes from the rig.
    return run.folder_of(baseline) if RUN_ID.fullmatch(baseline) else None
