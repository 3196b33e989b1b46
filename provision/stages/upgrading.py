"""Upgrade: accept, change the driver, restart, accept again, compare; keep it, or go back."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import msgspec

from provision import catalogue
from provision.errors import ApplyError, DlrigError, UsageError
from provision.facts.driver import State, UpgradeRecord
from provision.stages.changing import carry_out, not_as_planned, verify
from provision.stages.checking import accept_as
from provision.stages.consent import ask_for
from provision.stages.looking import read_again
from provision.stages.restarting import may_restart, restart_all
from provision.stages.rolling_back import plan_as_is
from provision.stages.telling import fail, say
from provision.stages.undoing import decide_to_undo, undo_all
from provision.state import new_id
from provision.upgrade import Upgrade, lasting, remove_note, said, way_back, write_note
from provision.upgrade.baseline import kept_baseline, of_this_state
from provision.upgrade.rest import keep_the_rest

if TYPE_CHECKING:
    from provision.pipeline import RigRun, Run
    from provision.plan import Plan

ROLE = "nvidia_driver"


def begin_upgrades(run: Run) -> None:
    """Find what each rig has, and the upgrade that was cut there, if there is one."""
    for rig in run.going:
        driver = rig.known_facts.driver
        if not rig.known_facts.gpus:
            fail(run, rig, _nothing_there(rig, "it has no NVIDIA GPU, so no driver", "no-gpu"))
        elif driver.upgrade:
            # What is there now may be the new driver already.
            before = driver.upgrade.from_set or said(driver)
            rig.upgrade = Upgrade(note=driver.upgrade, before=before, resumed=True)
            rig.known_upgrade.baseline = kept_baseline(driver.upgrade.baseline)
            if not rig.wishes.driver:
                rig.wishes = msgspec.structs.replace(rig.wishes, driver=driver.upgrade.wish)
            say(
                run,
                f"{rig.target.name}: goes on with the upgrade that began {_when(driver.upgrade)}.",
            )
        elif not driver.present:
            fail(run, rig, _nothing_there(rig, "there is no driver to upgrade", "no-driver"))
        else:
            rig.upgrade = Upgrade(note=UpgradeRecord(), before=said(driver))


def _nothing_there(rig: RigRun, what: str, reference: str) -> ApplyError:
    hint = "dlrig up makes a rig of it, with a driver where there is a GPU. Nothing was changed."
    return ApplyError(what, where=rig.target.name, hint=hint, reference=reference)


def _when(note: UpgradeRecord) -> str:
    wish = f" to driver {note.wish}" if note.wish else ""
    return f"on {note.began[:16].replace('T', ' ')} UTC{wish}"


def make_upgrade_plans(run: Run) -> None:
    """Decide which driver each rig is to have: the wished one, else the newest release of its branch."""
    from provision.planner import make_plan  # noqa: PLC0415

    for rig in run.going:
        rig.wishes = keep_the_rest(rig.wishes, rig.known_facts, catalogue.load())
        try:
            rig.plan = make_plan(rig.known_facts, rig.wishes, catalogue.load(), newest=True)
        except DlrigError as error:
            fail(run, rig, error)
            continue
        if rig.plan.driver is None:
            why = "; ".join(conflict.statement for conflict in rig.plan.conflicts)
            fail(run, rig, _nothing_there(rig, f"no driver is planned for it: {why}", "no-driver"))


def leave_what_is_newest(run: Run) -> None:
    """A rig whose driver is as planned needs no upgrade, unless one was cut there."""
    for rig in run.going:
        actions = rig.known_plan.actions
        if rig.known_upgrade.resumed or any(action.role == ROLE for action in actions):
            continue
        rig.done = True
        rig.known_upgrade.outcome = "nothing to do"
        other = f" {len(actions)} other changes are planned: dlrig up" if actions else ""
        driver = rig.known_facts.driver
        say(run, f"{rig.target.name}: nothing to upgrade. It has driver {said(driver)}.{other}")


def agree_to_upgrade(run: Run) -> None:
    """Ask once for everything that an upgrade does, the restart included.

    Raises:
        UsageError: there is nobody to ask.
    """
    if run.yes:
        unasked = [
            rig for rig in run.going if may_restart(run, rig) is None and not rig.target.local
        ]
        if unasked:
            raise UsageError(
                "an upgrade restarts the rig, and --yes alone does not allow that",
                where=", ".join(rig.target.name for rig in unasked),
                hint="Add --reboot; or --no-reboot, to restart it by hand and run the same command again. "
                "Nothing was changed.",
                reference="nobody-to-ask",
            )
        return
    names = ", ".join(rig.target.name for rig in run.going)
    ask_for(
        run,
        run.going,
        f"Upgrade {names} as planned: check, change the driver, restart, check again, and go back if it is worse?",
    )
    if run.reboot is None:
        run.reboot = True


def accept_before(run: Run) -> None:
    """Measure the rigs as they are, and note on them that an upgrade begins."""
    fresh = [rig for rig in run.going if not _begun(rig)]
    subjects = {}
    for rig in fresh:
        known = of_this_state(rig.known_facts, run.scope)
        if known:
            rig.known_upgrade.baseline = known
            say(run, f"{rig.target.name}: was measured as it is now in {known.id}.")
            continue
        subjects[new_id()] = (rig, _plan_before(rig))
    if subjects:
        say(run, "Before the change:")
        found = accept_as(run, subjects)
        for key, (rig, _) in subjects.items():
            rig.known_upgrade.baseline = found.get(key)
    for rig in fresh:
        if rig.error is None:
            _note(run, rig)


def _plan_before(rig: RigRun) -> Plan:
    try:
        return plan_as_is(rig)
    except DlrigError:
        # Nothing fits to the present driver: then it is held against what is planned.
        return rig.known_plan


def _begun(rig: RigRun) -> bool:
    """Whether the driver was touched in an earlier run: what is there now is no baseline."""
    upgrade, driver = rig.known_upgrade, rig.known_facts.driver
    if not upgrade.resumed:
        return False
    return upgrade.baseline is not None or not _untouched(rig) or driver.version != driver.loaded


def _untouched(rig: RigRun) -> bool:
    """Whether the driver is still the one that was there before."""
    driver, note = rig.known_facts.driver, rig.known_upgrade.note
    if driver.state is not State.MANAGED:
        return False
    if note.from_set:
        recorded = driver.record.version if driver.record else ""
        return way_back(driver) == note.from_set and driver.version == recorded
    return said(driver) == rig.known_upgrade.before and not rig.known_upgrade.resumed


def _note(run: Run, rig: RigRun) -> None:
    upgrade, driver, planned = rig.known_upgrade, rig.known_facts.driver, rig.known_plan.driver
    upgrade.note = UpgradeRecord(
        baseline=upgrade.baseline.id if upgrade.baseline else "",
        from_set=way_back(driver),
        wish=rig.wishes.driver or (str(planned.branch) if planned else ""),
        began=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    )
    try:
        write_note(rig.target, run.settings, upgrade.note, rig.password)
    except DlrigError as error:
        fail(run, rig, error)


def change(run: Run) -> None:
    """Change the driver, restart, and see that it is as planned."""
    rigs = run.going
    before = {rig.id: rig.known_facts.driver.packages for rig in rigs}
    carry_out(run)
    restart_all(run, [rig for rig in rigs if rig.error is None])
    verify(run)
    for rig in run.going:
        _require_branch(run, rig)
        same = rig.known_facts.driver.packages == before[rig.id]
        if same and not rig.error and not rig.restarted and not rig.known_upgrade.resumed:
            _leave_as_it_is(run, rig)
    for rig in rigs:
        if rig.error and lasting(rig.error) and not run.keep:
            rig.known_upgrade.trouble, rig.error = rig.error, None


def _leave_as_it_is(run: Run, rig: RigRun) -> None:
    """The rig's package source had no newer release than the rig; only it could tell."""
    _end(run, rig)
    if rig.error:
        return
    driver = rig.known_facts.driver
    rig.done, rig.acceptance = True, rig.known_upgrade.baseline
    rig.known_upgrade.outcome = "nothing to do"
    nothing = f"nothing to upgrade. It has driver {said(driver)}"
    say(run, f"{rig.target.name}: {nothing}, and its package source has nothing newer.")


