"""Acceptances as metrics in Prometheus' text format, for node_exporter's textfile collector.

Names and base units: Prometheus' documentation, "Metric and label naming"; escapes: "Exposition formats". No sample has
a timestamp, which the collector refuses: when the rig was accepted is a metric itself.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

from provision.report.figures import Measured, is_course, measured
from provision.report.text import line
from provision.results import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from provision.results import Acceptance

_TIBI, _GIBI, _MEBI = 2.0**40, 2.0**30, 2.0**20
_UNITS = {
    "s": ("seconds", 1.0),
    "ms": ("seconds", 1e-3),
    "us": ("seconds", 1e-6),
    "µs": ("seconds", 1e-6),
    "°C": ("celsius", 1.0),
    "W": ("watts", 1.0),
    "J": ("joules", 1.0),
    "V": ("volts", 1.0),
    "%": ("ratio", 1e-2),
    "Hz": ("hertz", 1.0),
    "MHz": ("hertz", 1e6),
    "GHz": ("hertz", 1e9),
    "B": ("bytes", 1.0),
    "MB": ("bytes", 1e6),
    "GB": ("bytes", 1e9),
    "TB": ("bytes", 1e12),
    "MiB": ("bytes", _MEBI),
    "GiB": ("bytes", _GIBI),
    "TiB": ("bytes", _TIBI),
    "FLOP": ("flops", 1.0),
    "GFLOP": ("flops", 1e9),
    "TFLOP": ("flops", 1e12),
}
"""A figure's unit → the base unit of Prometheus' names, and the factor to it."""

_RESERVED = ("_total", "_count", "_sum", "_bucket", "_info", "_created")
"""Endings that mean another kind of metric."""

_LONGEST = 200


class _Page:
    """Samples by metric, in the order in which they came up."""

    def __init__(self) -> None:
        self.about: dict[str, str] = {}
        self.samples: dict[str, dict[str, float]] = {}

    def add(self, name: str, about: str, value: float, labels: dict[str, str]) -> None:
        """A sample; of two with the same labels the later one stands."""
        self.about.setdefault(name, about)
        written = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        self.samples.setdefault(name, {})[f"{name}{{{written}}}"] = value

    def text(self) -> str:
        """The whole page."""
        return "".join(f"{each}\n" for each in self._lines())

    def _lines(self) -> Iterator[str]:
        for name, samples in self.samples.items():
            yield f"# HELP {name} {_about(self.about[name])}"
            yield f"# TYPE {name} gauge"
            yield from (f"{sample} {float(value)!r}" for sample, value in samples.items())


def render(acceptances: Sequence[Acceptance]) -> str:
    """Metrics of one acceptance each of several rigs."""
    page = _Page()
    for acceptance in acceptances:
        _verdict(page, acceptance)
        _checks(page, acceptance)
        _figures(page, acceptance)
    return page.text()


def _verdict(page: _Page, one: Acceptance) -> None:
    rig = {"rig": one.rig}
    accepted = one.verdict.accepted and one.scope == "all"
    verdict = {"verdict": one.verdict.value, "scope": one.scope}
    which = {"id": one.id, "state": one.state, "version": one.version}
    page.add("dlrig_accepted", "1 where all checks were run and accept the rig.", accepted, rig)
    page.add("dlrig_verdict", "What the last acceptance concluded.", 1, rig | verdict)
    page.add("dlrig_acceptance_info", "Which acceptance it was.", 1, rig | which)
    name = "dlrig_acceptance_duration_seconds"
    page.add(name, "How long the last acceptance took.", one.seconds, rig)
    started = _epoch(one.started)
    if started is not None:
        name = "dlrig_acceptance_timestamp_seconds"
        page.add(name, "When the last acceptance began.", started, rig)
    about = "How many checks ended so; what is waived counts as passed."
    for status in Status:
        count = sum(result.standing is status for result in one.results)
        page.add("dlrig_checks", about, count, rig | {"status": status.value})


def _checks(page: _Page, acceptance: Acceptance) -> None:
    for result in acceptance.results:
        check = {"rig": acceptance.rig, "check": result.check}
        status = {"status": result.status.value}
        page.add("dlrig_check_status", "How the check ended: a label.", 1, check | status)
        name = "dlrig_check_duration_seconds"
        page.add(name, "How long the check took.", result.seconds, check)
        until = _epoch(result.waived.until) if result.waived else None
        if until is not None:
            name = "dlrig_check_waived_until_timestamp_seconds"
            page.add(name, "The last day on which the finding is waived.", until, check)


def _figures(page: _Page, acceptance: Acceptance) -> None:
    for figure in _quantities(measured(acceptance)):
        unit, factor = _unit(figure.unit)
        name = _metric(figure.name, unit)
        labels = {"rig": acceptance.rig, "check": figure.check, "note": figure.note}
        what = figure.name + (f", {unit.replace('_', ' ')}" if unit else "")
        page.add(name, f"Median of what a check measured: {what}.", figure.median * factor, labels)
        about = "Half the distance of the 10th and 90th percentile, by the median."
        page.add("dlrig_figure_spread_ratio", about, figure.spread, labels | {"figure": name})


def _quantities(figures: Iterable[Measured]) -> Iterator[Measured]:
    # The median of a course means nothing by itself.
    return (figure for figure in figures if not is_course(figure.name))


def _unit(unit: str) -> tuple[str, float]:
    """``GB/s`` as ``("bytes_per_second", 1e9)``; what is not known stays, spelt as a name."""
    above, slash, below = unit.partition("/")
    name, factor = _UNITS.get(above.strip(), (_word(above), 1.0))
    if not slash:
        return name, factor
    per, divisor = _UNITS.get(below.strip(), (_word(below), 1.0))
    return f"{name}_per_{per.removesuffix('s')}".strip("_"), factor / divisor


def _metric(name: str, unit: str) -> str:
    word = _word(name) or "unnamed"
    whole = f"dlrig_figure_{word}" + ("" if not unit or word.endswith(f"_{unit}") else f"_{unit}")
    return f"{whole}_value" if whole.endswith(_RESERVED) else whole


def _word(text: str) -> str:
    """A text as a part of a metric's name."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()[:_LONGEST]).strip("_")


def _about(text: str) -> str:
    """A description on one line."""
    return line(text, _LONGEST).replace("\\", "\\\\")


def _escaped(text: str) -> str:
    r"""A label's value on one line: ``\\`` and ``"`` with a stroke before them."""
    return line(text, _LONGEST).replace("\\", "\\\\").replace('"', '\\"')


def _epoch(moment: str) -> float | None:
    """Seconds since 1970; None where a rig's text is no time."""
    try:
        found = dt.datetime.fromisoformat(moment)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).timestamp()
