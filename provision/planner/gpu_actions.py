"""What stands on the driver: fabric manager, CUDA toolkits, container toolkit, persistence, and the hold on it all."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from provision import __version__
from provision.plan import Action
from provision.planner import files
from provision.planner.repository import variables as repository_variables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.catalogue.whole import Catalogue
    from provision.facts import Facts
    from provision.plan import CudaPlan, DriverPlan
    from provision.planner.situation import Situation
    from provision.wishes import Wishes

FABRIC_MANAGER = "fabric_manager"
CUDA = "cuda_toolkit"
CONTAINERS = "container_toolkit"
PERSISTENCE = "persistence"
HOLD = "hold"
FETCHING = {FABRIC_MANAGER, CUDA, CONTAINERS}
"""Roles that install packages."""
_CONTAINER_PACKAGE = "nvidia-container-toolkit"
_SHOWN = 3
"""Packages that a reason names."""


def fabric_manager(
    facts: Facts,
    driver: DriverPlan,
    package: str,
    changed: bool,  # noqa: FBT001 - as a fact of the plan
) -> Iterator[Action]:
    """On rigs with an NVSwitch: exactly as new as the driver, or no CUDA program starts."""
    if not package:
        return
    present = facts.driver.packages.get(package, "")
    same = present.partition("-")[0] == facts.driver.version
    if changed or not present or not same:
        yield Action(
            role=FABRIC_MANAGER,
            subject="fabric manager",
            present=present or "none",
            wanted=f"{package} {driver.version}",
            reason="the rig has an NVSwitch, and it must be of the driver's version",
        )


def cuda(facts: Facts, plan: CudaPlan, catalogue: Catalogue) -> Iterator[Action]:
    """Toolkits that are planned and not there, and the role's files; other toolkits are left alone."""
    there = ", ".join(facts.driver.toolkits)
    for version, package in zip(plan.toolkits, plan.packages, strict=True):
        if version not in facts.driver.toolkits:
            yield Action(
                role=CUDA,
                subject=f"CUDA {version}",
                present=f"only {there}" if there else "none",
                wanted=package,
                reason="it is not there",
            )
    if plan.toolkits:
        yield from files.actions(facts, catalogue, CUDA)


def room_for(facts: Facts, plan: CudaPlan, situation: Situation, catalogue: Catalogue) -> float:
    """GB that the toolkits take which are not there yet."""
    return sum(
        catalogue.repositories.room_for("cuda", source, situation.system)
        for version, source in plan.sources.items()
        if version not in facts.driver.toolkits
    )


def containers(facts: Facts, wishes: Wishes) -> Iterator[Action]:
    """The container toolkit, where it was asked for."""
    if wishes.container_toolkit and _CONTAINER_PACKAGE not in facts.packages.installed:
        yield Action(
            role=CONTAINERS,
            subject="container toolkit",
            present="none",
            wanted=_CONTAINER_PACKAGE,
            reason="you asked for it",
        )


def persistence(facts: Facts, driver: DriverPlan, changed: bool) -> Iterator[Action]:  # noqa: FBT001 - see above
    """The daemon that keeps the GPUs initialised."""
    now = facts.driver.persistence
    # What was adopted may have come without the daemon.
    wanted = {"disabled"} if driver.adopted else {"disabled", "absent"}
    if now not in wanted and not changed:
        return
    yield Action(
        role=PERSISTENCE,
        subject="persistence daemon",
        present=now or "unknown",
        wanted="enabled",
        reason="without it every program waits for the GPUs to start"
        if now != "enabled"
        else "the driver is changed",
    )


def hold(facts: Facts, changed: bool) -> Iterator[Action]:  # noqa: FBT001 - see above
    """The whole set stays as it is, whatever else upgrades packages."""
    packages = facts.driver.packages
    loose = sorted(packages.keys() - set(facts.driver.held))
    if changed:
        present, reason = "none", "it is to stay as it was installed"
    elif loose:
        more = f" and {len(loose) - _SHOWN} more" if len(loose) > _SHOWN else ""
        present = f"{len(loose)} of {len(packages)} packages are not held"
        reason = f"an upgrade of {', '.join(loose[:_SHOWN])}{more} would break it"
    else:
        return
    yield Action(
        role=HOLD, subject="driver packages", present=present, wanted="held", reason=reason
    )


def variables(
    facts: Facts,
    plan: CudaPlan,
    fabric_manager_package: str,
    situation: Situation,
    catalogue: Catalogue,
) -> dict[str, Any]:
    """The roles' variables."""
    wanted = [
        {"version": version, "source": plan.sources[version], "package": package}
        for version, package in zip(plan.toolkits, plan.packages, strict=True)
    ]
    chosen: dict[str, Any] = {
        "cuda_toolkit_wanted": wanted,
        "cuda_toolkit_tool": f"dlrig {__version__}",
        "persistence_enabled": True,
    }
    if situation.wishes.container_toolkit:
        chosen["container_toolkit_enabled"] = True
    room = room_for(facts, plan, situation, catalogue)
    if room:
        chosen["cuda_toolkit_minimum_free_gb"] = math.ceil(room)
    if fabric_manager_package:
        chosen["fabric_manager_package"] = fabric_manager_package
    if "nvidia" in plan.sources.values():
        chosen |= repository_variables(CUDA, situation, catalogue)
    return chosen
