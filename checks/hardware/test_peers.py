"""What stands between cards that send data to each other over PCI Express: ACS and the IOMMU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.hardware.cards import require_bare_metal
from checks.question import could_not_measure, question
from provision import catalogue
from provision.facts.health.pcie import REDIRECTS
from provision.results import Status

if TYPE_CHECKING:
    from checks.question import Measure
    from provision.facts import Facts
    from provision.facts.gpus import PciDevice
    from provision.facts.health.pcie import Function, Pcie

_TRANSLATED = ("DMA", "DMA-FQ")
"""Of /sys/bus/pci/devices/*/iommu_group/type; ``identity`` is passed through."""


@question(
    "Can the GPUs send data to each other without a detour through the processor?",
    expected="PCI Express Access Control Services (ACS) redirect nothing on the ports above the GPUs",
    source="NVIDIA NCCL, troubleshooting; leptonai/gpud (ACSCtl: SrcValid+)",
    remedy="Turn ACS off in the board's firmware; or at every boot: sudo setpci -s PORT ECAP_ACS+0x6.w=0000",
    severity=Status.WARN,
)
def test_pcie_acs(gpus: tuple[PciDevice, ...], pcie: Pcie, facts: Facts, measure: Measure) -> None:
    """Reading it needs root."""
    _between(gpus, facts)
    found = [pcie.devices[gpu.address] for gpu in gpus if gpu.address in pcie.devices]
    above = dict.fromkeys(port for device in found for port in device.ports)
    ports = [pcie.ports[port] for port in above if port in pcie.ports]
    unreadable = [port.address for port in ports if port.acs_unreadable]
    if unreadable:
        could_not_measure(
            f"only root can read the configuration of {len(unreadable)} ports\n"
            "Give the login root, or sudo without a password, and run this again."
        )
    measure.found(f"{len(ports)} ports, none redirects")
    bad = [f"{port.address} ({_control(port)})" for port in ports if (port.acs or 0) & REDIRECTS]
    assert not bad, f"{len(bad)} of {len(ports)} ports redirect: {', '.join(bad)}"


@question(
    "Do the GPUs reach memory without translation by the IOMMU?",
    expected="the IOMMU is off, or passes the GPUs through (iommu=pt)",
    source="NVIDIA NCCL, troubleshooting: translation slows direct transfers, or makes them hang",
    remedy="Add iommu=pt to GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub; then: sudo update-grub; sudo reboot",
    severity=Status.WARN,
)
def test_iommu(gpus: tuple[PciDevice, ...], pcie: Pcie, facts: Facts, measure: Measure) -> None:
    """By the group that each card is in."""
    _between(gpus, facts)
    found = [pcie.devices[gpu.address] for gpu in gpus if gpu.address in pcie.devices]
    kinds = {device.address: device.iommu for device in found}
    measure.found(", ".join(sorted({kind or "none" for kind in kinds.values()})))
    bad = [f"{address} ({kind})" for address, kind in kinds.items() if kind in _TRANSLATED]
    assert not bad, f"translated: {', '.join(bad)}"


def _between(gpus: tuple[PciDevice, ...], facts: Facts) -> None:
    """The checks do not apply where no card sends data to another over PCI Express."""
    if len(gpus) == 1:
        pytest.skip("one GPU has no peer")
    known = catalogue.load().gpus
    if all("GeForce" in known.guess(gpu.device).name for gpu in gpus):
        pytest.skip("GeForce cards do not send data to each other over PCI Express")
    require_bare_metal(facts)


def _control(port: Function) -> str:
    names = {1: "SrcValid", 4: "ReqRedir", 8: "CmpltRedir"}
    return ", ".join(f"{name}+" for bit, name in names.items() if (port.acs or 0) & bit)
