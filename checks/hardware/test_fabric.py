"""The fabric of NVSwitches that connects all cards of a machine with each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.hardware.cards import each, names, told
from checks.question import question

if TYPE_CHECKING:
    from checks.question import Measure
    from provision.facts import Facts
    from provision.facts.health.smi_card import Card


@question(
    "Has every GPU joined the NVLink fabric?",
    expected="state Completed, status Success, nothing unhealthy, wherever the machine has an NVSwitch",
    source="NVML, nvmlDeviceGetGpuFabricInfo; NVIDIA fabric manager user guide",
    remedy="systemctl status nvidia-fabricmanager; sudo systemctl restart nvidia-fabricmanager; its version must be "
    "the driver's. Until it has finished, CUDA gives error 802 (system not yet initialized).",
)
def test_fabric_state(cards: tuple[Card, ...], facts: Facts, measure: Measure) -> None:
    """Without it no program can use any of these cards."""
    switched = facts.driver.nvswitch or any(one.cls.startswith("0680") for one in facts.pci)
    if not switched and not any(card.fabric.state for card in cards):
        pytest.skip(f"no NVSwitch in this machine, and {names(cards)} is in no fabric")
    if not any(card.fabric.state for card in cards) and not _states_it(cards):
        pytest.skip(
            f"{names(cards)} with this driver does not state it: see the fabric manager's service"
        )
    measure.found(told(cards, _words))
    bad = [
        (card, _words(card))
        for card in cards
        if card.fabric.state != "Completed" or card.fabric.status != "Success" or card.fabric.health
    ]
    assert not bad, each(bad)


def _states_it(cards: tuple[Card, ...]) -> bool:
    """Hopper and later do."""
    return not all(card.architecture in {"Volta", "Ampere"} for card in cards)


def _words(card: Card) -> str:
    fabric = card.fabric
    parts = [f"fabric {fabric.state or 'unknown'}", fabric.status]
    parts += [f"{name.replace('_', ' ')}: {text}" for name, text in fabric.health.items()]
    return ", ".join(filter(None, parts))
