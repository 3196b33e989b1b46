"""What the checks of the cards share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.question import require_reading

if TYPE_CHECKING:
    from provision.facts import Facts
    from provision.facts.gpus import PciDevice
    from provision.facts.health.pcie import Pcie
    from provision.facts.health.smi_card import Card


@pytest.fixture
def cards(gpus: tuple[PciDevice, ...], facts: Facts) -> tuple[Card, ...]:
    """What nvidia-smi says of every card; where it says nothing, one other check tells why."""
    if not facts.health.smi.cards:
        require_reading(facts, "pci_nvidia")
        if not facts.nvidia.loaded:
            pytest.skip(f"no driver is loaded for {len(gpus)} GPUs: see driver/driver_loaded")
        if facts.nvidia.trouble or not facts.nvidia.smi:
            pytest.skip("nvidia-smi gives no answer: see driver/nvidia_smi_answers")
        pytest.skip("nvidia-smi -q -x gives no answer: see hardware/gpu_fields")
    return facts.health.smi.cards


@pytest.fixture
def pcie(gpus: tuple[PciDevice, ...], facts: Facts) -> Pcie:
    """The bus around the cards; where the kernel told nothing, one other check tells why."""
    if not facts.health.pcie.read:
        pytest.skip(f"the bus of {len(gpus)} GPUs was not read: see hardware/pcie_width")
    return facts.health.pcie
