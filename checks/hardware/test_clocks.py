"""What holds the cards' clocks down, before any load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.hardware.cards import each, told
from checks.question import question, warn_unless
from provision import catalogue
from provision.catalogue.gpu_limits import word_of

if TYPE_CHECKING:
    from checks.question import Measure
    from provision.catalogue.gpu_limits import Word
    from provision.facts.health.smi_card import Card

_MOMENT = 1.0
"""Seconds: less is a blink at start."""


@question(
    "Is nothing slowing the GPUs down at rest?",
    expected="no slowdown by the hardware, by heat or by the power supply; idleness and the power limit are no fault",
    source="NVML, clocks event reasons; aws-k8s-tester",
    remedy="nvidia-smi -q -d PERFORMANCE; then cooling, power cables and power supply",
)
def test_clocks_at_rest(cards: tuple[Card, ...], measure: Measure) -> None:
    """Reasons that hold now; and, to be known, the time spent so since the driver was loaded."""
    limits = catalogue.criteria().gpu_limits
    measure.found(told(cards, lambda card: ", ".join(card.reasons) or "no reason"))
    found = [(card, word_of(limits.reason, reason)) for card in cards for reason in card.reasons]
    known = [(card, row) for card, row in found if row is not None]
    measure.remedy = next((row.remedy for _, row in known if row.verdict != "pass"), "")
    assert not _told(known, "fail"), each(_told(known, "fail"))
    warn_unless(not _told(known, "warn"), each(_told(known, "warn")))
    spent = [
        (card, f"{card.throttled[row.word]:g} s {row.means} since the driver was loaded")
        for card in cards
        for row in limits.spent
        if card.throttled.get(row.word, 0.0) > _MOMENT
    ]
    warn_unless(not spent, each(spent))


def _told(found: list[tuple[Card, Word]], verdict: str) -> list[tuple[Card, str]]:
    return [(card, f"{row.word}: {row.means}") for card, row in found if row.verdict == verdict]
