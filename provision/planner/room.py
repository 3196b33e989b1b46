"""Is there room for what is to be installed?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.errors import ImpossiblePlanError
from provision.layout import ENVIRONMENTS, PREFIX

if TYPE_CHECKING:
    from provision.catalogue.whole import Catalogue
    from provision.facts import Facts
    from provision.plan import Action, EnvironmentPlan

GB = 1e9


def require(
    facts: Facts,
    catalogue: Catalogue,
    planned: tuple[EnvironmentPlan, ...],
    actions: tuple[Action, ...],
) -> None:
    """Refuse to begin what would fill the disk.

    Raises:
        ImpossiblePlanError: the file system of the environments has too little room, or no inodes.
    """
    filesystem = facts.disks.holding(PREFIX)
    if filesystem is None or filesystem.free is None:
        return
    rows = {(row.name, row.version): row for row in catalogue.frameworks.release}
    needed = 0.0
    for environment in planned:
        # One that is there is changed in place: what it holds already needs no room again.
        if environment.name in facts.environments.present:
            continue
        if any(action.subject == environment.name for action in actions):
            disk = rows[environment.framework, environment.version].disk_gb
            needed += disk.gpu if environment.device == "gpu" else disk.cpu
    if filesystem.free < needed * GB or filesystem.inodes_free == 0:
        what = (
            "no free inode"
            if filesystem.inodes_free == 0
            else f"{filesystem.free / GB:.1f} GB free"
        )
        raise ImpossiblePlanError(
            f"{filesystem.mount} has {what}, and the environments need {needed:g} GB there",
            where=facts.target,
            hint=f"Free some space, or mount a larger disk at {PREFIX} (environments lie in {ENVIRONMENTS}). "
            "Nothing was changed.",
            reference="disk-full",
        )
