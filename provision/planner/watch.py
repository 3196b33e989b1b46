"""The role ``watch``: a unit on the rig that runs the acceptance after a change from outside; only where wished."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from provision import __version__
from provision.plan import Action
from provision.planner import files
from provision.wishes import Wishes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.catalogue.whole import Catalogue
    from provision.facts import Facts

ROLE = "watch"
_SUBJECT = "watch"


def actions(facts: Facts, wishes: Wishes, catalogue: Catalogue) -> tuple[Action, ...]:
    """What differs from the wish; without one, from what is there."""
    if _wanted(facts, wishes):
        return tuple(_actions(facts, wishes, catalogue))
    if not facts.watch.installed:
        return ()
    return (_action("installed", "removed", "you asked for it"),)


def variables(facts: Facts, wishes: Wishes) -> dict[str, Any]:
    """The role's variables."""
    if not _wanted(facts, wishes):
        return {"watch_enabled": False} if facts.watch.installed else {}
    return {"watch_enabled": True, "watch_wishes": held_against(wishes)}


def held_against(wishes: Wishes) -> dict[str, Any]:
    """The wishes that the rig holds itself against, as plain data: those that differ from the defaults."""
    defaults = msgspec.to_builtins(Wishes())
    return {
        name: list(value) if isinstance(value, (list, tuple)) else value
        for name, value in msgspec.to_builtins(wishes).items()
        if name != _SUBJECT and value != defaults[name]
    }


def _wanted(facts: Facts, wishes: Wishes) -> bool:
    return facts.watch.installed if wishes.watch is None else wishes.watch


def _actions(facts: Facts, wishes: Wishes, catalogue: Catalogue) -> Iterator[Action]:
    watch = facts.watch
    if not watch.installed:
        yield _action("missing", "installed", "you asked for it")
        return
    if watch.tool != __version__:
        there = f"dlrig {watch.tool}" if watch.tool else "no dlrig that starts"
        yield _action(
            there, f"dlrig {__version__}", "the rig is to check itself as this dlrig would"
        )
    if watch.wishes != held_against(wishes):
        yield _action(
            "other wishes", "these wishes", "the rig is to hold itself against what is wished"
        )
    if not watch.enabled:
        yield _action("off", "on", "its unit does not run at boot")
    yield from files.actions(facts, catalogue, ROLE)


def _action(present: str, wanted: str, reason: str) -> Action:
    return Action(role=ROLE, subject=_SUBJECT, present=present, wanted=wanted, reason=reason)
