"""Modes that decide who may use the cards, and how fast they are ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.hardware.cards import each, those, told
from checks.question import question, warn_unless
from provision import catalogue
from provision.catalogue.gpu_limits import word_of
from provision.results import Status

if TYPE_CHECKING:
    from checks.question import Measure
    from provision.facts import Facts
    from provision.facts.health.smi_card import Card


@question(
    "Does the driver stay loaded while nothing uses the GPUs?",
    expected="persistence mode on for every GPU",
    source="NVIDIA driver persistence: without it each first program waits seconds, and settings are lost",
    remedy="sudo systemctl enable --now nvidia-persistenced; where there is no such unit: sudo nvidia-smi -pm 1",
    severity=Status.WARN,
)
def test_persistence_mode(cards: tuple[Card, ...], facts: Facts, measure: Measure) -> None:
    """What holds now; whether it will after the next boot is for the daemon's unit."""
    having = those(cards, lambda card: card.persistence is not None, lacks="has no such mode")
    measure.found(told(having, _persistence))
    unit = facts.driver.persistence
    more = f"; the unit nvidia-persistenced is {unit}" if unit else ""
    off = [card for card in having if not card.persistence]
    assert not off, told(having, _persistence) + more


def _persistence(card: Card) -> str:
    return f"persistence mode {'on' if card.persistence else 'off'}"


@question(
    "May programs compute on the GPUs?",
    expected="compute mode Default; one that lets a single program in warns, one that lets none in fails",
    source="nvidia-smi(1), Compute Mode",
    remedy="sudo nvidia-smi -c DEFAULT",
)
def test_compute_mode(cards: tuple[Card, ...], measure: Measure) -> None:
    """It is lost at a reboot, unless something sets it again."""
    having = those(cards, lambda card: bool(card.compute_mode), lacks="has no compute mode")
    measure.found(told(having, lambda card: card.compute_mode))
    rows = catalogue.criteria().gpu_limits.compute_mode
    found = [(card, word_of(rows, card.compute_mode)) for card in having]
    judged = [
        (card, row.verdict, f"{card.compute_mode}: {row.means}")
        if row
        else (card, "warn", f"{card.compute_mode}: not known to dlrig")
        for card, row in found
    ]
    bad = [(card, what) for card, verdict, what in judged if verdict == "fail"]
    assert not bad, each(bad)
    odd = [(card, what) for card, verdict, what in judged if verdict == "warn"]
    warn_unless(not odd, each(odd))


@question(
    "Is every GPU whole, not divided into instances (MIG)?",
    expected="MIG off, and nothing that waits for a reset",
    source="NVIDIA MIG user guide: a program sees one instance, and a divided card without instances not at all",
    remedy="Where it is not meant: sudo nvidia-smi -i INDEX -mig 0. Where it is: waive this check.",
    severity=Status.WARN,
)
def test_mig_mode(cards: tuple[Card, ...], measure: Measure) -> None:
    """Figures of a part are not those of the card."""
    having = those(cards, lambda card: card.mig is not None, lacks="cannot be divided (MIG)")
    measure.found(told(having, lambda card: "MIG on" if card.mig else "MIG off"))
    bad = [(card, _mig(card)) for card in having if card.mig or card.mig_pending != card.mig]
    assert not bad, each(bad)


def _mig(card: Card) -> str:
    now = f"MIG is on, {card.mig_devices or 'no'} instances" if card.mig else "MIG is off"
    if card.mig_pending == card.mig:
        return now
    return f"{now}, and {'on' if card.mig_pending else 'off'} after the next reset"
