"""The system's clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.conditions import container, require_answers
from checks.question import could_not_measure, question
from provision.facts.health import clock
from provision.results import Status

if TYPE_CHECKING:
    from checks.question import Measure
    from checks.rigs import Rig

_AWAY = 120
"""Seconds; the asking itself may take 30."""


@question(
    "Is the clock right, and kept so?",
    expected=f"within {_AWAY} s of the clock of whoever asks, and synchronised by a time service",
    source="adjtimex(2); certificates, package lists and logs of several machines depend on it",
    remedy="sudo apt-get install systemd-timesyncd; sudo timedatectl set-ntp true; then: timedatectl timesync-status",
    severity=Status.WARN,
)
def test_clock(rig: Rig, measure: Measure) -> None:
    """What the kernel was told last by a time service."""
    require_answers(rig, clock.NAME)
    found, kind = rig.facts.health.clock, container(rig.facts)
    if found.ahead is not None:
        way = "ahead of" if found.ahead > 0 else "behind"
        assert abs(found.ahead) <= _AWAY, (
            f"the clock is {_span(abs(found.ahead))} {way} the one of whoever asked"
        )
    if kind:
        pytest.skip(f"the clock is the host's: this is a container ({kind})")
    virtual = rig.facts.system.virtualization not in {"", "none"}
    if virtual and not found.services and not found.synchronised:
        pytest.skip("a virtual machine without a time service of its own: its clock is the host's")
    if found.synchronised is None:
        could_not_measure("the kernel did not say whether its clock is synchronised")
    by = ", ".join(found.services) or "no service that is known"
    measure.found(
        f"synchronised by {by}" + (f", within {found.error:.2g} s" if found.error else "")
    )
    if found.services:
        measure.remedy = f"journalctl -b -u {found.services[0]}: it runs, and reaches no server?"
    assert found.synchronised, f"not synchronised; time services that run: {by}"


def _span(seconds: float) -> str:
    units = ((86_400, "days"), (3_600, "hours"), (60, "minutes"))
    size, name = next(((s, n) for s, n in units if seconds >= 2 * s), (1, "seconds"))
    return f"{seconds / size:.0f} {name}"
