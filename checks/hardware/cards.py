"""Cards in messages, and which of them are alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.conditions import container

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from provision.facts import Facts
    from provision.facts.health.smi_card import Card


def told(cards: Iterable[Card], words: Callable[[Card], str]) -> str:
    """What holds for which cards: those of which the same is said are counted, not listed."""
    groups: dict[str, list[Card]] = {}
    for card in cards:
        groups.setdefault(words(card), []).append(card)
    if len(groups) == 1:
        text, same = next(iter(groups.items()))
        return f"{same[0].title}: {text}" if len(same) == 1 else f"{text} (all {len(same)} GPUs)"
    return "; ".join(
        f"{text} (GPU {', '.join(str(card.index) for card in same)})"
        for text, same in groups.items()
    )


def each(bad: Iterable[tuple[Card, str]]) -> str:
    """What is wrong with which card, by name and address; empty where nothing is."""
    groups: dict[str, list[Card]] = {}
    for card, what in bad:
        groups.setdefault(what, []).append(card)
    return "; ".join(f"{_title(same)}: {what}" for what, same in groups.items())


def _title(cards: list[Card]) -> str:
    if len(cards) == 1:
        return cards[0].title
    numbers = ", ".join(str(card.index) for card in cards)
    return f"GPU {numbers} ({names(cards)}, {', '.join(card.address for card in cards)})"


def names(cards: Iterable[Card]) -> str:
    """The models, each once."""
    return ", ".join(dict.fromkeys(card.name or "an unnamed GPU" for card in cards))


def those(cards: tuple[Card, ...], has: Callable[[Card], bool], *, lacks: str) -> tuple[Card, ...]:
    """The cards that have something; the check does not apply where none has."""
    found = tuple(card for card in cards if has(card))
    if not found:
        pytest.skip(f"{names(cards)} {lacks}")
    return found


def require_bare_metal(facts: Facts) -> None:
    """Skip the check where the host decides what a guest sees of the bus."""
    kind = facts.system.virtualization
    if kind not in {"", "none"}:
        what = "container" if container(facts) else "virtual machine"
        pytest.skip(f"the host decides it: this is a {what} ({kind})")


def alike(cards: tuple[Card, ...]) -> list[tuple[Card, ...]]:
    """Groups of two or more cards of one model; the check does not apply where there are none."""
    models: dict[str, list[Card]] = {}
    for card in cards:
        models.setdefault(card.name, []).append(card)
    groups = [tuple(same) for same in models.values() if len(same) > 1]
    if not groups:
        pytest.skip(f"no two cards are of one model: {names(cards)}")
    return groups
