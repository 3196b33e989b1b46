"""The power that the cards may draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.hardware.cards import each, those, told
from checks.question import question
from provision.results import Status

if TYPE_CHECKING:
    from checks.question import Measure
    from provision.facts.health.smi_card import Card

_ROUNDING = 1.0
"""W."""


@question(
    "May the GPUs draw the power that their maker meant?",
    expected="the power limit is not below the card's default",
    source="nvidia-smi(1), Power Readings; a limit that someone set makes every figure lower, and nobody remembers",
    remedy="sudo nvidia-smi -i INDEX -pl WATTS, with the default; then find what sets it: "
    "systemctl list-unit-files | grep -i nvidia; grep -rn 'nvidia-smi.*-pl' /etc 2>/dev/null",
    severity=Status.WARN,
)
def test_power_limit(cards: tuple[Card, ...], measure: Measure) -> None:
    """A higher limit than the default is somebody's decision, and said."""
    having = those(
        cards,
        lambda card: card.power.limit is not None and card.power.default is not None,
        lacks="states no power limit",
    )
    measure.found(told(having, _limits))
    bad = [
        (card, _limits(card))
        for card in having
        if (card.power.limit or 0) < (card.power.default or 0) - _ROUNDING
    ]
    assert not bad, each(bad)


def _limits(card: Card) -> str:
    limit, default = card.power.limit or 0, card.power.default or 0
    same = abs(limit - default) <= _ROUNDING
    return f"a limit of {limit:g} W" + ("" if same else f", default {default:g} W")
