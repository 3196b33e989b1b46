"""What a rig was before its upgrade: measured in this run, in an earlier one, or just now by another command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.errors import UsageError
from provision.history import History
from provision.plan import state_digest
from provision.results import Verdict
from provision.state import RUN_ID, history_path

if TYPE_CHECKING:
    from provision.acceptance import Scope
    from provision.facts import Facts
    from provision.results import Acceptance


def kept_baseline(key: str) -> Acceptance | None:
    """The acceptance that an upgrade began with; None where it was kept on another control machine."""
    # The id comes from the rig: anything else than a whole id could mean another acceptance.
    if not RUN_ID.fullmatch(key):
        return None
    with History(history_path()) as history:
        try:
            return history.get(key)
        except UsageError:
            return None


def of_this_state(facts: Facts, scope: Scope) -> Acceptance | None:
    """The last acceptance of this machine, if it is whole and of this very state."""
    with History(history_path()) as history:
        last = history.latest(facts.system.machine, scope=scope.markers or "all")
    if last is None or last.verdict is Verdict.INCOMPLETE or last.state != state_digest(facts):
        return None
    return last
