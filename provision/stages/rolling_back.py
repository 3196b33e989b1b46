"""Go back to a driver set that is kept on the rig; none of it needs the rig's network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from provision import catalogue
from provision.errors import ApplyError, DlrigError
from provision.facts.driver import State
from provision.stages.changing import let_ansible, not_as_planned
from provision.stages.consent import ask_for
from provision.stages.looking import read_again
from provision.stages.telling import fail, say
from provision.upgrade import remove_note, said
from provision.upgrade.rest import keep_the_rest
from provision.wishes import DriverSource, Modules

if TYPE_CHECKING:
    from provision.facts.driver import Driver
    from provision.pipeline import RigRun, Run
    from provision.plan import Plan

PLAYBOOK = "rollback.yml"


def former(driver: Driver) -> str:
    """The kept set to go back to where none is named; empty where none is kept."""
    cut, record = driver.upgrade, driver.record
    if cut and cut.from_set in driver.sets:
        return cut.from_set
    if record is None:
        others = [name for name in driver.sets if version_of(name) != driver.version]
        return others[0] if others else ""
    whole = driver.state is State.MANAGED and driver.version == record.version
    if not whole and record.set in driver.sets:
        # A change was cut: what was recorded last is what was there before.
        return record.set
    others = [name for name in driver.sets if name != record.set]
    return others[0] if others else ""


def version_of(name: str) -> str:
    """The driver's version in the name of a kept set."""
    return name.partition("-")[0]


def choose_sets(run: Run) -> None:
    """Find the kept set of each rig, and say from what to what it goes."""
    for rig in run.going:
        driver = rig.known_facts.driver
        wanted = run.wanted_set or former(driver)
        if wanted not in driver.sets:
            fail(run, rig, _not_kept(rig, run.wanted_set))
            continue
        current = driver.record.set if driver.record else ""
        whole = driver.state is State.MANAGED and driver.version == version_of(wanted)
        if wanted == current and whole and not driver.upgrade:
            rig.done = True
            say(run, f"{rig.target.name}: nothing to do. It has the driver set {wanted}.")
            continue
        rig.back_to = wanted
        say(run, f"{rig.target.name}: driver {said(driver)}; goes back to the kept set {wanted}.")


def _not_kept(rig: RigRun, wanted: str) -> ApplyError:
    sets = ", ".join(rig.known_facts.driver.sets)
    what = f"no driver set is kept there by the name '{wanted}'" if wanted else ""
    return ApplyError(
        what or "no driver but the present one is kept there",
        where=rig.target.name,
        hint=(f"Kept are: {sets}. " if sets else "")
        + "dlrig keeps the set that it installs and the one before it. "
        "Another driver comes from the network: dlrig upgrade --driver BRANCH",
        reference="no-kept-set",
    )


def agree_to_go_back(run: Run) -> None:
    """Ask before anything is changed."""
    names = ", ".join(f"{rig.target.name} ({rig.back_to})" for rig in run.going)
    ask_for(run, run.going, f"Install the kept driver set on {names}?")


def go_back(run: Run) -> None:
    """Let Ansible install exactly the kept sets."""
    install_sets(run, run.going)


def install_sets(run: Run, rigs: list[RigRun]) -> None:
    """Install ``back_to`` on each of ``rigs``; one where that failed goes no further."""
    let_ansible(run, rigs, lambda rig: {"nvidia_driver_set": rig.back_to}, playbook=PLAYBOOK)


def verify_sets(run: Run) -> None:
    """The exact version must be there, by facts that were read after the last change."""
    require_sets(run, run.going)


def require_sets(run: Run, rigs: list[RigRun]) -> None:
    """Hold ``rigs`` against ``back_to``; an upgrade that was cut there has ended, one way or the other."""
    read_again(run, rigs)
    for rig in rigs:
        if rig.error:
            continue
        driver = rig.known_facts.driver
        found = driver.record.set if driver.record else ""
        if driver.state is State.MANAGED and found == rig.back_to and _exact(driver, found):
            if driver.upgrade:
                _end_upgrade(run, rig)
            continue
        state = f"{driver.state.value}{': ' + driver.why if driver.why else ''}"
        undone = f"driver {said(driver)} is there ({state}), not the kept set {rig.back_to}"
        fail(run, rig, not_as_planned(rig, undone))


def _exact(driver: Driver, name: str) -> bool:
    return driver.version == version_of(name)


def _end_upgrade(run: Run, rig: RigRun) -> None:
    try:
        remove_note(rig.target, run.settings, rig.password)
    except DlrigError as error:
        fail(run, rig, error)


def plan_what_is_there(run: Run) -> None:
    """Plan with the driver that is there: what the checks hold the rig against."""
    for rig in run.going:
        try:
            rig.plan = plan_as_is(rig)
        except DlrigError as error:
            say(run, f"{rig.target.name}: the driver is as wished, and cannot be checked:")
            fail(run, rig, error)


def plan_as_is(rig: RigRun) -> Plan:
    """A plan that wishes no other driver than the present one.

    Raises:
        DlrigError: nothing fits to it.
    """
    from provision.planner import make_plan  # noqa: PLC0415

    wishes = msgspec.structs.replace(
        rig.wishes, driver="", driver_source=DriverSource.AUTO, modules=Modules.AUTO
    )
    kept = keep_the_rest(wishes, rig.known_facts, catalogue.load())
    return make_plan(rig.known_facts, kept, catalogue.load())
