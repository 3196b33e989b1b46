"""Is the system one that dlrig provisions, and can anything be fetched there?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.errors import ImpossiblePlanError
from provision.plan import Decision, Stop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.catalogue.systems import System
    from provision.catalogue.whole import Catalogue
    from provision.facts import Facts

_ARCHITECTURE = "x86_64"
_SHOWN = 4
"""Packages that a warning names; more would not fit a line."""


def choose(facts: Facts, catalogue: Catalogue) -> System:
    """The catalogue's row for the rig's system.

    Raises:
        ImpossiblePlanError: it is not supported.
    """
    names = ", ".join(row.name for row in catalogue.systems)
    here = facts.system.name or facts.system.key or "an unknown system"
    if facts.system.architecture not in {_ARCHITECTURE, ""}:
        raise ImpossiblePlanError(
            f"{facts.system.architecture} processors are not supported",
            where=facts.target,
            hint=f"dlrig provisions {_ARCHITECTURE} machines: the frameworks' GPU wheels are made for them.",
            reference="unsupported-architecture",
        )
    for row in catalogue.systems:
        if row.id == facts.system.key and facts.packages.manager:
            return row
    raise ImpossiblePlanError(
        f"{here} is not supported",
        where=facts.target,
        hint=f"dlrig provisions {names}. Nothing was changed.",
        reference="unsupported-system",
    )


def decision(facts: Facts, supported: System) -> Decision:
    """What was found, for the plan's first line."""
    machine = facts.system.virtualization
    on = f", on {'a physical machine' if machine == 'none' else machine}" if machine else ""
    kernel = f"kernel {facts.system.kernel}" if facts.system.kernel else "its usual kernel"
    return Decision(
        subject="system",
        choice=supported.name,
        reason=f"what runs there{on}, {kernel}",
        source=supported.source,
        date=supported.date.isoformat(),
        confidence=supported.confidence,
    )


def network_stops(facts: Facts, packages: bool, environments: bool) -> Iterator[Stop]:  # noqa: FBT001 - two needs
    """Work that must fetch something, on a rig that reaches no apt archive or no package index."""
    needs = {"apt": ("packages", packages), "index": ("the environments", environments)}
    for place, (what, needed) in needs.items():
        reach = facts.network.get(place)
        if needed and reach is not None and reach.reached is False:
            name = {"apt": "its apt archive", "index": "its Python package index"}[place]
            yield Stop(
                what=f"the rig does not reach {name} ({reach.detail or 'no answer'}), and {what} come from there",
                hint="Give it a network, a proxy in /etc/environment, or a mirror in its own configuration "
                "(/etc/apt/sources.list.d, /etc/pip.conf).",
                reference="no-network",
            )


def warnings(facts: Facts) -> tuple[str, ...]:
    """What a person should know before agreeing to changes."""
    found = []
    if facts.packages.lock_holder:
        found.append(
            f"The package lock is held by {facts.packages.lock_holder}: the run waits for it, up to 10 minutes."
        )
    if facts.packages.broken:
        found.append("A package installation was interrupted there: the run finishes it first.")
    if facts.firmware.reboot_pending:
        found.append("The system asks for a reboot" + _for(facts.firmware.reboot_for) + ".")
    found += [f"Reading '{name}': {why}." for name, why in facts.unread.items()]
    return tuple(found)


def _for(packages: tuple[str, ...]) -> str:
    shown = ", ".join(packages[:_SHOWN]) + (", …" if len(packages) > _SHOWN else "")
    return f" (for {shown})" if packages else ""
