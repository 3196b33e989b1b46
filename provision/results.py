"""What a check found, and what an acceptance concludes from all of them.

The five statuses are five different things: a check that does not apply (``skip``) and one that could
not measure (``error``) are neither a pass nor a fault of the rig.
"""

from __future__ import annotations

import enum
import statistics
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable


class Status(enum.StrEnum):
    """How one check ended."""

    PASS = "pass"  # noqa: S105 - a status, not a password
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"
    ERROR = "error"


class Verdict(enum.StrEnum):
    """What an acceptance concludes."""

    ACCEPTED = "accepted"
    WARNINGS = "accepted with warnings"
    REJECTED = "rejected"
    INCOMPLETE = "incomplete"

    @property
    def accepted(self) -> bool:
        """True where the rig may be used."""
        return self in {Verdict.ACCEPTED, Verdict.WARNINGS}


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One measured quantity.

    Attributes:
        name: e.g. ``throughput``.
        unit: e.g. ``examples/s``.
        samples: every value measured, in order of time; the figure is their median.
        at: the abscissa of each sample (e.g. the step), where there is one.
        at_unit: e.g. ``step``.
        note: what a reader must know before comparing it, e.g. ``synthetic data, CPU``.
    """

    name: str
    unit: str
    samples: tuple[float, ...]
    at: tuple[float, ...] = ()
    at_unit: str = ""
    note: str = ""

    @property
    def median(self) -> float:
        """Median of the samples, in ``unit``."""
        return statistics.median(self.samples)

    @property
    def spread(self) -> float:
        """Half the distance between the 10th and 90th percentile, as a fraction of the median."""
        if len(self.samples) < 2 or not self.median:  # noqa: PLR2004 - a spread needs two
            return 0.0
        deciles = statistics.quantiles(self.samples, n=10, method="inclusive")
        return (deciles[-1] - deciles[0]) / 2 / self.median


class Waived(msgspec.Struct, frozen=True, kw_only=True):
    """Why a finding is accepted, and until when.

    Attributes:
        until: the last day, ISO 8601.
        reason: in a person's words.
    """

    until: str
    reason: str

    def __str__(self) -> str:
        """``waived until 2027-01-31 because: …``."""
        return f"waived until {self.until} because: {self.reason}"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found on one rig.

    Attributes:
        check: ``chapter/name``, e.g. ``hardware/disk_space``.
        rig: the target's name.
        status: one of five.
        question: what the check asks, in one sentence.
        message: what was measured, or why it was skipped or could not be measured.
        expected: the criterion.
        source: where the criterion comes from.
        remedy: what to do when it is not met.
        seconds: how long the check took.
        figures: what it measured, for plots and comparison.
        log: lines worth keeping, e.g. those of a training run.
        waived: a warning or failure that is accepted for a time (see ``provision.waivers``).
    """

    check: str
    rig: str
    status: Status
    question: str
    message: str
    expected: str = ""
    source: str = ""
    remedy: str = ""
    seconds: float = 0.0
    figures: tuple[Figure, ...] = ()
    log: tuple[str, ...] = ()
    waived: Waived | None = None

    @property
    def standing(self) -> Status:
        """What it counts as: a waived finding as a pass, everything else as what it is."""
        excused = self.waived and self.status in {Status.FAIL, Status.WARN}
        return Status.PASS if excused else self.status


def judge(results: Iterable[Result]) -> Verdict:
    """The verdict over all results of one rig.

    One failed check rejects; otherwise one that could not measure, or nothing measured at all, leaves the
    acceptance incomplete: an error never counts as a pass, also where somebody waived it.
    """
    statuses = {result.standing for result in results}
    if Status.FAIL in statuses:
        return Verdict.REJECTED
    if Status.ERROR in statuses or not statuses - {Status.SKIP}:
        return Verdict.INCOMPLETE
    return Verdict.WARNINGS if Status.WARN in statuses else Verdict.ACCEPTED


class RigReport(msgspec.Struct, frozen=True, kw_only=True):
    """What ``pytest checks/ --results FILE`` writes of one rig; the file has them by the rig's name.

    Attributes:
        results: one per check.
        verdict: over ``results``; those of a run that was cut accept nothing.
        started: UTC, ISO 8601.
        seconds: duration of the whole run.
        facts: the facts as plain data; None where the rig was not reached.
        plan: the plan that the rig was held against, as plain data; None where there was none.
        transcript: the raw readings; None where the rig was not reached.
    """

    results: tuple[Result, ...]
    verdict: Verdict
    started: str
    seconds: float
    facts: dict[str, Any] | None = None
    plan: dict[str, Any] | None = None
    transcript: dict[str, Any] | None = None


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    """A run of all checks on one rig, with its verdict.

    Attributes:
        id: ``YYYYMMDDTHHMMSSZ-xxxxxx``, unique; sorts by time.
        rig: the target's name, as the user wrote it.
        machine: a hash that stays with the machine whatever its name.
        started: UTC, ISO 8601.
        seconds: duration of the whole run.
        verdict: over ``results``.
        results: one per check.
        state: digest of what was installed when the checks ran (see ``provision.plan.state_digest``).
        facts: the facts as plain data (``msgspec.to_builtins``).
        plan: the plan that the rig was held against, as plain data.
        version: dlrig's.
        changed: the tasks that changed something right before, where the plan was applied.
        scope: ``all``, or the marker expression of the checks that ran; only ``all`` accepts a rig.
    """

    id: str
    rig: str
    machine: str
    started: str
    seconds: float
    verdict: Verdict
    results: tuple[Result, ...]
    state: str
    facts: dict[str, Any]
    plan: dict[str, Any]
    version: str
    changed: tuple[str, ...] = ()
    scope: str = "all"

    def holds(self, today: str) -> bool:
        """Whether it still accepts the rig: no waiver that it rests on is over.

        Args:
            today: ISO 8601, UTC.
        """
        over = any(one.waived and one.waived.until < today[:10] for one in self.results)
        return self.verdict.accepted and not over
