"""The role ``base``: packages and files that every rig gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.plan import Action
from provision.planner import files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.catalogue.whole import Catalogue
    from provision.facts import Facts

ROLE = "base"


def actions(facts: Facts, catalogue: Catalogue) -> tuple[Action, ...]:
    """What differs from what every rig gets."""
    return tuple(_actions(facts, catalogue))


def _actions(facts: Facts, catalogue: Catalogue) -> Iterator[Action]:
    if facts.packages.broken:
        yield Action(
            role=ROLE,
            subject="dpkg",
            present="interrupted",
            wanted="whole",
            reason="packages are half installed: an earlier run was cut",
        )
    missing = [name for name in catalogue.base_packages if name not in facts.packages.installed]
    if missing:
        yield Action(
            role=ROLE,
            subject="packages",
            present=f"{len(missing)} of {len(catalogue.base_packages)} missing",
            wanted="installed",
            reason="missing: " + ", ".join(missing),
        )
    yield from files.actions(facts, catalogue, ROLE)
