"""Answers of a healthy rig about its cards and their bus, made from documentation; see ``made_rigs``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from made_smi_query import query
from rig_cases import said

if TYPE_CHECKING:
    from collections.abc import Mapping

    from made_rigs import Machine

    from provision.facts.reading import Outcome

SPEEDS = {1: "2.5", 2: "5.0", 3: "8.0", 4: "16.0", 5: "32.0"}
"""GT/s by generation of PCI Express."""

LINK = 26.562
"""GB/s of one NVLink of the fourth generation, as nvidia-smi writes it."""


def outcomes(machine: Machine) -> dict[str, Outcome]:
    return {
        "smi_query": said(query(machine)),
        "nvlink_status": said(nvlink_status(machine)),
        "nvlink_errors": said(nvlink_errors(machine)),
        "smi_topology": said(topology(machine)),
        "pcie": said(pcie(machine)),
    }


def _heads(machine: Machine) -> list[str]:
    names = range(machine.count)
    return [f"GPU {n}: {machine.card.name} (UUID: {machine.uuid(n)})\n" for n in names]


def nvlink_status(machine: Machine, speeds: Mapping[tuple[int, int], str] | None = None) -> str:
    """``nvidia-smi nvlink -s``; ``speeds``: (card, link) → another text for its speed."""
    text = ""
    for card, head in enumerate(_heads(machine)):
        text += head
        for link in range(machine.card.nvlinks):
            speed = (speeds or {}).get((card, link), f"{LINK} GB/s")
            text += f"\t Link {link}: {speed}\n"
    return text


def nvlink_errors(
    machine: Machine, counts: Mapping[tuple[int, int, str], int] | None = None
) -> str:
    """``nvidia-smi nvlink -e``; ``counts``: (card, link, counter) → events."""
    text = ""
    for card, head in enumerate(_heads(machine)):
        text += head
        for link in range(machine.card.nvlinks):
            for counter in ("Replay", "Recovery", "CRC"):
                count = (counts or {}).get((card, link, counter), 0)
                text += f"\t Link {link}: {counter} Errors: {count}\n"
            text += "\n"
    return text


def topology(machine: Machine, paths: Mapping[tuple[int, int], str] | None = None) -> str:
    """``nvidia-smi topo -m``; ``paths``: (card, card) → another path."""
    usual = f"NV{machine.card.nvlinks}" if machine.card.nvlinks else "PHB"
    names = [f"GPU{n}" for n in range(machine.count)]
    head = "\t".join(["", *names, "CPU Affinity", "NUMA Affinity", "GPU NUMA ID"])
    text = f"\x1b[4m{head}\x1b[0m\n"
    for n, name in enumerate(names):
        cells = [
            " X " if n == m else (paths or {}).get((min(n, m), max(n, m)), usual)
            for m in range(machine.count)
        ]
        text += "\t".join([name, *cells, "0-15", "", str(node(machine, n)), "", "N/A"]) + "\n"
    return text + "\nLegend:\n\n  X    = Self\n  NV#  = Connection over a bonded set of # NVLinks\n"


def node(machine: Machine, number: int) -> int:
    """A machine with eight cards has two processors."""
    return number // 4 if machine.count > 4 else 0


def ports(machine: Machine, number: int) -> tuple[str, ...]:
    """Above a card, nearest first: its root port, or a switch that two cards share."""
    if machine.count <= 4:
        return (f"0000:00:{number + 1:02x}.0",)
    pair = number // 2
    return f"0000:e{pair}:{number % 2:02x}.0", f"0000:d{pair}:00.0", f"0000:00:{pair + 1:02x}.0"


def pcie(
    machine: Machine,
    *,
    card: Mapping[str, str] | None = None,
    port: Mapping[str, str] | None = None,
    system: Mapping[str, str] | None = None,
) -> str:
    """The reading ``pcie``; ``card``, ``port``: what differs on the first card, and on the port above it."""
    kind = machine.card
    link = {
        "speed": f"{SPEEDS[1]} GT/s PCIe",
        "width": str(kind.width),
        "max_speed": f"{SPEEDS[kind.generation]} GT/s PCIe",
        "max_width": str(kind.width),
    }
    errors = {"correctable": "0", "nonfatal": "0", "fatal": "0"}
    lines, seen = [], set()
    for n in range(machine.count):
        own = {"there": "yes", "class": kind.cls, **link, "numa": str(node(machine, n)), **errors}
        own |= {"cpus": "0-15", **((card or {}) if n == 0 else {})}
        address = machine.address(n)
        lines += [f"device {address} {key} {value}" for key, value in own.items()]
        for place, one in enumerate(ports(machine, n)):
            lines.append(f"device {address} above {one}")
            if one not in seen:
                seen.add(one)
                above = {"there": "yes", "class": "0x060400", **link, "numa": "0", **errors}
                above |= {"acs": "0", **((port or {}) if (n, place) == (0, 0) else {})}
                lines += [f"port {one} {key} {value}" for key, value in above.items()]
    nodes = "2" if machine.count > 4 else "1"
    lines += [
        f"system - {key} {value}"
        for key, value in {"nodes": nodes, "iommus": "0", **(system or {})}.items()
    ]
    return "\n".join(lines) + "\n"
