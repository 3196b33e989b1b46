"""The pretended GPUs: what nvidia-smi answers of them, and their place on the PCI bus.

Cards and answers are those of the acceptance's own tests (``made_rigs``), made from documentation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import made_rigs
import made_smi
from made_rigs import GTX_1060, H100, RTX_3090, Card, Machine
from made_smi_query import query

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["GTX_1060", "H100", "RTX_3090", "T4", "Card", "address", "answers", "bus", "listing"]

T4 = Card(
    name="Tesla T4",
    architecture="Turing",
    device="1eb8",
    subsystem="10de:12a2",
    cls="0x030200",
    memory=15360,
    power=70,
    slowdown=93,
    generation=3,
    ecc=True,
)
DRIVER = "580.00.00"
"""Stands in the answers for the driver's version; the releases that are simulated have one layout."""
_WITHOUT_GSP = {"Maxwell", "Pascal", "Volta"}
VGA = "0x030000"
_NVSWITCH = "0000:81:00.0 0x068000 0x22a3 0x10de 0x1796"
"""An NVSwitch of an H100 board."""


@dataclass(frozen=True, kw_only=True)
class _Seen(Machine):
    """The cards that a driver shows; a card keeps its UUID whatever happens to the others."""

    def uuid(self, number: int) -> str:
        return f"GPU-{int(self.addresses[number], 16):08d}-0000-4000-8000-000000000000"


def address(number: int) -> str:
    """Of a card, by the order of slots."""
    return f"0000:{number + 1:02x}:00.0"


def _machine(gpus: tuple[Card, ...], flavour: str, slots: tuple[int, ...], switches: int) -> _Seen:
    return _Seen(
        card=gpus[0],
        count=len(slots),
        driver=DRIVER,
        flavour=flavour,
        nvswitches=switches,
        addresses=tuple(f"{number + 1:02x}" for number in slots),
    )


def answers(gpus: tuple[Card, ...], switches: int) -> Iterator[tuple[str, str]]:
    """What nvidia-smi prints, by ``flavour/addresses/question``: with all cards, and with all but one."""
    assert len(set(gpus)) <= 1, "the cards of a pretended machine are alike"
    every = tuple(range(len(gpus)))
    shown = {every, *(tuple(n for n in every if n != gone) for gone in every)} - {()}
    for slots in sorted(shown):
        for flavour in ("open", "proprietary"):
            machine = _machine(gpus, flavour, slots, switches)
            place = f"{flavour}/{'+'.join(map(address, slots))}"
            yield f"{place}/query", query(machine)
            yield f"{place}/nvlink-status", made_smi.nvlink_status(machine)
            yield f"{place}/nvlink-errors", made_smi.nvlink_errors(machine)
            yield f"{place}/topology", made_smi.topology(machine)


def listing(gpus: tuple[Card, ...]) -> Iterator[str]:
    """Lines ``address|device|gsp or none|memory|uuid|name``; the open modules drive cards with a GSP."""
    for number, gpu in enumerate(gpus):
        gsp = "none" if gpu.architecture in _WITHOUT_GSP else "gsp"
        uuid = _machine(gpus, "open", (number,), 0).uuid(0)
        yield f"{address(number)}|{gpu.device}|{gsp}|{gpu.memory}|{uuid}|{gpu.name}"


def bus(gpus: tuple[Card, ...], switches: int) -> Iterator[str]:
    """Lines ``address class device vendor-of-board board port speed width``.

    A card with outputs for pictures has a function for sound too.
    """
    for number, gpu in enumerate(gpus):
        board = " ".join(f"0x{part}" for part in gpu.subsystem.split(":"))
        (port,) = made_smi.ports(made_rigs.Machine(card=gpu), number)
        link = f"{port} {made_smi.SPEEDS[gpu.generation]} {gpu.width}"
        yield f"{address(number)} {gpu.cls} 0x{gpu.device} {board} {link}"
        if gpu.cls == VGA:
            yield f"{address(number)[:-1]}1 0x040300 0x10f1 {board} {link}"
    if switches:
        yield f"{_NVSWITCH} 0000:00:1f.0 16.0 2"
