"""Is there room for what is to be installed?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.layout import ENVIRONMENTS, PREFIX
from provision.plan import Stop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.catalogue.whole import Catalogue
    from provision.facts import Facts
    from provision.plan import Action, EnvironmentPlan

GB = 1e9
_SYSTEM = "/usr"
"""Where packages lie; downloads and kept packages are taken to lie on the same file system."""


def environment_stops(facts: Facts, needed: float, *, work: bool) -> Iterator[Stop]:
    """Too little room, or no inodes, where the environments lie.

    Args:
        facts: the rig.
        needed: GB.
        work: something is to be changed in them.
    """
    filesystem = facts.disks.holding(PREFIX)
    if filesystem is None or filesystem.free is None:
        return
    if filesystem.free < needed * GB or (work and filesystem.inodes_free == 0):
        what = (
            "no free inode"
            if filesystem.inodes_free == 0
            else f"{filesystem.free / GB:.1f} GB free"
        )
        yield Stop(
            what=f"{filesystem.mount} has {what}, and the environments need {needed:g} GB there",
            hint=f"Free some space, or mount a larger disk at {PREFIX} (environments lie in {ENVIRONMENTS}).",
            reference="disk-full",
        )


def for_environments(
    facts: Facts,
    catalogue: Catalogue,
    planned: tuple[EnvironmentPlan, ...],
    actions: tuple[Action, ...],
) -> float:
    """GB that the environments take which are not there yet."""
    rows = {(row.name, row.version): row for row in catalogue.frameworks.release}
    needed = 0.0
    for environment in planned:
        # One that is there is changed in place: what it holds already needs no room again.
        if environment.name in facts.environments.present:
            continue
        if any(action.subject == environment.name for action in actions):
            disk = rows[environment.framework, environment.version].disk_gb
            needed += disk.gpu if environment.device == "gpu" else disk.cpu
    return needed


def stops(facts: Facts, packages: float, environments: float) -> Iterator[Stop]:
    """Too little room for driver and toolkits (``packages``, GB), beside the environments where they share a disk."""
    filesystem = facts.disks.holding(_SYSTEM)
    if not packages or filesystem is None or filesystem.free is None:
        return
    shared = filesystem == facts.disks.holding(PREFIX)
    needed = packages + (environments if shared else 0.0)
    if filesystem.free < needed * GB:
        beside = ", with the environments," if shared and environments else ""
        yield Stop(
            what=f"{filesystem.mount} has {filesystem.free / GB:.1f} GB free, and driver and CUDA toolkits{beside} "
            f"need {needed:.1f} GB there",
            hint="Free some space (sudo apt-get clean), or leave the toolkits out: --cuda none",
            reference="disk-full",
        )
