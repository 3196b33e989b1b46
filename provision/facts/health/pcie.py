"""PCI Express as the kernel has it: speed and width of links, errors, ACS, IOMMU, NUMA nodes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from provision.facts.reading import Reading, whole

if TYPE_CHECKING:
    from provision.facts.reading import Transcript

NAME = "pcie"

# Attributes are read by the shell itself. A line is `kind address key value`; a port stands before what is below it.
# ACS is in the extended configuration space (from 0x100 on, a list: id in the low 16 bits, next in the high 12),
# which only root can read; its control register is at offset 6. Without root the kernel gives the first 64 bytes.
_COMMAND = r"""
one() { x=; [ ! -r "$2" ] || IFS= read -r x <"$2" 2>/dev/null || :; [ -z "$x" ] || echo "$1 $x"; }
total() {
  [ -r "$2" ] || return 0
  while read -r k v _; do case $k in TOTAL_ERR_*) echo "$1 $v";; esac; done <"$2"
}
word() { od -An -v -t x4 -j "$2" -N 4 "$1/config" 2>/dev/null | tr -d ' \n'; }
acs() {
  at=256; left=48
  [ "$(id -u)" = 0 ] || { echo "$2 acs unreadable"; return 0; }
  while [ "$at" -ge 256 ] && [ "$left" -gt 0 ]; do
    w=$(word "$1" "$at"); left=$((left - 1))
    case $w in ''|00000000|ffffffff) break;; esac
    if [ $((0x$w & 0xffff)) = 13 ]; then
      w=$(word "$1" $((at + 4)))
      [ -z "$w" ] || echo "$2 acs $((0x$w >> 16))"
      return 0
    fi
    at=$(((0x$w >> 20) & 0xffc))
  done
  echo "$2 acs none"
}
show() {
  p="$1 ${2##*/}"
  echo "$p there yes"
  one "$p class" "$2/class"
  one "$p speed" "$2/current_link_speed"; one "$p width" "$2/current_link_width"
  one "$p max_speed" "$2/max_link_speed"; one "$p max_width" "$2/max_link_width"
  one "$p numa" "$2/numa_node"; one "$p cpus" "$2/local_cpulist"
  one "$p iommu" "$2/iommu_group/type"
  total "$p correctable" "$2/aer_dev_correctable"
  total "$p nonfatal" "$2/aer_dev_nonfatal"; total "$p fatal" "$2/aer_dev_fatal"
}
seen=' '
for d in /sys/bus/pci/devices/*; do
  [ -r "$d/vendor" ] && read -r v <"$d/vendor" && [ "$v" = 0x10de ] || continue
  path=$(readlink -f "$d") || continue
  show device "$path"
  up=${path%/*}
  while :; do
    a=${up##*/}
    case $a in *:*:*.*) ;; *) break;; esac
    echo "device ${path##*/} above $a"
    case $seen in *" $a "*) ;; *) seen="$seen$a "; show port "$up"; acs "$up" "port $a";; esac
    up=${up%/*}
  done
done
n=0; for f in /sys/devices/system/node/node[0-9]*; do [ ! -d "$f" ] || n=$((n + 1)); done
echo "system - nodes $n"
n=0; for f in /sys/class/iommu/*; do [ ! -e "$f" ] || n=$((n + 1)); done
echo "system - iommus $n"
"""

READINGS: tuple[Reading, ...] = (Reading(name=NAME, command=_COMMAND, limit=10.0),)
MAY_FAIL: frozenset[str] = frozenset()

_LINE = re.compile(
    r"(device|port|system) (-|[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) ([a-z_]{1,16}) (.{1,256})"
)
_SPEED = re.compile(r"([0-9]{1,3}(?:\.[0-9])?) GT/s.*")
_GENERATIONS = {2.5: 1, 5.0: 2, 8.0: 3, 16.0: 4, 32.0: 5, 64.0: 6, 128.0: 7}

REDIRECTS = 0b1101
"""Of ACS's control register: source validation, request and completion redirect (PCI Express Base, 7.7.11)."""


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """A PCI function: a card, or a port above one. None where the kernel does not say.

    Attributes:
        address: ``0000:01:00.0``.
        cls: class code, six hexadecimal digits.
        speed, max_speed: of its link, GT/s.
        width, max_width: lanes.
        numa: its NUMA node; None also where the machine has no nodes to tell.
        cpus: the processors near it, e.g. ``0-15``.
        iommu: how the IOMMU treats it: ``DMA``, ``DMA-FQ`` (translated), ``identity`` (passed through); empty for none.
        correctable, nonfatal, fatal: errors since boot.
        acs: the control register of ACS; None where the port has none, or nobody could look (``acs_unreadable``).
        ports: the ports above it, nearest first.
    """

    address: str
    cls: str = ""
    speed: float | None = None
    max_speed: float | None = None
    width: int | None = None
    max_width: int | None = None
    numa: int | None = None
    cpus: str = ""
    iommu: str = ""
    correctable: int | None = None
    nonfatal: int | None = None
    fatal: int | None = None
    acs: int | None = None
    acs_unreadable: bool = False
    ports: tuple[str, ...] = ()

    @property
    def generation(self) -> int | None:
        """Of the link as it is."""
        return _GENERATIONS.get(self.speed or 0)

    @property
    def max_generation(self) -> int | None:
        """The best that its own side can do."""
        return _GENERATIONS.get(self.max_speed or 0)


class Pcie(msgspec.Struct, frozen=True, kw_only=True):
    """The bus around the cards.

    Attributes:
        read: the reading gave an answer.
        devices: NVIDIA's functions, by address.
        ports: the ports above them, by address.
        nodes: NUMA nodes of the machine; iommus: units of its IOMMU that are at work.
    """

    read: bool = False
    devices: dict[str, Function] = {}
    ports: dict[str, Function] = {}
    nodes: int = 0
    iommus: int = 0

    def port_of(self, address: str) -> Function | None:
        """The port that a card is plugged into; None where the kernel shows none, as in many virtual machines."""
        device = self.devices.get(address)
        return self.ports.get(device.ports[0]) if device and device.ports else None


def parse(transcript: Transcript) -> Pcie:
    """Make sense of the reading."""
    rows: dict[str, dict[str, dict[str, str]]] = {"device": {}, "port": {}, "system": {}}
    above: dict[str, list[str]] = {}
    for line in transcript.lines(NAME):
        match = _LINE.fullmatch(line.strip())
        if match is None:
            continue
        kind, address, key, value = match.groups()
        if key == "above":
            above.setdefault(address, []).append(value)
        else:
            rows[kind].setdefault(address, {}).setdefault(key, value)
    system = rows["system"].get("-", {})
    return Pcie(
        read=bool(system),
        devices={
            one: _function(one, row, above.get(one, [])) for one, row in rows["device"].items()
        },
        ports={one: _function(one, row, []) for one, row in rows["port"].items()},
        nodes=whole(system.get("nodes", "")) or 0,
        iommus=whole(system.get("iommus", "")) or 0,
    )


def _function(address: str, row: dict[str, str], above: list[str]) -> Function:
    number = {key: whole(value) for key, value in row.items()}
    return Function(
        address=address,
        cls=row.get("class", "").removeprefix("0x"),
        speed=_speed(row.get("speed", "")),
        max_speed=_speed(row.get("max_speed", "")),
        width=_width(number.get("width")),
        max_width=_width(number.get("max_width")),
        numa=number.get("numa"),
        cpus=row.get("cpus", ""),
        iommu=row.get("iommu", ""),
        correctable=number.get("correctable"),
        nonfatal=number.get("nonfatal"),
        fatal=number.get("fatal"),
        acs=number.get("acs"),
        acs_unreadable=row.get("acs") == "unreadable",
        ports=tuple(above),
    )


def _speed(text: str) -> float | None:
    match = _SPEED.fullmatch(text)
    return float(match[1]) if match else None


def _width(lanes: int | None) -> int | None:
    """0 and 255 stand for a link that is not there."""
    return lanes if lanes in {1, 2, 4, 8, 12, 16, 32} else None
