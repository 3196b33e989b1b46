"""Statuses and verdicts in words and symbols: the same ones in every report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.results import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from provision.results import Result

SYMBOLS = {
    Status.PASS: "✓",
    Status.WARN: "!",
    Status.FAIL: "✗",
    Status.SKIP: "–",  # noqa: RUF001 - a dash, not a minus
    Status.ERROR: "?",
}
PLAIN_SYMBOLS = {
    Status.PASS: "+",
    Status.WARN: "!",
    Status.FAIL: "x",
    Status.SKIP: "-",
    Status.ERROR: "?",
}
"""For terminals whose encoding lacks the others."""

WORDS = {
    Status.PASS: "passed",
    Status.WARN: "warning",
    Status.FAIL: "failed",
    Status.SKIP: "not applicable",
    Status.ERROR: "could not measure",
}
TONES = {
    Verdict.ACCEPTED: Status.PASS,
    Verdict.WARNINGS: Status.WARN,
    Verdict.REJECTED: Status.FAIL,
    Verdict.INCOMPLETE: Status.ERROR,
}
"""The status that a verdict looks like."""

WORST_FIRST = (Status.FAIL, Status.ERROR, Status.WARN, Status.PASS, Status.SKIP)

_NAMED = 3
"""Checks that are named beside the reason that they share; of more, only the number is said."""

CHAPTERS = ("hardware", "driver", "runtime", "performance", "training")
"""In the order in which they are run and shown."""


def counted(status: Status, count: int) -> str:
    """The word behind a number: ``3 warnings``, ``2 failed``."""
    return WORDS[status] + ("s" if status is Status.WARN and count != 1 else "")


def chapter(check: str) -> str:
    """The part of a check's name before the stroke."""
    return check.partition("/")[0]


def skipped_by_reason(results: Iterable[Result]) -> list[str]:
    """Why checks do not apply: a line per reason, the commonest first."""
    reasons: dict[str, list[str]] = {}
    for result in results:
        if result.status is Status.SKIP:
            reasons.setdefault(result.message.partition("\n")[0], []).append(result.check)
    lines = []
    for reason, checks in sorted(reasons.items(), key=lambda row: -len(row[1])):
        which = ", ".join(checks) if len(checks) <= _NAMED else f"{len(checks)} checks"
        lines.append(f"{reason}: {which}")
    return lines


def page_of(check: str) -> str:
    """The page of the documentation that explains a check (``tools/checks_pages.py`` makes them)."""
    name = check.partition("[")[0]
    return "docs/accepting.md" if name.startswith("waivers/") else f"docs/checks/{name}.md"
