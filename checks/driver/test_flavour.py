"""The two flavours of NVIDIA's kernel modules, and which generation of card needs which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.question import could_not_measure, question, require_reading
from provision import catalogue

if TYPE_CHECKING:
    from checks.question import Measure
    from provision.facts import Facts
    from provision.facts.gpus import PciDevice


@question(
    "Does the kernel module's flavour fit the GPUs?",
    expected="proprietary before Turing, open from Blackwell on, either in between",
    source="provision/catalog/architectures.toml",
    remedy="dlrig up takes the flavour that fits; by hand: install the other package of the same version "
    "(nvidia-open or nvidia-driver-BRANCH-open against nvidia-driver-BRANCH), then: sudo reboot",
)
def test_module_flavour(gpus: tuple[PciDevice, ...], facts: Facts, measure: Measure) -> None:
    """The wrong flavour loads, and drives none of the cards."""
    require_reading(facts, "pci_nvidia")
    if not facts.nvidia.loaded:
        pytest.skip("no driver is loaded: see driver/driver_loaded")
    if facts.nvidia.open is None:
        could_not_measure("/proc/driver/nvidia/version does not tell the flavour")
    known = catalogue.load()
    found = [(gpu, known.gpus.guess(gpu.device)) for gpu in gpus]
    told = [(gpu, card.name, known.architectures.get(card.architecture)) for gpu, card in found]
    if not any(row for _, _, row in told):
        pytest.skip("dlrig does not know the generation of these GPUs")
    flavour = "open" if facts.nvidia.open else "proprietary"
    wrong = "no" if facts.nvidia.open else "only"
    generations = ", ".join(dict.fromkeys(row.name for _, _, row in told if row))
    measure.found(f"the {flavour} modules drive {generations}")
    bad = [
        f"{name or gpu.device} at {gpu.address} ({row.name})"
        for gpu, name, row in told
        if row and row.open_modules == wrong
    ]
    assert not bad, f"the {flavour} modules are loaded, and do not drive {', '.join(bad)}"
