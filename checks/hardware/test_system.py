"""Is this a machine that dlrig knows how to provision?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.question import could_not_measure, question
from provision import catalogue

if TYPE_CHECKING:
    from checks.question import Measure
    from provision.facts import Facts


@question(
    "Is the system one that dlrig provisions?",
    expected="a system of the catalogue, on x86_64",
    source="provision/catalog/systems.toml",
    remedy="Install one of the supported systems; see: dlrig plan --help",
)
def test_system_supported(facts: Facts, measure: Measure) -> None:
    """Distribution, release and architecture."""
    system = facts.system
    if not system.id:
        could_not_measure(
            f"/etc/os-release was not read: {facts.unread.get('os_release', 'no ID')}"
        )
    found = f"{system.name or system.key}, kernel {system.kernel}, {system.architecture}"
    measure.found(found)
    names = ", ".join(row.id for row in catalogue.load().systems)
    supported = {row.id for row in catalogue.load().systems}
    assert system.key in supported, f"{found}; supported are {names}"
    assert system.architecture == "x86_64", f"{found}; supported is x86_64"


@question(
    "Did the rig answer everything that it was asked?",
    expected="every reading answers within its own time limit",
    source="a reading that hangs hides what it would have shown",
    remedy="Run the same again; if it stays, see the rig's kernel log: journalctl -k -b",
)
def test_readings_answered(facts: Facts, measure: Measure) -> None:
    """An unread fact is not a fault of the rig, but what rests on it is not known."""
    measure.found("every reading answered")
    if facts.unread:
        could_not_measure("; ".join(f"{name}: {why}" for name, why in facts.unread.items()))