def _require_branch(run: Run, rig: RigRun) -> None:
    """A plan without a wish keeps whatever is there, so it says nothing of which driver that is."""
    driver, planned = rig.known_facts.driver, rig.known_plan.driver
    if planned and driver.branch != planned.branch:
        undone = f"driver {said(driver)} is there, not {planned.branch}"
        fail(run, rig, not_as_planned(rig, undone))


def decide(run: Run) -> None:
    """Accept again and compare; what failed or got worse goes back, unless it is to be kept."""
    from provision.report.comparison import compare  # noqa: PLC0415
    from provision.terminal.upgrade import show_judgement  # noqa: PLC0415
    from provision.upgrade.verdict import judge_upgrade  # noqa: PLC0415

    _look_at_troubles(run)
    rigs = [rig for rig in run.going if rig.known_upgrade.trouble is None]
    if rigs:
        say(run, "After the change:")
        # Not the run's own id, which is older than the acceptance before: ids sort by time.
        subjects = {new_id(): (rig, rig.known_plan) for rig in rigs}
        found = accept_as(run, subjects)
        for key, (rig, _) in subjects.items():
            upgrade = rig.known_upgrade
            upgrade.after = found.get(key)
            if upgrade.after is None:
                upgrade.trouble, rig.error = rig.error, None
            elif upgrade.baseline:
                upgrade.judgement = judge_upgrade(compare(upgrade.baseline, upgrade.after))
                show_judgement(run.console, upgrade.baseline, upgrade.after, upgrade.judgement)
    for rig in run.going:
        if not run.keep:
            decide_to_undo(run, rig)
        elif rig.known_upgrade.trouble:
            rig.error = rig.known_upgrade.trouble


