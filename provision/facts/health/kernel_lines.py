"""Lines of the kernel's log that concern the PCI Express bus, processors and memory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

Severity = Literal["corrected", "nonfatal", "fatal"]

_ADDRESS = r"([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])"
# The device that found the error states it; its root port states whose message it received. Kernel:
# drivers/pci/pcie/aer.c, in its wordings of several releases.
_STATED = re.compile(_ADDRESS + r": (?:AER: )?PCIe Bus Error: severity=([A-Za-z ()-]{4,40})")
_RECEIVED = re.compile(
    r"AER: (?:Multiple )?(Corr|Uncorr)[a-z]+ (?:\((Fatal|Non-Fatal)\) )?error (?:message )?received"
    r"(?::| from) " + _ADDRESS
)
_LOST = re.compile(_ADDRESS + r": AER: (?:can't recover|device recovery failed)")
_MACHINE = re.compile(
    r"\[Hardware Error\]|EDAC .*\b(?:CE|UE)\b|Memory failure: |Machine Check: |Machine check events"
)
_DISTINCT = 200


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A line, as often as it came; ``first`` and ``last`` in seconds since boot."""

    text: str
    count: int = 1
    first: float = 0.0
    last: float = 0.0

    def again(self, at: float) -> Line:
        """It came once more."""
        return Line(text=self.text, count=self.count + 1, first=self.first, last=at)


class BusError(msgspec.Struct, frozen=True, kw_only=True):
    """Errors of one severity at one device, ``0000:01:00.0``; times in seconds since boot."""

    address: str
    severity: Severity
    count: int
    first: float
    last: float
    text: str = ""


def bus_errors(lines: Iterable[Line]) -> tuple[BusError, ...]:
    """By device and severity. One error is stated and received: it counts once."""
    stated: dict[tuple[str, Severity], BusError] = {}
    received: dict[tuple[str, Severity], BusError] = {}
    for line in lines:
        if match := _STATED.search(line.text):
            _count(stated, match[1], _severity(match[2]), line)
        elif match := _RECEIVED.search(line.text):
            word = "corrected" if match[1] == "Corr" else match[2] or "Non-Fatal"
            _count(received, match[3], _severity(word), line)
        elif match := _LOST.search(line.text):
            _count(stated, match[1], "fatal", line)
    found = dict(received)
    for key, error in stated.items():
        other = received.get(key)
        found[key] = error if other is None or other.count <= error.count else other
    return tuple(found.values())


def _severity(word: str) -> Severity:
    word = word.lower()
    if word.startswith("corr"):
        return "corrected"
    return "nonfatal" if "non-fatal" in word else "fatal"


def _count(
    found: dict[tuple[str, Severity], BusError], address: str, severity: Severity, line: Line
) -> None:
    before = found.get((address, severity))
    found[address, severity] = BusError(
        address=address,
        severity=severity,
        count=before.count + 1 if before else 1,
        first=before.first if before else line.first,
        last=line.last,
        text=line.text,
    )


def machine_errors(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Machine checks, memory errors and firmware's reports of them, each text once."""
    found: dict[str, Line] = {}
    for line in lines:
        if not _MACHINE.search(line.text):
            continue
        before = found.get(line.text)
        if before is not None:
            found[line.text] = before.again(line.last)
        elif len(found) < _DISTINCT:
            found[line.text] = line
    return tuple(found.values())
