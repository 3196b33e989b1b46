"""How far the cards are from being slowed by heat, before any load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.hardware.cards import each, those
from checks.question import question, warn_unless
from provision import catalogue

if TYPE_CHECKING:
    from checks.question import Measure
    from provision.facts.health.smi_card import Card


@question(
    "Are the GPUs cool at rest?",
    expected="20 °C or more below the hardware's slowdown (else warn), 10 °C or more (else fail)",
    source="dlrig's own margins; the slowdown is the card's (nvidia-smi -q -d TEMPERATURE)",
    remedy="Check fans, dust, airflow and the room's temperature; then: nvidia-smi -q -d TEMPERATURE",
)
def test_temperature_at_rest(cards: tuple[Card, ...], measure: Measure) -> None:
    """A card that is hot without work has no room for any."""
    having = those(
        cards,
        lambda card: card.temperature.headroom is not None,
        lacks="does not state where heat slows it",
    )
    limits = catalogue.criteria().gpu_limits
    measure.found("; ".join(f"GPU {card.index}: {_words(card)}" for card in having))
    assert not _below(having, limits.bound("headroom_fail")), each(
        _below(having, limits.bound("headroom_fail"))
    )
    near = _below(having, limits.bound("headroom_warn"))
    warn_unless(not near, each(near))


def _below(cards: tuple[Card, ...], margin: float) -> list[tuple[Card, str]]:
    return [(card, _words(card)) for card in cards if (card.temperature.headroom or 0) < margin]


def _words(card: Card) -> str:
    now = "" if card.temperature.now is None else f"{card.temperature.now:g} °C, "
    return f"{now}{card.temperature.headroom:g} °C to its slowdown"
