"""Two acceptances held against each other, check by check and figure by figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from provision.report.figures import Measured, is_course, measured
from provision.results import Acceptance, Status

if TYPE_CHECKING:
    from collections.abc import Iterable


class CheckChange(msgspec.Struct, frozen=True, kw_only=True):
    """A check's status in both; None where it was not run."""

    check: str
    before: Status | None
    after: Status | None

    @property
    def changed(self) -> bool:
        """Whether they differ."""
        return self.before is not self.after


class FigureChange(msgspec.Struct, frozen=True, kw_only=True):
    """A figure in both; None where it was not measured."""

    check: str
    name: str
    before: Measured | None
    after: Measured | None

    @property
    def obstacle(self) -> str:
        """Why the two cannot be compared; empty where they can."""
        if self.before is None or self.after is None:
            return "measured once only"
        if self.before.unit != self.after.unit:
            return "other unit"
        if self.before.note != self.after.note:
            return "measured under other conditions"
        return "" if self.before.median else "was zero"

    @property
    def ratio(self) -> float | None:
        """After divided by before; None where they cannot be compared."""
        if self.obstacle or self.before is None or self.after is None:
            return None
        return self.after.median / self.before.median

    @property
    def beyond_spread(self) -> bool:
        """Whether they differ by more than both runs wavered within themselves."""
        if self.ratio is None or self.before is None or self.after is None:
            return False
        return abs(self.ratio - 1) > self.before.spread + self.after.spread


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that both acceptances, or one of them, have; in the order of the later one."""

    before: Acceptance
    after: Acceptance
    checks: tuple[CheckChange, ...]
    figures: tuple[FigureChange, ...]

    @property
    def same_machine(self) -> bool:
        """Whether both are of one machine."""
        return bool(self.before.machine) and self.before.machine == self.after.machine

    @property
    def same_state(self) -> bool:
        """Whether nothing that an acceptance depends on has changed between them."""
        return self.same_machine and self.before.state == self.after.state


def compare(before: Acceptance, after: Acceptance) -> Comparison:
    """Hold ``after`` against ``before``."""
    was = {result.check: result.status for result in before.results}
    now = {result.check: result.status for result in after.results}
    old, new = _by_name(measured(before)), _by_name(measured(after))
    return Comparison(
        before=before,
        after=after,
        checks=tuple(
            CheckChange(check=check, before=was.get(check), after=now.get(check))
            for check in dict.fromkeys((*now, *was))
        ),
        figures=tuple(
            FigureChange(check=check, name=name, before=old.get(key), after=new.get(key))
            for key in dict.fromkeys((*new, *old))
            for check, name in [key]
        ),
    )


def _by_name(figures: Iterable[Measured]) -> dict[tuple[str, str], Measured]:
    # A course is no quantity: medians of two runs of different length do not compare, and a card's median heat or
    # clock depends on how long it ran.
    return {(each.check, each.name): each for each in figures if not is_course(each.name)}
