"""Rigs that were made from documentation, not recorded: cards that differ in what they can do.

Sources: NVIDIA's product pages (memory, power, links), its list of supported GPUs (device ids), nvidia-smi(1).
Each subject's answers are in a module of its own (``made_smi``, ``made_system``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import made_smi
import made_system
import msgspec
import rig_cases

if TYPE_CHECKING:
    from provision.facts.reading import Outcome, Transcript


@dataclass(frozen=True, kw_only=True)
class Card:
    """A model of card.

    Attributes:
        device: PCI id; subsystem: that of a board.
        memory: MiB; power: W, its default limit; slowdown: °C.
        generation, width: of its PCI Express link.
        ecc: its memory has it; remaps: it remaps rows (Ampere and later data-centre cards), else it retires pages.
        nvlinks: how many it has in this machine.
    """

    name: str
    architecture: str
    device: str
    subsystem: str
    memory: int
    power: int
    slowdown: int
    generation: int
    cls: str = "0x030000"
    width: int = 16
    ecc: bool = False
    remaps: bool = False
    mig: bool = False
    nvlinks: int = 0


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A rig with like cards."""

    card: Card
    count: int = 1
    driver: str = "580.95.05"
    flavour: str = "open"
    nvswitches: int = 0
    addresses: tuple[str, ...] = field(default=("01", "02", "21", "22", "41", "42", "61", "62"))

    def address(self, number: int) -> str:
        """Of one card, as the kernel writes it."""
        return f"0000:{self.addresses[number]}:00.0"

    def uuid(self, number: int) -> str:
        return f"GPU-{number:08d}-0000-4000-8000-000000000000"


GTX_1060 = Card(
    name="NVIDIA GeForce GTX 1060 6GB",
    architecture="Pascal",
    device="1c03",
    subsystem="1458:3724",
    memory=6144,
    power=120,
    slowdown=99,
    generation=3,
)
RTX_3090 = Card(
    name="NVIDIA GeForce RTX 3090",
    architecture="Ampere",
    device="2204",
    subsystem="10de:1454",
    memory=24576,
    power=350,
    slowdown=95,
    generation=4,
)
RTX_5090 = Card(
    name="NVIDIA GeForce RTX 5090",
    architecture="Blackwell",
    device="2b85",
    subsystem="10de:2057",
    memory=32607,
    power=575,
    slowdown=92,
    generation=5,
)
A100 = Card(
    name="NVIDIA A100 80GB PCIe",
    architecture="Ampere",
    device="20b5",
    subsystem="10de:1533",
    cls="0x030200",
    memory=81920,
    power=300,
    slowdown=89,
    generation=4,
    ecc=True,
    remaps=True,
    mig=True,
)
H100 = Card(
    name="NVIDIA H100 80GB HBM3",
    architecture="Hopper",
    device="2330",
    subsystem="10de:16c1",
    cls="0x030200",
    memory=81559,
    power=700,
    slowdown=89,
    generation=5,
    ecc=True,
    remaps=True,
    mig=True,
    nvlinks=18,
)

MACHINES = {
    "gtx1060x2": Machine(card=GTX_1060, count=2, flavour="proprietary"),
    "rtx3090": Machine(card=RTX_3090),
    "rtx5090": Machine(card=RTX_5090),
    "a100": Machine(card=A100),
    "h100x8": Machine(card=H100, count=8, nvswitches=4),
}


def outcomes(machine: Machine) -> dict[str, Outcome]:
    """Every reading that differs from the recorded rig without a GPU."""
    card, version = machine.card, machine.driver
    subsystem = " ".join(f"0x{part}" for part in card.subsystem.split(":"))
    bus = "".join(
        f"{machine.address(n)} {card.cls} 0x{card.device} {subsystem} 0 nvidia\n"
        for n in range(machine.count)
    )
    # NVSwitch of the third generation: device 22a3, class 0680.
    bus += "".join(
        f"0000:{n:02x}:00.0 0x068000 0x22a3 0x10de 0x1796 0 nvidia-nvswitch\n"
        for n in range(5, 5 + machine.nvswitches)
    )
    rows = "".join(
        f"{n}, {card.name}, {machine.uuid(n)}, 0000{machine.address(n).upper()}, {version}, {card.memory}\n"
        for n in range(machine.count)
    )
    open_ = "Open " if machine.flavour == "open" else ""
    proc = f"NVRM version: NVIDIA UNIX {open_}Kernel Module for x86_64  {version}  Release Build\n"
    said = rig_cases.said
    return {
        # The recorded rig is a virtual machine; what a host decides there is not judged.
        "virtualization": said("none\n"),
        "pci_nvidia": said(bus),
        "nvidia_module": said(f"{version}\n"),
        "nvidia_proc": said(proc),
        "nvidia_smi": said(rows),
        "driver": rig_cases.made_driver(
            version=version,
            flavour=machine.flavour,
            loaded=version,
            module_running=version,
            module_next=version,
            packages=f"libcuda1={version}-1 nvidia-smi={version}-1",
        ),
        "environments": rig_cases.made_environment(),
        **made_smi.outcomes(machine),
        **made_system.outcomes(machine),
    }


def transcript(name: str, **changes: Outcome) -> Transcript:
    """A healthy rig of ``MACHINES``, but for ``changes``."""
    made = {**rig_cases.BASE.outcomes, **outcomes(MACHINES[name]), **changes}
    return msgspec.structs.replace(rig_cases.BASE, target=f"made-{name}", outcomes=made)
