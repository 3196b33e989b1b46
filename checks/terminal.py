"""One readable line per check, and one verdict per rig."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from provision.report.words import page_of, skipped_by_reason
from provision.results import Result, Status, Verdict

if TYPE_CHECKING:
    import pytest

COUNTED = {
    Status.PASS: "passed",
    Status.WARN: "warned",
    Status.FAIL: "not met",
    Status.SKIP: "not applicable",
    Status.ERROR: "not measured",
}
_SYMBOL = {
    Status.PASS: "✓",
    Status.WARN: "!",
    Status.FAIL: "✗",
    Status.SKIP: "\N{EN DASH}",
    Status.ERROR: "?",
}
_ASCII = str.maketrans("✓✗→±\N{EN DASH}", "+x>~-")
_COLOUR = {
    Status.PASS: {"green": True},
    Status.WARN: {"yellow": True},
    Status.FAIL: {"red": True, "bold": True},
    Status.SKIP: {"light": True},
    Status.ERROR: {"purple": True, "bold": True},
}
_WAIVED = "waived"
_NAME = 34
"""Columns for a check's name; longer ones push their message to the right."""

_INDENT = " " * 8
_EXPLAINED = {Status.FAIL, Status.WARN, Status.ERROR}


def counted(result: Result) -> str:
    """The word that a result is counted under."""
    return _WAIVED if result.waived else COUNTED[result.status]


def show(reporter: pytest.TerminalReporter, result: Result, *, many: bool, trace: str) -> None:
    """A check's line; below it, where it was not met, the criterion and what to do.

    Args:
        reporter: pytest's.
        result: of the check.
        many: say which rig it was.
        trace: a traceback to show as well; empty for none.
    """
    reporter.ensure_newline()
    symbol = _fitting(reporter, _SYMBOL[result.status])
    looks = _COLOUR[Status.SKIP if result.waived else result.status]
    reporter.write(f" {symbol} {result.status.value:<5} ", **looks)
    first, *rest = result.message.splitlines() or [""]
    where = f"{result.rig}: " if many else ""
    reporter.write(f"{where}{result.check:<{_NAME}} {_fitting(reporter, first)}\n")
    for line in rest:
        reporter.write(f"{_INDENT}{_fitting(reporter, line)}\n")
    if result.status in {Status.FAIL, Status.WARN}:
        reporter.write(f"{_INDENT}expected: {result.expected} ({result.source})\n", light=True)
    if result.waived:
        reporter.write(f"{_INDENT}{_fitting(reporter, str(result.waived))}\n")
    elif result.remedy:
        reporter.write(f"{_INDENT}remedy:   {result.remedy}\n")
    if result.status in _EXPLAINED and result.source:
        reporter.write(f"{_INDENT}more:     {page_of(result.check)}\n", light=True)
    if trace:
        reporter.write(f"{trace}\n", light=True)


def conclude(
    reporter: pytest.TerminalReporter, rig: str, verdict: Verdict, results: list[Result]
) -> None:
    """A rig's verdict, with what led to it."""
    counts = Counter(counted(result) for result in results)
    told = ", ".join(
        f"{counts[word]} {word}" for word in (*COUNTED.values(), _WAIVED) if counts[word]
    )
    colour = "green" if verdict.accepted else "red"
    reporter.write_sep("-", f"{rig}: {verdict.value}", bold=True, **{colour: True})
    reporter.write_line(told)
    for reason in skipped_by_reason(results):
        line = f" {_SYMBOL[Status.SKIP]} {reason}"
        reporter.write_line(_fitting(reporter, line), light=True)
    if verdict is Verdict.INCOMPLETE:
        reporter.write_line(
            "Something could not be measured, so nothing is concluded: see '?' above."
        )


def _fitting(reporter: pytest.TerminalReporter, text: str) -> str:
    """Text that the terminal's encoding can show."""
    encoding = getattr(reporter._tw._file, "encoding", None) or "utf-8"  # noqa: SLF001 - pytest has no other way
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_ASCII).encode(encoding, "replace").decode(encoding)
    return text
