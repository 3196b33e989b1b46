"""All that a rig with GPUs gets beside its environments: put together from the parts for each role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from provision.plan import Action, CudaPlan, DriverPlan, Stop
from provision.planner import driver_actions, gpu_actions, packages

if TYPE_CHECKING:
    from provision.catalogue.whole import Catalogue
    from provision.facts import Facts
    from provision.planner.situation import Situation
    from provision.planner.solve import Solution


class OnGpus(msgspec.Struct, frozen=True, kw_only=True):
    """Driver, toolkits and what goes with them; nothing on a rig without a GPU that can be driven.

    Attributes:
        driver: see ``Plan``.
        cuda: see ``Plan``.
        actions: see ``Plan``.
        stops: see ``Plan``.
        warnings: see ``Plan``.
        variables: see ``Plan``.
        gb: what it takes of the disk, in GB.
        fetches: something must come from a package archive.
    """

    driver: DriverPlan | None = None
    cuda: CudaPlan = CudaPlan()
    actions: tuple[Action, ...] = ()
    stops: tuple[Stop, ...] = ()
    warnings: tuple[str, ...] = ()
    variables: dict[str, Any] = {}
    gb: float = 0.0
    fetches: bool = False


def arrange(facts: Facts, solution: Solution, here: Situation, catalogue: Catalogue) -> OnGpus:
    """What differs from the solution on the rig, and what the roles must know."""
    candidate = solution.driver
    if candidate is None:
        return OnGpus()
    driver = packages.driver(candidate, here, catalogue)
    cuda = packages.cuda(solution)
    fabric = packages.fabric_manager(candidate, here, catalogue)
    needed = driver_actions.actions(facts, driver, candidate, here, catalogue)
    changed = driver_actions.changes(facts, driver, candidate, here)
    gb = gpu_actions.room_for(facts, cuda, here, catalogue)
    if changed:
        gb += catalogue.repositories.room_for("driver", driver.source, here.system)
    beside = (
        *gpu_actions.fabric_manager(facts, driver, fabric, changed),
        *gpu_actions.cuda(facts, cuda, catalogue),
        *gpu_actions.containers(facts, here.wishes),
        *gpu_actions.persistence(facts, driver, changed),
        *gpu_actions.hold(facts, changed),
    )
    return OnGpus(
        driver=driver,
        cuda=cuda,
        actions=(*needed, *beside),
        stops=tuple(driver_actions.stops(facts, candidate, here.wishes, changed)),
        # A machine that does not exist yet has no id, and runs nothing.
        warnings=tuple(driver_actions.warnings(facts, driver, changed))
        if facts.system.machine
        else (),
        variables={
            **driver_actions.variables(driver, candidate, here, catalogue),
            **gpu_actions.variables(facts, cuda, fabric, here, catalogue),
        },
        gb=gb,
        fetches=changed or any(action.role in gpu_actions.FETCHING for action in beside),
    )
