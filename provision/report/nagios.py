"""An acceptance as a monitoring plugin says it: one line and an exit code.

Form: Monitoring Plugins Development Guidelines, "Plugin Output" and "Performance data".
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from provision.report.figures import Measured, headline, is_course, measured
from provision.report.text import count_of, line
from provision.results import Acceptance, Status, Verdict

_STATES = {
    Verdict.ACCEPTED: (0, "OK"),
    Verdict.WARNINGS: (1, "WARNING"),
    Verdict.REJECTED: (2, "CRITICAL"),
    Verdict.INCOMPLETE: (3, "UNKNOWN"),
}
_NAMED = 3
"""How many checks are named; the count says how many there are."""


class Line(NamedTuple):
    """What to print, and what to exit with."""

    text: str
    exit_code: int


def render(acceptance: Acceptance) -> Line:
    """One line: state, verdict, what is wrong, the headline; then the figures as performance data."""
    code, word = _STATES[acceptance.verdict]
    results = acceptance.results
    counts = Counter(result.standing for result in results)
    said = [f"{acceptance.rig} {acceptance.verdict.value}", count_of(len(results), "check")]
    for status, how in (
        (Status.FAIL, "failed"),
        (Status.ERROR, "could not measure"),
        (Status.WARN, "warned"),
    ):
        troubled = [result for result in results if result.standing is status]
        named = "; ".join(f"{each.check}: {line(each.message, 120)}" for each in troubled[:_NAMED])
        if troubled:
            said.append(f"{len(troubled)} {how} ({named})")
    waived = sum(bool(result.waived) for result in results)
    if waived:
        said.append(f"{waived} waived")
    best = headline(acceptance)
    if best:
        said.append(str(best))
    data = (
        *(f"{status.value}={counts[status]}" for status in Status),
        f"duration={acceptance.seconds:.1f}s",
        *(_datum(each) for each in measured(acceptance) if not is_course(each.name)),
    )
    # The bar divides text from data, so it may stand nowhere else.
    text = line(", ".join(said), 1500).replace("|", "/")
    return Line(f"DLRIG {word} - {text} | {' '.join(data)}", code)


def unknown(rig: str, why: str) -> Line:
    """For a rig that could not be asked."""
    said = line(f"{rig}: {why}", 1500).replace("|", "/")
    return Line(f"DLRIG UNKNOWN - {said}", _STATES[Verdict.INCOMPLETE][0])


def _datum(figure: Measured) -> str:
    """``'label'=value``; the form knows few units, so others stand in the label."""
    unit = f" ({figure.unit})" if figure.unit else ""
    mark = " [synthetic]" if figure.synthetic else ""
    label = line(f"{figure.check} {figure.name}{unit}{mark}", 200)
    for barred, instead in (("'", ""), ("=", "-"), ("|", "/")):
        label = label.replace(barred, instead)
    return f"'{label}'={figure.median:.10g}"
