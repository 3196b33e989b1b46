"""NVIDIA devices on the PCI bus: what is plugged in, whatever the driver thinks of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from provision.facts.reading import Reading

if TYPE_CHECKING:
    from provision.facts.reading import Transcript

# Read with the shell's own means: no lspci on a bare box, and no process per attribute.
_LIST = r"""
v() { x=-; [ ! -r "$1" ] || read -r x <"$1" || :; printf '%s ' "${x:--}"; }
for d in /sys/bus/pci/devices/*; do
  [ -r "$d/vendor" ] || continue
  read -r vendor <"$d/vendor" || continue
  [ "$vendor" = 0x10de ] || continue
  printf '%s ' "${d##*/}"
  v "$d/class"; v "$d/device"; v "$d/subsystem_vendor"; v "$d/subsystem_device"; v "$d/numa_node"
  l=$(readlink "$d/driver" 2>/dev/null) || l=-
  printf '%s\n' "${l##*/}"
done
"""

READINGS = (Reading(name="pci_nvidia", command=_LIST),)

_ROW = re.compile(
    r"(?P<address>[0-9a-f:.]{7,16}) 0x(?P<cls>[0-9a-f]{6}) 0x(?P<device>[0-9a-f]{4}) "
    r"(?P<subvendor>\S+) (?P<subdevice>\S+) (?P<numa>\S+) (?P<driver>\S+)"
)


class PciDevice(msgspec.Struct, frozen=True, kw_only=True):
    """One NVIDIA PCI function.

    Attributes:
        address: ``0000:01:00.0``.
        cls: class code, six hexadecimal digits.
        device: device id, four hexadecimal digits, e.g. ``1c03``.
        subsystem: ``vendor:device`` of the board, e.g. ``1458:3724``; empty where unknown.
        driver: the kernel driver bound to it; empty for none.
    """

    address: str
    cls: str
    device: str
    subsystem: str = ""
    driver: str = ""

    @property
    def is_gpu(self) -> bool:
        """Class 0300 (VGA) or 0302 (3D): a GPU; 0680 is an NVSwitch, 0403 the sound function."""
        return self.cls[:4] in {"0300", "0302"}


def parse(transcript: Transcript) -> tuple[PciDevice, ...]:
    """Every NVIDIA function, in the order of addresses."""
    found = []
    for line in transcript.lines("pci_nvidia"):
        row = _ROW.fullmatch(line.strip())
        if row is None:
            continue
        board = f"{row['subvendor']}:{row['subdevice']}".replace("0x", "")
        found.append(
            PciDevice(
                address=row["address"],
                cls=row["cls"],
                device=row["device"],
                subsystem="" if "-" in board else board,
                driver="" if row["driver"] == "-" else row["driver"],
            )
        )
    return tuple(sorted(found, key=lambda device: device.address))
