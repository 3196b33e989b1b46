"""The cards' links to the machine: PCI Express at rest. Its speed rises under load only, and is judged there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.conditions import require_answers
from checks.hardware.cards import each, require_bare_metal, those, told
from checks.question import could_not_measure, question
from provision import catalogue
from provision.results import Status

if TYPE_CHECKING:
    from checks.question import Measure
    from checks.rigs import Rig
    from provision.facts import Facts
    from provision.facts.gpus import PciDevice
    from provision.facts.health.pcie import Function, Pcie
    from provision.facts.health.smi_card import Card


@question(
    "Has every GPU all the lanes of its slot?",
    expected="as many lanes as card and slot can both use; the width does not change at rest, the speed does",
    source="sysfs: current_link_width against max_link_width of the card and of the port above it",
    remedy="Power off, seat the card again, try another slot; look for a riser, and for slots that share lanes in the "
    "board's manual. See: sudo lspci -vv -s ADDRESS | grep -E 'LnkCap|LnkSta'",
    severity=Status.WARN,
)
def test_pcie_width(gpus: tuple[PciDevice, ...], rig: Rig, measure: Measure) -> None:
    """A contact that does not touch halves the lanes, and everything else works."""
    facts = rig.facts
    require_answers(rig, "pcie")
    require_bare_metal(facts)
    links = [(gpu.address, *_widths(facts, gpu.address)) for gpu in gpus]
    measure.found(", ".join(f"x{now} at {address}" for address, now, _, _ in links))
    bad = [
        f"{address} uses {now} of {most} lanes{note}"
        for address, now, most, note in links
        if now and most and now < most
    ]
    assert not bad, "; ".join(bad)
    unknown = [address for address, now, most, _ in links if not (now and most)]
    if unknown and _lost(facts, unknown):
        pytest.skip(f"{', '.join(unknown)} does not answer: see driver/gpu_count")
    if unknown:
        could_not_measure(f"the kernel does not state the width of {', '.join(unknown)}")


def _lost(facts: Facts, addresses: list[str]) -> bool:
    """nvidia-smi does not know these cards either."""
    if facts.nvidia.trouble or not facts.nvidia.smi:
        return True
    return any(facts.health.smi.at(address) is None for address in addresses)


def _widths(facts: Facts, address: str) -> tuple[int | None, int | None, str]:
    """Lanes now, lanes that both sides have, and a note; nvidia-smi's where the kernel has none."""
    device, port = facts.health.pcie.devices.get(address), facts.health.pcie.port_of(address)
    card = facts.health.smi.at(address)
    now = (device.width if device else None) or (card.link.width if card else None)
    sides = [one.max_width for one in (device, port) if one and one.max_width]
    most = min(sides) if sides else (card.link.max_width if card else None)
    above = f" (port {port.address}: {port.max_width})" if port and port.max_width else ""
    return now, most, above


@question(
    "Do the GPUs' PCI Express links carry data without repeats?",
    expected="at most 80 replays since the driver was loaded",
    source="NVIDIA DCGM, diagnostic pcie: max_pcie_replays",
    remedy="Seat the card again, change riser or cable, clean the contacts; then reboot and run this again.",
    severity=Status.WARN,
)
def test_pcie_replays(cards: tuple[Card, ...], measure: Measure) -> None:
    """A packet that arrived damaged is sent again: a bad contact shows here first."""
    having = those(cards, lambda card: card.link.replays is not None, lacks="counts no replays")
    most = catalogue.criteria().gpu_limits.bound("pcie_replays")
    measure.found(told(having, lambda card: f"{card.link.replays} replays"))
    bad = [
        (card, f"{card.link.replays} replays") for card in having if (card.link.replays or 0) > most
    ]
    assert not bad, each(bad)


@question(
    "Did the kernel see no errors on the GPUs' PCI Express links?",
    expected="no uncorrected error since boot, and at most 32 corrected ones per minute",
    source="Advanced Error Reporting (sysfs aer_dev_*) of the cards and the ports above; NVIDIA DCGM's limit",
    remedy="sudo dmesg | grep -i -e aer -e 'pcie bus error'; then seat the card again, change riser or cable",
    severity=Status.WARN,
)
def test_pcie_errors(
    gpus: tuple[PciDevice, ...], pcie: Pcie, facts: Facts, measure: Measure
) -> None:
    """An endpoint's fault often shows at the port above it."""
    counting = [one for one in _functions(pcie, gpus) if one.correctable is not None]
    if not counting:
        pytest.skip("the kernel keeps no error counters (AER) for these links")
    minutes = max(facts.system.uptime / 60, 1.0)
    most = catalogue.criteria().gpu_limits.bound("pcie_correctable")
    measure.found(f"{sum(one.correctable or 0 for one in counting)} corrected errors since boot")
    bad = [
        f"{one.address}: {(one.nonfatal or 0) + (one.fatal or 0)} uncorrected errors since boot"
        for one in counting
        if one.nonfatal or one.fatal
    ]
    bad += [
        f"{one.address}: {one.correctable} corrected errors in {minutes:.0f} minutes"
        for one in counting
        if (one.correctable or 0) / minutes > most
    ]
    assert not bad, "; ".join(bad)


@question(
    "Is it known which processors are near each GPU?",
    expected="a NUMA node for every GPU, where the machine has several",
    source="sysfs numa_node; without it programs copy through the far processor's memory",
    remedy="Update the board's firmware (BIOS); in a virtual machine let the host pass the topology through.",
    severity=Status.WARN,
)
def test_gpu_numa(gpus: tuple[PciDevice, ...], pcie: Pcie, measure: Measure) -> None:
    """Which memory is near."""
    if pcie.nodes < 2:  # noqa: PLR2004 - one node is near everything
        pytest.skip("this machine has one NUMA node")
    nodes = {
        gpu.address: pcie.devices[gpu.address].numa for gpu in gpus if gpu.address in pcie.devices
    }
    measure.found(", ".join(f"{address}: node {node}" for address, node in nodes.items()))
    unknown = [address for address, node in nodes.items() if node is None]
    assert not unknown, f"no NUMA node is known for {', '.join(unknown)}, of {pcie.nodes} nodes"


def _functions(pcie: Pcie, gpus: tuple[PciDevice, ...]) -> list[Function]:
    """The cards and the ports right above them, each once."""
    both = [(pcie.devices.get(gpu.address), pcie.port_of(gpu.address)) for gpu in gpus]
    return list({one.address: one for pair in both for one in pair if one}.values())
