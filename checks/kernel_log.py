"""The kernel's log, for the checks that read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.conditions import clock_time, container, require_answers
from checks.question import could_not_measure
from provision.facts.health import journal

if TYPE_CHECKING:
    from checks.rigs import Rig
    from provision.facts import Facts
    from provision.facts.health.journal import Journal

_SHOWN = 6


def readable_log(rig: Rig) -> Journal:
    """The kernel's log, of a rig with or without GPU."""
    require_answers(rig, journal.NAME)
    found = rig.facts.health.journal
    if not found.source:
        kind = container(rig.facts)
        if kind:
            pytest.skip(f"the kernel's log is the host's, and this is a container ({kind})")
        why = f" ({found.denied})" if found.denied else ""
        could_not_measure(
            f"the kernel's log cannot be read by {rig.facts.login}{why}: connect as root or give sudo's password; "
            f"or, once: sudo usermod -aG adm {rig.facts.login}"
        )
    return found


def reach(log: Journal, facts: Facts) -> str:
    """How far back the log goes, in words."""
    if log.whole:
        return f"since the boot ({clock_time(facts, 0)})"
    return f"since {clock_time(facts, log.since)} (the log no longer reaches back to the boot)"


def told(parts: list[str], log: Journal) -> str:
    """Findings in one line."""
    more = [f"{len(parts) - _SHOWN} more"] if len(parts) > _SHOWN else []
    left = [f"{log.skipped} lines were too many to read"] if log.skipped else []
    return "; ".join((*parts[:_SHOWN], *more, *left))
