"""The checks as they end, a line each; then the verdict."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from provision.report.figures import headline, is_synthetic
from provision.report.speeds import trainings
from provision.report.text import duration, percent, quantity
from provision.report.words import (
    CHAPTERS,
    TONES,
    WORST_FIRST,
    chapter,
    counted,
    page_of,
    skipped_by_reason,
)
from provision.results import Status
from provision.terminal.console import safe, symbol

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from rich.console import Console

    from provision.report.training import Speed, Training
    from provision.results import Acceptance, Result

_EXPLAINED = (Status.FAIL, Status.ERROR, Status.WARN)


def show_results(console: Console, results: Iterable[Result]) -> None:
    """Every check that applies, by chapter; then why the others do not."""
    every = list(results)
    order = {name: place for place, name in enumerate(CHAPTERS)}
    for result in sorted(every, key=lambda each: order.get(chapter(each.check), len(order))):
        if result.status is not Status.SKIP:
            show_result(console, result)
    for reason in skipped_by_reason(every):
        console.print(
            Text(f"{symbol(console, Status.SKIP)} ", style="skip").append_text(safe(reason))
        )


def show_result(console: Console, result: Result) -> None:
    """One check: symbol, status, name and message; what was expected and what to do where it did not pass."""
    said = Text.assemble(safe(result.check, "title"), "  ", safe(result.message))
    notes = " ".join(figure.note for figure in result.figures)
    if is_synthetic(notes) and "synthetic" not in result.message:
        said.append(" [synthetic]", style="warn")
    if result.seconds >= 1:
        said.append(f"  {duration(result.seconds)}", style="label")
    if result.waived:
        said.append_text(Text.assemble("\n", safe(str(result.waived), "label")))
    elif result.status in _EXPLAINED:
        page = page_of(result.check) if result.source else ""
        for label, text in (
            ("expected", result.expected),
            ("what to do", result.remedy),
            ("more", page),
        ):
            if text:
                said.append_text(Text.assemble((f"\n{label}: ", "label"), safe(text)))
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(width=7, no_wrap=True)
    table.add_column(overflow="fold")
    style = result.status.value
    table.add_row(Text(f"{symbol(console, result.status)} {style}", style=style), said)
    console.print(table)


def show_verdict(console: Console, acceptance: Acceptance, report: Path | None = None) -> None:
    """What it all comes to.

    Args:
        console: where.
        acceptance: with its verdict.
        report: the HTML page, where one was written.
    """
    tone = TONES[acceptance.verdict]
    verdict = f"{symbol(console, tone)} {acceptance.verdict.value}"
    body = Text.assemble(safe(acceptance.rig, "title"), "  ", (verdict, f"bold {_colour(tone)}"))
    body.append("\n").append_text(counts_line(acceptance.results))
    body.append(f"\nin {duration(acceptance.seconds)}, run {acceptance.id}", style="label")
    if acceptance.scope != "all":
        body.append_text(safe(f"\nonly a part of the checks was run: {acceptance.scope}", "warn"))
    whole = Group(body, *throughput(acceptance))
    console.print(Panel(whole, border_style=_colour(tone), expand=False))
    if report:
        # Not inside the frame, and never wrapped: it is there to be copied.
        console.print(Text(f"Report: {report}"), no_wrap=True, crop=False, overflow="ignore")


def throughput(acceptance: Acceptance) -> list[Table | Text]:
    """How fast it trains on the CPU, on one GPU and on all, each with what limits it; empty where nothing trained.

    Where the figures do not say on what they were taken: the highest.
    """
    found, best = trainings(acceptance), headline(acceptance)
    if not found:
        said = [safe(str(best), "title"), safe(f"  {best.check}", "label")] if best else []
        return [Text.assemble(*said)] if best else []
    shown = found[0]
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    for speed in shown.speeds:
        table.add_row(safe(speed.device), _rate(speed), _words(shown, speed))
    words = ", ".join(filter(None, (f"{shown.workload} in {shown.framework}", shown.mode)))
    return [table, safe(words, "label")]


def _rate(speed: Speed) -> Text:
    """``6,134 examples/s ±0.9 %``."""
    spread = f" ±{percent(speed.figure.spread)}" if len(speed.figure.samples) > 1 else ""
    rate = safe(quantity(speed.figure.median, speed.figure.unit), "title")
    return rate.append_text(safe(spread))


def _words(training: Training, speed: Speed) -> Text:
    """``1.60 times one GPU, 80 % of linear; limit: input pipeline [disturbed]``."""
    efficiency = training.efficiency(speed)
    linear = "" if efficiency is None else f"{percent(efficiency)} of linear"
    compared = ", ".join(filter(None, (training.compared(speed), linear)))
    limit = speed.limit_name and f"limit: {speed.limit_name}"
    said = safe("; ".join(filter(None, (compared, limit))))
    for mark, there in (("synthetic", speed.figure.synthetic), ("disturbed", speed.disturbed)):
        if there:
            said.append(f" [{mark}]", style="warn")
    return said


def counts_line(results: Iterable[Result]) -> Text:
    """``2 failed, 1 warning, 8 passed``."""
    every = tuple(results)
    counts = Counter(result.status for result in every if not result.waived)
    parts = [
        Text(f"{counts[status]} {counted(status, counts[status])}", style=status.value)
        for status in WORST_FIRST
        if counts[status]
    ]
    waived = sum(bool(result.waived) for result in every)
    parts += [Text(f"{waived} waived", style=Status.SKIP.value)] if waived else []
    return Text(", ").join(parts) if parts else Text("no check was run")


def _colour(status: Status) -> str:
    return {
        Status.PASS: "green",
        Status.WARN: "yellow",
        Status.FAIL: "red",
        Status.SKIP: "dim",
        Status.ERROR: "magenta",
    }[status]
