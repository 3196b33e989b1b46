"""Statuses and verdicts in words and symbols: the same ones in every report."""

from __future__ import annotations

from provision.results import Status, Verdict

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

CHAPTERS = ("hardware", "driver", "runtime", "performance", "training")
"""In the order in which they are run and shown."""


def counted(status: Status, count: int) -> str:
    """The word behind a number: ``3 warnings``, ``2 failed``."""
    return WORDS[status] + ("s" if status is Status.WARN and count != 1 else "")


def chapter(check: str) -> str:
    """The part of a check's name before the stroke."""
    return check.partition("/")[0]


def page_of(check: str) -> str:
    """The page of the documentation that explains a check (``tools/checks_pages.py`` makes them)."""
    name = check.partition("[")[0]
    return "docs/accepting.md" if name.startswith("waivers/") else f"docs/checks/{name}.md"