def _look_at_troubles(run: Run) -> None:
    """Where the new driver failed before it touched the old one, there is nothing to undo."""
    rigs = [rig for rig in run.going if rig.known_upgrade.trouble]
    if rigs:
        read_again(run, rigs)
    for rig in rigs:
        upgrade = rig.known_upgrade
        if rig.error is None and upgrade.trouble and _untouched(rig):
            rig.error = upgrade.trouble
            _end(run, rig)
            say(run, f"{rig.target.name}: the driver is {said(rig.known_facts.driver)}, as before.")


def undo(run: Run) -> None:
    """Go back where that was decided."""
    rigs = [rig for rig in run.going if rig.known_upgrade.decision]
    if rigs:
        undo_all(run, rigs)


def conclude(run: Run) -> None:
    """What is left stays: the upgrade has ended."""
    for rig in run.going:
        upgrade = rig.known_upgrade
        _end(run, rig)
        if rig.error:
            continue
        rig.acceptance, upgrade.outcome = upgrade.after, "kept"
        grade = f" It is {upgrade.judgement.grade.value} than before" if upgrade.judgement else ""
        if upgrade.judgement and upgrade.judgement.grade.value == "same":
            grade = " It is as good as before"
        say(
            run,
            f"{rig.target.name}: driver {upgrade.before} is now {said(rig.known_facts.driver)}, and stays.{grade}.",
        )


def _end(run: Run, rig: RigRun) -> None:
    try:
        remove_note(rig.target, run.settings, rig.password)
    except DlrigError as error:
        if rig.error is None:
            fail(run, rig, error)
