"""Error correction of the cards' memory, and the errors that it could not correct."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.hardware.cards import each, names, those, told
from checks.question import could_not_measure, question
from provision import catalogue
from provision.results import Status

if TYPE_CHECKING:
    from checks.question import Measure
    from provision.facts.health.smi_card import Card

_DATA_CENTRE = {"NVIDIA", "Tesla"}
"""Brands whose cards come with ECC on; a workstation's come with it off."""

_RETURN = (
    "Stop using the card, keep the output of: sudo nvidia-bug-report.sh; and return it to its maker"
)


@question(
    "Is error correction (ECC) of the GPUs' memory as it should be?",
    expected="on where the card has it and its maker ships it so; nothing waits for a restart",
    source="NVIDIA DCGM; nvidia-smi(1), ECC Mode",
    remedy="sudo nvidia-smi -e 1; then: sudo reboot",
    severity=Status.WARN,
)
def test_ecc_mode(cards: tuple[Card, ...], measure: Measure) -> None:
    """Without it a flipped bit is a wrong result and nobody knows."""
    having = those(cards, lambda card: card.ecc.current is not None, lacks="has no ECC")
    measure.found(told(having, lambda card: "ECC on" if card.ecc.current else "ECC off"))
    bad = [
        (card, _mode(card.ecc.current, card.ecc.pending))
        for card in having
        if card.ecc.current != card.ecc.pending
        or (not card.ecc.current and card.brand in _DATA_CENTRE)
    ]
    assert not bad, each(bad)


def _mode(current: bool | None, pending: bool | None) -> str:  # noqa: FBT001 - as nvidia-smi states them
    now = "ECC is on" if current else "ECC is off"
    if current == pending:
        return now
    return f"{now}, and {'on' if pending else 'off'} after the next restart"


@question(
    "Is the GPUs' memory free of errors that could not be corrected?",
    expected="no uncorrected error since the driver was loaded",
    source="NVIDIA DCGM and facebookresearch/gcm: any uncorrected volatile error",
    remedy="Stop what uses the card, then: sudo nvidia-smi --gpu-reset -i INDEX (or sudo reboot). "
    "If it returns, run NVIDIA's field diagnostic and return the card.",
)
def test_ecc_uncorrected(cards: tuple[Card, ...], measure: Measure) -> None:
    """Programs that ran then had wrong data, or were ended."""
    counting = _counting(cards)
    found = [(card, card.ecc.volatile.uncorrected) for card in counting]
    unknown = [card for card, count in found if count is None]
    measure.found(
        told(
            counting,
            lambda card: f"0 uncorrected, {_count(card.ecc.volatile.corrected)} corrected errors",
        )
    )
    bad = [
        (card, f"uncorrected errors since the driver was loaded: {count}")
        for card, count in found
        if count
    ]
    assert not bad, each(bad)
    if unknown:
        could_not_measure(f"{names(unknown)}: ECC is on, but nvidia-smi counts no errors")


@question(
    "Is the memory inside the GPUs' chips (SRAM) sound?",
    expected="at most 4 uncorrected errors since the card was made, and the card's own threshold not passed",
    source="NVIDIA GPU memory error management: threshold for returning a card",
    remedy=_RETURN,
)
def test_ecc_sram(cards: tuple[Card, ...], measure: Measure) -> None:
    """Registers and caches cannot be remapped."""
    most = catalogue.criteria().gpu_limits.bound("sram_uncorrected")
    having = [card for card in _counting(cards) if card.ecc.aggregate.sram is not None]
    if not having:
        pytest.skip(f"{names(cards)} counts no errors of SRAM")
    measure.found(
        told(having, lambda card: f"{card.ecc.aggregate.sram} uncorrected errors in SRAM")
    )
    bad = [
        (card, f"uncorrected errors in SRAM since the card was made: {card.ecc.aggregate.sram}")
        for card in having
        if (card.ecc.aggregate.sram or 0) > most
    ]
    passed = [
        (card, "the card says that it passed its threshold of uncorrected errors in SRAM")
        for card in having
        if card.ecc.threshold
    ]
    assert not bad + passed, each(bad + passed)


def _counting(cards: tuple[Card, ...]) -> tuple[Card, ...]:
    """Those whose ECC is on; the checks do not apply where none is."""
    having = those(cards, lambda card: card.ecc.current is not None, lacks="has no ECC")
    on = tuple(card for card in having if card.ecc.current)
    if not on:
        pytest.skip(f"ECC is off on {names(having)}: see hardware/ecc_mode")
    return on


def _count(number: int | None) -> str:
    return "unknown" if number is None else str(number)
