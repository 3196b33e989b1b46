"""The planner: one part per subject, each from facts, wishes and catalogue to decisions and actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.plan import Plan
from provision.planner import base, driver, environments, room, system

if TYPE_CHECKING:
    from provision.catalogue import Catalogue
    from provision.facts import Facts
    from provision.wishes import Wishes


def make_plan(facts: Facts, wishes: Wishes, catalogue: Catalogue) -> Plan:
    """Decide what the rig is to be, and what is missing.

    Raises:
        ImpossiblePlanError: nothing satisfies the wishes on this rig; names what clashes and what is nearest.
    """
    supported = system.choose(facts, catalogue)
    profile, driver_decisions, driver_warnings = driver.choose(facts)
    maker = environments.choose_maker(facts, wishes, catalogue, supported)
    planned, version_decisions = environments.choose(facts, wishes, catalogue, maker, profile)
    base_actions = base.actions(facts, catalogue)
    environment_actions = environments.actions(facts, catalogue, planned)
    room.require(facts, catalogue, planned, environment_actions)
    system.require_network(facts, bool(base_actions), bool(environment_actions))
    return Plan(
        target=facts.target,
        profile=profile,
        decisions=(
            system.decision(facts, supported),
            *driver_decisions,
            maker.decision,
            *version_decisions,
        ),
        environments=planned,
        actions=(*base_actions, *environment_actions),
        warnings=(*driver_warnings, *system.warnings(facts)),
        variables=environments.variables(wishes, catalogue, maker, planned, environment_actions),
    )
