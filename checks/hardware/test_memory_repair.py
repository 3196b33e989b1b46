"""Memory of the cards that was taken out of use: remapped rows (Ampere and later), retired pages (before)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.hardware.cards import each, those, told
from checks.question import question, warn_unless
from provision import catalogue

if TYPE_CHECKING:
    from checks.question import Measure
    from provision.facts.health.smi_card import Card

_RETURN = (
    "Stop using the card, keep the output of: sudo nvidia-bug-report.sh; and return it to its maker"
)


@question(
    "Is all broken memory of the GPUs repaired?",
    expected="nothing waits for a reset; no row could not be remapped; at most 63 retired pages (15: warn)",
    source="NVIDIA GPU memory error management; NVIDIA DCGM, dcgm_gpu_hardware_limits.h",
    remedy="Stop what uses the card, then: sudo nvidia-smi --gpu-reset -i INDEX (or sudo reboot)",
)
def test_memory_repair(cards: tuple[Card, ...], measure: Measure) -> None:
    """What waits is repaired by a reset; what failed, or is used up, is not."""
    divided = "states no repairs while it is divided (MIG)"
    lacks = divided if any(card.mig for card in cards) else "neither remaps rows nor retires pages"
    having = those(cards, _repairs, lacks=lacks)
    measure.found(told(having, _done))
    limits = catalogue.criteria().gpu_limits
    beyond = [
        (card, what) for card in having for what in _beyond(card, limits.bound("retired_pages"))
    ]
    if beyond:
        measure.remedy = _RETURN
    assert not beyond, each(beyond)
    waiting = [(card, what) for card in having for what in _waiting(card)]
    assert not waiting, each(waiting)
    near = [
        (card, what) for card in having for what in _near(card, limits.bound("retired_pages_soft"))
    ]
    if near:
        measure.remedy = "Watch it: nvidia-smi -q -d ROW_REMAPPER,PAGE_RETIREMENT. The card's memory is wearing out."
    warn_unless(not near, each(near))


def _repairs(card: Card) -> bool:
    known = (card.rows.failure, card.rows.pending, card.pages.double, card.pages.pending)
    return any(one is not None for one in (*known, card.ecc.repair_pending))


def _retired(card: Card) -> int:
    return (card.pages.single or 0) + (card.pages.double or 0)


def _done(card: Card) -> str:
    if card.pages.double is not None:
        return f"{_retired(card)} retired pages"
    return f"{(card.rows.corrected or 0) + (card.rows.uncorrected or 0)} remapped rows"


def _beyond(card: Card, most: float) -> list[str]:
    found = {
        "a row could not be remapped": card.rows.failure,
        "it has memory that can't be repaired": card.ecc.unrepairable,
        f"{_retired(card)} retired pages": _retired(card) > most,
    }
    return [what for what, holds in found.items() if holds]


def _waiting(card: Card) -> list[str]:
    found = {
        "remapping a row waits for a reset": card.rows.pending,
        "retiring a page waits for a reset": card.pages.pending,
        "a repair of memory waits for a reset": card.ecc.repair_pending,
    }
    return [what for what, holds in found.items() if holds]


def _near(card: Card, most: float) -> list[str]:
    found = {
        f"banks of memory without a spare row left: {card.rows.exhausted}": card.rows.exhausted,
        f"{_retired(card)} retired pages": _retired(card) >= most,
    }
    return [what for what, holds in found.items() if holds]
