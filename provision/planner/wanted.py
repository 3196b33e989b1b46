"""Environments that are wanted: those that were asked for, the default ones, and why one of them cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from provision.plan import WISH, Conflict
from provision.planner import frameworks
from provision.wishes import Wishes

if TYPE_CHECKING:
    from provision.catalogue.frameworks import Kind
    from provision.catalogue.whole import Catalogue
    from provision.planner.frameworks import Fit
    from provision.planner.situation import Card, Situation


def environments(situation: Situation, catalogue: Catalogue) -> tuple[Kind, ...]:
    """The environments that were asked for, or the default ones; and those of frameworks that were asked for."""
    wishes = situation.wishes
    names = set(wishes.env)
    return tuple(
        kind
        for kind in catalogue.frameworks.environment
        if (kind.name in names if names else kind.default)
        or (not kind.default and bool(getattr(wishes, kind.framework, "")))
    )


def needs(
    situation: Situation, catalogue: Catalogue
) -> tuple[tuple[Kind, ...], tuple[Conflict, ...]]:
    """The environments to make; a default one for which no release fits these GPUs at all is left out."""
    kept: list[Kind] = []
    why: list[Conflict] = []
    for kind in environments(situation, catalogue):
        if kind.name in situation.wishes.env or not kind.default or kind.device == "cpu":
            kept.append(kind)
            continue
        found, conflicts = _at_best(kind, situation, catalogue)
        if found:
            kept.append(kind)
        why += conflicts
    return tuple(kept), tuple(why)


def _at_best(
    kind: Kind, situation: Situation, catalogue: Catalogue
) -> tuple[Fit | None, tuple[Conflict, ...]]:
    """The environment on these GPUs, whatever else is asked or missing."""
    anything = msgspec.structs.replace(
        relaxed(situation, situation.cards), pythons=catalogue.pythons
    )
    return frameworks.fit(frameworks.Need(kind=kind, device="gpu"), anything, catalogue)


def _can_be(kind: Kind, situation: Situation, catalogue: Catalogue) -> bool:
    return _at_best(kind, situation, catalogue)[0] is not None


def relaxed(situation: Situation, cards: tuple[Card, ...]) -> Situation:
    """What holds on this system for these cards for good: no wishes, nothing switched on, all in reach."""
    return msgspec.structs.replace(
        situation,
        cards=cards,
        wishes=Wishes(),
        secure_boot=False,
        unreached=(),
        loaded="",
        installed="",
        adopted=False,
    )


def blame(
    kind: Kind, why: tuple[Conflict, ...], situation: Situation, catalogue: Catalogue
) -> frozenset[Conflict]:
    """Why an environment cannot be, with the wish without which it would not have to be."""
    constraint, asked = _asked(kind, situation, catalogue)
    if not asked or any(conflict.constraint == constraint for conflict in why):
        return frozenset(why)
    wish = Conflict(
        constraint=constraint, subject=kind.name, statement=f"you asked for {asked}", source=WISH
    )
    return frozenset({wish, *why})


def _asked(kind: Kind, situation: Situation, catalogue: Catalogue) -> tuple[str, str]:
    """(constraint, what was asked for), where the environment is there because of a wish; else empty."""
    if kind.default and (kind.device == "cpu" or _can_be(kind, situation, catalogue)):
        return "", ""
    version = "" if kind.default else getattr(situation.wishes, kind.framework)
    if version:
        label = catalogue.frameworks.label(kind.framework)
        return f"wish-{kind.framework}", f"{label} {version}"
    return "wish-env", f"the environment {kind.name}"
