"""The kernel's log since boot: Xid and SXid reports, the driver's own complaints, bus and machine errors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from provision.facts.health.kernel_lines import BusError, Line, bus_errors, machine_errors
from provision.facts.reading import Reading, sections, whole

if TYPE_CHECKING:
    from collections.abc import Iterable

    from provision.facts.reading import Transcript

NAME = "kernel_log"
_LIMIT = 12.0

# The ring buffer first: it costs nothing. The journal where the buffer no longer begins at the boot, or may not be
# read. Of lines that matter, the first 1500 and the last 500 are kept: a sick card can write thousands.
_READ = r"""
for d in /sys/bus/pci/devices/*; do
  [ -r "$d/vendor" ] && read -r v <"$d/vendor" && [ "$v" = 0x10de ] || continue
  printf 'path=%s\n' "$(readlink -f "$d")"
done
filter() {
  awk -v wanted='NVRM:|SXid|nvidia-nv(switch|link)|[Nn]vidia.*([Ff]ail|[Ee]rror)|probe.*nvidia|AER:|PCIe Bus Error|'\
'[Mm]achine [Cc]heck|Hardware Error|Memory failure|EDAC .*(CE|UE) |fallen off the bus' '
    $0 == "dlrig-cut" { cut = 1; next }
    !n++ { first = $0 }
    n <= 5 && /Linux version / { begun = 1 }
    $0 ~ wanted {
      line = "= " substr($0, 1, 400)
      if (++m <= 1500) print line; else ring[m % 500] = line
    }
    END {
      for (i = m > 2000 ? m - 499 : 1501; i <= m; i++) print ring[i % 500]
      if (match(first, /[0-9]+\.[0-9]+/)) print "since=" substr(first, RSTART, RLENGTH)
      print "lines=" n + 0
      print "whole=" (begun && !cut ? "yes" : "no")
      print "skipped=" (m > 2000 ? m - 2000 : 0)
    }'
}
ring=$(dmesg 2>/dev/null | filter)
case $ring in *whole=yes*) printf 'source=dmesg\n%s\n' "$ring"; exit 0;; esac
journal() { timeout 8 journalctl -k -b -q --no-hostname --no-pager -o short-monotonic 2>/dev/null || echo dlrig-cut; }
kept=$(journal | filter)
case $kept in *whole=yes*) printf 'source=journal\n%s\n' "$kept"; exit 0;; esac
case $ring in
  *lines=0*) ;;
  *) printf 'source=dmesg\n%s\n' "$ring"; exit 0;;
esac
case $kept in
  *lines=0*) printf 'denied=%s\n' "$(dmesg 2>&1 >/dev/null | head -c 300)";;
  *) printf 'source=journal\n%s\n' "$kept";;
esac
"""

READINGS: tuple[Reading, ...] = (Reading(name=NAME, command=_READ, limit=_LIMIT),)
MAY_FAIL: frozenset[str] = frozenset()

_STAMP = re.compile(r"= \[ {0,12}(\d{1,12}\.\d{1,9})\](?:\[ *[TC]\d+\])? (?:kernel: )?(.*)")
_XID = re.compile(r"NVRM: Xid \((?:PCI:)?([0-9a-fA-F:.]{5,20})\): (\d{1,9})(?:[,.] ?(.*))?")
_SXID = re.compile(
    r"nvidia-nvswitch\d*: SXid \((?:PCI:)?([0-9a-fA-F:.]{5,20})\): (\d{1,9})(?:, ?(.*))?"
)
_PATH = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_DRIVER = re.compile(r"NVRM:|nvidia|fallen off the bus", re.IGNORECASE)
_KEPT = 300
"""Distinct lines of the driver, and characters of a line."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """An Xid of a GPU or an SXid of an NVSwitch, as often as it came.

    Attributes:
        address: ``0000:01:00``, as the driver wrote it; it may lack the function.
        code: the number.
        count: how often it came.
        first, last: seconds since boot.
        text: what followed the number, the last time.
    """

    address: str
    code: int
    count: int
    first: float
    last: float
    text: str = ""


class Journal(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel logged.

    Attributes:
        source: ``dmesg`` or ``journal``; empty where nothing could be read.
        denied: why not.
        whole: the log begins at the boot.
        since: seconds after the boot at which it begins.
        skipped: lines that were too many to send.
        xids, sxids: by address and code, in the order of their first coming.
        driver: the driver's other lines, each text once.
        bus: PCI Express errors, by device and severity, of any device.
        machine: of processors and memory.
        paths: NVIDIA function → itself and the ports above it, nearest last.
    """

    source: str = ""
    denied: str = ""
    whole: bool = False
    since: float = 0.0
    skipped: int = 0
    xids: tuple[Report, ...] = ()
    sxids: tuple[Report, ...] = ()
    driver: tuple[Line, ...] = ()
    bus: tuple[BusError, ...] = ()
    machine: tuple[Line, ...] = ()
    paths: dict[str, tuple[str, ...]] = {}


def parse(transcript: Transcript) -> Journal:
    """Make sense of the reading."""
    outcome = transcript[NAME]
    rows = outcome.out.splitlines()
    keys = sections("\n".join(row for row in rows if not row.startswith("= ")))
    if outcome.hung or keys.get("source", "") not in {"dmesg", "journal"}:
        return Journal(denied=keys.get("denied", ""), paths=_paths(rows))
    lines = [_line(row) for row in rows if row.startswith("= ")]
    return Journal(
        source=keys["source"],
        whole=keys.get("whole") == "yes",
        since=_seconds(keys.get("since", "")),
        skipped=whole(keys.get("skipped", "")) or 0,
        xids=_reports(_XID, lines),
        sxids=_reports(_SXID, lines),
        driver=_driver(lines),
        bus=bus_errors(lines),
        machine=machine_errors(lines),
        paths=_paths(rows),
    )


def _line(row: str) -> Line:
    match = _STAMP.match(row)
    if match is None:
        return Line(text=row[2 : _KEPT + 2])
    return Line(first=_seconds(match[1]), last=_seconds(match[1]), text=match[2][:_KEPT])


def _seconds(text: str) -> float:
    return float(text) if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", text) else 0.0


def _reports(form: re.Pattern[str], lines: Iterable[Line]) -> tuple[Report, ...]:
    found: dict[tuple[str, int], Report] = {}
    for line in lines:
        match = form.search(line.text)
        if match is None:
            continue
        address, code, text = match[1].lower(), int(match[2]), (match[3] or "").strip()
        before = found.get((address, code))
        found[address, code] = Report(
            address=address,
            code=code,
            count=before.count + 1 if before else 1,
            first=before.first if before else line.first,
            last=line.last,
            text=text,
        )
    return tuple(found.values())


def _driver(lines: Iterable[Line]) -> tuple[Line, ...]:
    """What the driver said beside Xids, each text once."""
    found: dict[str, Line] = {}
    for line in lines:
        if not _DRIVER.search(line.text) or _XID.search(line.text) or _SXID.search(line.text):
            continue
        before = found.get(line.text)
        if before is None and len(found) < _KEPT:
            found[line.text] = line
        elif before is not None:
            found[line.text] = before.again(line.last)
    return tuple(found.values())


def _paths(rows: Iterable[str]) -> dict[str, tuple[str, ...]]:
    found = {}
    for row in rows:
        addresses = _PATH.findall(row) if row.startswith("path=") else []
        if addresses:
            found[addresses[-1]] = tuple(addresses)
    return found
