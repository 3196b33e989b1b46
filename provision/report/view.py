"""What the report page shows, prepared: the template only places it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from provision import decode
from provision.facts import Facts
from provision.facts.environments import Environment
from provision.plan import EnvironmentPlan, Plan
from provision.report.drawn import Run, drawn
from provision.report.figures import (
    Measured,
    finite,
    headline,
    is_course,
    is_disturbed,
    is_synthetic,
    measured,
)
from provision.report.text import tail
from provision.report.training_view import TrainingView, views
from provision.report.words import CHAPTERS, WORST_FIRST, chapter
from provision.results import Acceptance, Result, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

_LOG_LINES = 400


class CheckView(msgspec.Struct, frozen=True, kw_only=True):
    """One check: its result, what the page calls it, and its log's end."""

    result: Result
    chapter: str
    name: str
    anchor: str
    log: tuple[str, ...]
    log_left_out: int
    synthetic: bool
    disturbed: bool


class EnvironmentView(msgspec.Struct, frozen=True, kw_only=True):
    """One environment: what the plan wants and what is there; either may be missing."""

    name: str
    wanted: EnvironmentPlan | None
    present: Environment | None

    @property
    def framework(self) -> str:
        """The framework's version that is installed; empty where none is."""
        if not self.wanted or not self.present:
            return ""
        # A build for one kind of device has a distribution of its own that holds the same module.
        name = self.wanted.framework.lower()
        installed = {key.lower().replace("-", "_"): v for key, v in self.present.installed.items()}
        return installed.get(name) or installed.get(f"{name}_{self.wanted.device}", "")


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The whole page."""

    acceptance: Acceptance
    counts: tuple[tuple[Status, int], ...]
    headline: Measured | None
    trainings: tuple[TrainingView, ...]
    synthetic: bool
    disturbed: bool
    facts: Facts | None
    plan: Plan | None
    environments: tuple[EnvironmentView, ...]
    chapters: dict[str, tuple[CheckView, ...]]
    attention: tuple[CheckView, ...]
    waived: tuple[CheckView, ...]
    runs: tuple[Run, ...]
    figures: tuple[Measured, ...]


def page(acceptance: Acceptance) -> Page:
    """Prepare a page. Facts or a plan of another version that cannot be read are left out, the rest stays."""
    kept = finite(acceptance)
    facts = read(kept.facts, Facts)
    plan = read(kept.plan, Plan)
    checks = tuple(_check(index, result) for index, result in enumerate(kept.results))
    counts = Counter(result.status for result in kept.results if not result.waived)
    figures = measured(kept)
    return Page(
        acceptance=kept,
        counts=tuple((status, counts[status]) for status in WORST_FIRST if counts[status]),
        waived=tuple(check for check in checks if check.result.waived),
        headline=headline(kept),
        trainings=views(kept),
        synthetic=any(figure.synthetic for figure in figures),
        disturbed=any(figure.disturbed for figure in figures),
        facts=facts,
        plan=plan,
        environments=_environments(facts, plan),
        chapters=_chapters(checks),
        attention=tuple(
            check
            for status in (Status.FAIL, Status.ERROR, Status.WARN)
            for check in checks
            if check.result.standing is status
        ),
        runs=drawn(kept.results),
        figures=tuple(figure for figure in figures if not is_course(figure.name)),
    )


def read(data: dict[str, Any], kind: type[msgspec.Struct]) -> Any:  # noqa: ANN401 - what `kind` says, or None
    """Plain data as ``kind``; None where it is of another version."""
    try:
        return decode.plain(data, kind)
    except msgspec.MsgspecError:
        return None


def _check(index: int, result: Result) -> CheckView:
    log, left_out = tail(result.log, _LOG_LINES)
    return CheckView(
        result=result,
        chapter=chapter(result.check),
        name=result.check.partition("/")[2] or result.check,
        anchor=f"check-{index + 1}",
        log=log,
        log_left_out=left_out,
        synthetic=any(is_synthetic(figure.note) for figure in result.figures),
        disturbed=any(is_disturbed(figure.note) for figure in result.figures),
    )


def _chapters(checks: Iterable[CheckView]) -> dict[str, tuple[CheckView, ...]]:
    """Checks by chapter, known chapters first."""
    found: dict[str, tuple[CheckView, ...]] = {}
    for check in checks:
        found[check.chapter] = (*found.get(check.chapter, ()), check)
    known = [name for name in CHAPTERS if name in found]
    return {name: found[name] for name in (*known, *(n for n in found if n not in known))}


def _environments(facts: Facts | None, plan: Plan | None) -> tuple[EnvironmentView, ...]:
    wanted = plan.environments if plan else {}
    present = facts.environments.present if facts else {}
    return tuple(
        EnvironmentView(name=name, wanted=wanted.get(name), present=present.get(name))
        for name in dict.fromkeys((*wanted, *present))
    )
