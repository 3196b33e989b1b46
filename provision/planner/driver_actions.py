"""The role ``nvidia_driver``: what of the driver differs from what is planned, and what speaks against changing it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from provision import __version__
from provision.facts.driver import State
from provision.plan import Action, Stop
from provision.planner.driver import ELSEWHERE, last_kernel, tried_on
from provision.planner.repository import variables as repository_variables
from provision.wishes import Existing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.catalogue.whole import Catalogue
    from provision.facts import Facts
    from provision.facts.driver import Driver
    from provision.plan import DriverPlan
    from provision.planner.driver import Candidate
    from provision.planner.situation import Situation
    from provision.wishes import Wishes

ROLE = "nvidia_driver"
SUBJECT = "driver"
_IN_THE_WAY = {State.MIXED, State.UNMANAGED}
_SHOWN = 3
"""Packages that a reason names."""


def actions(
    facts: Facts,
    plan: DriverPlan,
    candidate: Candidate,
    situation: Situation,
    catalogue: Catalogue,
) -> tuple[Action, ...]:
    """The one change that the driver needs, if any."""
    present = facts.driver
    reason = _reason(present, plan, candidate, situation)
    if not reason:
        return ()
    return (
        Action(
            role=ROLE,
            subject=SUBJECT,
            present=_present(present, situation),
            wanted=_wanted(plan, candidate, situation, catalogue),
            reason=reason,
        ),
    )


def changes(facts: Facts, plan: DriverPlan, candidate: Candidate, situation: Situation) -> bool:
    """Whether packages of the driver are installed or removed; else at most a record is written."""
    present = facts.driver
    if plan.adopted or present.state is State.UNKNOWN:
        return False
    return present.state is not State.MANAGED or bool(_differs(present, plan, candidate, situation))


def _present(present: Driver, situation: Situation) -> str:
    """``535.261.03 (proprietary, debian)``."""
    if present.state is State.MISSING:
        return "none"
    words = [situation.installed_flavour, situation.installed_source]
    if present.state is not State.MANAGED:
        words.append(present.state.value)
    details = ", ".join(filter(None, words))
    version = present.version or present.loaded or "some version"
    return f"{version} ({details})" if details else version


def _wanted(
    plan: DriverPlan, candidate: Candidate, situation: Situation, catalogue: Catalogue
) -> str:
    if plan.adopted:
        return "as it is, recorded"
    place = catalogue.repositories.get(plan.source).name
    certain = candidate.exact or plan.version == situation.installed
    version = plan.version if certain else f"{plan.version} or a newer {plan.branch}"
    return f"{version} ({plan.flavour} modules, {place})"


def _reason(present: Driver, plan: DriverPlan, candidate: Candidate, situation: Situation) -> str:
    """Why the driver is not as planned; empty where it is."""
    if present.state is State.UNKNOWN:
        return ""
    if present.state is State.MISSING:
        return "it is not there"
    if plan.adopted:
        return _not_recorded(present)
    if present.state in _IN_THE_WAY:
        return _in_the_way(present, situation.wishes)
    if present.state is State.BROKEN:
        return present.why.rstrip(".") or "it is broken"
    return _differs(present, plan, candidate, situation) or _not_recorded(present)


def _in_the_way(present: Driver, wishes: Wishes) -> str:
    found = present.why.rstrip(".") or f"it is {present.state.value}"
    return f"{found}; it is removed first" if wishes.existing is Existing.PURGE else found


def _differs(present: Driver, plan: DriverPlan, candidate: Candidate, situation: Situation) -> str:
    """What of a driver that is whole is not as planned."""
    flavour, source = situation.installed_flavour, situation.installed_source
    if present.branch != plan.branch:
        return f"branch {plan.branch} was chosen"
    if flavour and flavour != plan.flavour:
        return f"{plan.flavour} kernel modules were chosen"
    if source and source != plan.source:
        return "another source was chosen"
    if present.version != plan.version:
        why = "published since" if situation.newest and not candidate.exact else "chosen"
        return f"{plan.version} was {why}"
    if not present.module_next:
        kernel = present.next_kernel or "the next kernel"
        return f"it has no module for {kernel}, which boots next"
    return ""


def _not_recorded(present: Driver) -> str:
    record = present.record
    if record is None:
        return "dlrig has no record of it: it was installed by other means, or a run was cut"
    if record.version != present.version:
        return f"it was changed from outside: {record.version or 'another'} was recorded"
    changed = sorted(
        name for name, version in record.packages.items() if present.packages.get(name) != version
    )
    if changed:
        more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        return f"its packages were changed from outside: {', '.join(changed[:_SHOWN])}{more}"
    return ""


def stops(
    facts: Facts,
    candidate: Candidate,
    wishes: Wishes,
    changed: bool,  # noqa: FBT001 - as a fact of the plan
) -> Iterator[Stop]:
    """What is in the way of changing the driver, or of anything that rests on it."""
    present = facts.driver
    if present.state is State.UNKNOWN:
        yield Stop(
            what="how NVIDIA's driver is installed there could not be read",
            hint="The reading 'driver' says why with -v; run this again when the rig is less busy.",
            reference="driver-unread",
        )
    if candidate.adopted:
        return
    if present.state in _IN_THE_WAY and wishes.existing is Existing.STOP:
        yield _unmanaged(present)
    if changed:
        yield from _against_changing(facts, candidate, wishes)


def _unmanaged(present: Driver) -> Stop:
    remove = {
        State.UNMANAGED: "NVIDIA's installer put it there, and its files would be mixed with the packages'",
        State.MIXED: "apt cannot change a part of it without breaking the rest",
    }[present.state]
    why = present.why.rstrip(".") or present.state.value
    version = present.version or present.loaded
    return Stop(
        what=f"the NVIDIA driver {version}".rstrip()
        + f" is {present.state.value}: {why}; {remove}",
        hint="Take it as it is, and plan the rest for it: --adopt\n"
        "Remove it, and install the planned one in its place: --purge-conflicts",
        reference=f"{present.state.value}-driver",
    )


def _against_changing(facts: Facts, candidate: Candidate, wishes: Wishes) -> Iterator[Stop]:
    last = last_kernel(candidate)
    kernel = facts.driver.next_kernel or facts.system.kernel
    if not wishes.ignore_kernel and not tried_on(candidate, kernel):
        yield Stop(
            what=f"Linux {kernel} boots next, and {candidate.repository.name} says that the modules of "
            f"{candidate.version} build up to {last}",
            hint="Boot an older kernel, choose a newer driver (--driver), or try it: --ignore-kernel",
            reference="kernel-too-new",
        )
    if facts.driver.display and facts.driver.loaded and not wishes.ignore_display:
        yield Stop(
            what=f"a display is shown with the driver ({', '.join(facts.driver.display)}), and would break "
            "when it is changed",
            hint="Stop the graphical session on the rig (sudo systemctl isolate multi-user.target), or let the "
            "change wait for the reboot: --ignore-display",
            reference="display-in-use",
        )


def warnings(facts: Facts, plan: DriverPlan, changed: bool) -> Iterator[str]:  # noqa: FBT001 - see above
    """That a reboot follows or is due, and what else to know."""
    present = facts.driver
    loaded = present.loaded or facts.nvidia.loaded
    runs = f"{loaded} is loaded" if loaded else "no NVIDIA driver is loaded"
    if changed:
        if loaded != plan.version:
            yield f"A reboot follows: {runs}, {plan.version} will be installed."
    elif present.version and present.version != loaded:
        yield f"A reboot is due: {runs}, {present.version} is installed."
    if present.holds_other and changed:
        yield f"Kernel packages are held there: {', '.join(present.holds_other)}."
    if present.upgrade:
        yield (
            f"An upgrade to {present.upgrade.wish or 'another driver'} was cut there: "
            "dlrig upgrade goes on with it."
        )


def variables(
    plan: DriverPlan, candidate: Candidate, situation: Situation, catalogue: Catalogue
) -> dict[str, Any]:
    """The role's variables."""
    wishes = situation.wishes
    chosen: dict[str, Any] = {
        "nvidia_driver_existing": Existing.ADOPT.value if plan.adopted else wishes.existing.value,
        "nvidia_driver_tool": f"dlrig {__version__}",
    }
    if plan.adopted or plan.source == ELSEWHERE:
        return chosen
    room = catalogue.repositories.room_for("driver", plan.source, situation.system)
    chosen |= {
        "nvidia_driver_source": plan.source,
        "nvidia_driver_branch": plan.branch,
        "nvidia_driver_version": plan.version if candidate.exact else "",
        "nvidia_driver_upgrade": situation.newest,
        "nvidia_driver_flavour": plan.flavour,
        "nvidia_driver_modules": plan.modules,
        "nvidia_driver_packages": list(plan.packages),
        "nvidia_driver_dkms_packages": list(plan.dkms_packages),
        "nvidia_driver_component": plan.component,
        "nvidia_driver_display": "ignore" if wishes.ignore_display else "stop",
        "nvidia_driver_kernel_last": last_kernel(candidate),
        "nvidia_driver_kernel_check": not wishes.ignore_kernel,
    }
    if room:
        chosen["nvidia_driver_minimum_free_gb"] = math.ceil(room)
    if plan.source == "nvidia":
        chosen |= repository_variables(ROLE, situation, catalogue)
    return chosen
