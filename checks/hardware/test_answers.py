"""Whether the cards answer the driver, and what the driver asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.conditions import require_answers
from checks.hardware.cards import each, told
from checks.question import could_not_measure, question, require_reading, warn_unless
from provision import catalogue
from provision.catalogue.gpu_limits import word_of

if TYPE_CHECKING:
    from checks.question import Measure
    from checks.rigs import Rig
    from provision.facts.gpus import PciDevice
    from provision.facts.health.smi_card import Card

_CORE = {"uuid", "product_name", "gpu_temp", "total", "used", "performance_state"}
"""Every card answers for these; single others are broken on some boards that work."""


@question(
    "Does every GPU answer for its state?",
    expected="no field of nvidia-smi -q says 'GPU is lost' or 'GPU requires reset' (fail), 'Unknown Error' (warn)",
    source="nvidia-smi(1): NVML's errors stand where values should",
    remedy="sudo dmesg | grep -i -e nvrm -e xid; then power off and on. If it returns: the card, its slot, its cables.",
)
def test_gpu_fields(gpus: tuple[PciDevice, ...], rig: Rig, measure: Measure) -> None:
    """A card that was lost after the driver had found it is still listed."""
    facts = rig.facts
    require_reading(facts, "pci_nvidia")
    if not facts.nvidia.loaded:
        pytest.skip(f"no driver is loaded for {len(gpus)} GPUs: see driver/driver_loaded")
    cards = facts.health.smi.cards
    if not cards and (facts.nvidia.trouble or not facts.nvidia.smi):
        pytest.skip("nvidia-smi gives no answer: see driver/nvidia_smi_answers")
    require_answers(rig, "smi_query")
    if not cards:
        could_not_measure(f"nvidia-smi -q -x: {facts.health.smi.trouble}")
    measure.found(told(cards, lambda _: "every field answered"))
    lost = [
        (card, _said(card.troubles))
        for card in cards
        if card.troubles.keys() & _CORE
        or any("error" not in words.lower() for words in card.troubles.values())
    ]
    assert not lost, each(lost)
    single = [(card, _said(card.troubles)) for card in cards if card.troubles]
    warn_unless(not single, each(single))


def _said(troubles: dict[str, str]) -> str:
    words: dict[str, list[str]] = {}
    for field, text in troubles.items():
        words.setdefault(text, []).append(field)
    return ", ".join(f"'{text}' for {', '.join(fields)}" for text, fields in words.items())


@question(
    "Does the driver ask for a reset of a GPU?",
    expected="GPU Recovery Action: None",
    source="nvidia-smi(1), GPU Recovery Action (drivers before 575: GPU Reset Status)",
    remedy="nvidia-smi -q | grep -A1 -i recovery",
)
def test_gpu_recovery(cards: tuple[Card, ...], measure: Measure) -> None:
    """After an error that a program can't recover from."""
    measure.found(told(cards, lambda _: "no action asked for"))
    rows = catalogue.criteria().gpu_limits.recovery
    asked = [(card, word_of(rows, card.recovery)) for card in cards if card.recovery]
    measure.remedy = next((row.remedy for _, row in asked if row), "")
    bad = [
        (card, f"the driver asks for '{card.recovery}'" + (f": {row.means}" if row else ""))
        for card, row in asked
    ]
    assert not bad, each(bad)
