"""Errors that a person can cause: what happened, where, and what to do about it.

Every one of them ends the command with its exit code and a message, never with a traceback.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provision.plan import Conflict, Nearest


class Exit(enum.IntEnum):
    """The exit codes of every command."""

    OK = 0
    """Accepted, or nothing to do."""
    REJECTED = 1
    """The rig fails a check."""
    USAGE = 2
    """The command was used wrongly."""
    FAILED = 3
    """The work could not be done: unreachable rig, impossible plan, failed role."""


class DlrigError(Exception):
    """Something a person can act on.

    Args:
        what: what happened, as one sentence without a full stop.
        where: the rig, file or option it happened at.
        hint: what to do next; the commands to type, where there are any.
        reference: a stable short name of this error (``host-key-changed``), for searching and for tests.
    """

    exit_code: Exit = Exit.FAILED

    def __init__(self, what: str, *, where: str = "", hint: str = "", reference: str) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint
        self.reference = reference

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        remedy = f"\n{self.hint}" if self.hint else ""
        return f"{place}{self.what}{remedy}"


class UsageError(DlrigError):
    """The command, an option or a file given to it is wrong."""

    exit_code = Exit.USAGE


class UnreachableError(DlrigError):
    """The rig could not be reached, or did not let us in."""


class ImpossiblePlanError(DlrigError):
    """No plan satisfies the wishes on this rig.

    Args:
        what: see ``DlrigError``.
        where: see ``DlrigError``.
        hint: see ``DlrigError``.
        reference: see ``DlrigError``.
        conflicts: the fewest constraints that exclude everything.
        nearest: plans that would fit.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        hint: str = "",
        reference: str,
        conflicts: tuple[Conflict, ...] = (),
        nearest: tuple[Nearest, ...] = (),
    ) -> None:
        super().__init__(what, where=where, hint=hint, reference=reference)
        self.conflicts = conflicts
        self.nearest = nearest


class ApplyError(DlrigError):
    """A role failed on the rig, or the run was cut."""
