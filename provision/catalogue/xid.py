"""What the driver's lines in the kernel's log mean: Xid codes, and other complaints; from ``catalog/xid.toml``."""

from __future__ import annotations

from typing import Literal

import msgspec

from provision.catalogue.rows import Row, read_toml

Severity = Literal["fail", "warn", "note"]
Owner = Literal["program", "card", "link", "power", "driver", "information"]


class Xid(Row, frozen=True, kw_only=True):
    """One code, or several that mean the same.

    Attributes:
        codes: as they stand in the log.
        meaning: what happened.
        owner: who caused it.
        severity: what it says of the card: ``note`` for nothing.
        harmless: a report with this text, where it is the last, asks for nothing.
        remedy: what to do; ``ADDRESS`` stands for the card's.
    """

    codes: tuple[int, ...]
    meaning: str
    owner: Owner
    severity: Severity
    remedy: str
    harmless: str = ""

    def weighs(self, text: str) -> Severity:
        """The severity of reports of which this is the last."""
        return "note" if self.harmless and self.harmless in text else self.severity


class Complaint(Row, frozen=True, kw_only=True):
    """Another line of the driver's.

    Attributes:
        pattern: a part of the line; no expression.
        meaning: what happened.
        severity: what it says of the rig.
        remedy: what to do.
    """

    pattern: str
    meaning: str
    severity: Severity
    remedy: str


class KernelLog(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of ``xid.toml``."""

    xid: tuple[Xid, ...]
    complaint: tuple[Complaint, ...]

    def find(self, code: int) -> Xid | None:
        """The row of a code; None for one that is not known."""
        return next((row for row in self.xid if code in row.codes), None)

    def complaint_of(self, line: str) -> Complaint | None:
        """The first row whose pattern is in a line."""
        return next((row for row in self.complaint if row.pattern in line), None)


def read_kernel_log() -> KernelLog:
    """From ``xid.toml``."""
    return read_toml("xid.toml", KernelLog)
