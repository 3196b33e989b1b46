"""An acceptance as JUnit XML, for build servers: a test case per check, a test suite per chapter."""

from __future__ import annotations

from collections import Counter
from xml.etree import ElementTree as ET

from provision.report.figures import finite
from provision.report.text import clean
from provision.report.words import chapter
from provision.results import Acceptance, Result, Status

_OUTCOMES = {Status.FAIL: "failure", Status.ERROR: "error", Status.SKIP: "skipped"}


def render(acceptance: Acceptance) -> bytes:
    """The document in UTF-8.

    A warning counts as passed and stands in the case's output, as the form knows no warnings; so does what is waived.
    """
    kept = finite(acceptance)
    root = ET.Element("testsuites", {"name": "dlrig", **_totals(kept.results)})
    root.set("time", f"{kept.seconds:.3f}")
    for name in dict.fromkeys(chapter(result.check) for result in kept.results):
        results = tuple(result for result in kept.results if chapter(result.check) == name)
        suite = ET.SubElement(root, "testsuite", {"name": clean(name), **_totals(results)})
        suite.set("time", f"{sum(result.seconds for result in results):.3f}")
        suite.set("timestamp", clean(kept.started))
        suite.set("hostname", clean(kept.rig))
        properties = ET.SubElement(suite, "properties")
        for label, value in (
            ("acceptance", kept.id),
            ("verdict", kept.verdict.value),
            ("state", kept.state),
            ("scope", kept.scope),
            ("dlrig", kept.version),
        ):
            _property(properties, label, value)
        for result in results:
            _case(suite, result)
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _totals(results: tuple[Result, ...]) -> dict[str, str]:
    counts = Counter(result.standing for result in results)
    return {
        "tests": str(len(results)),
        "failures": str(counts[Status.FAIL]),
        "errors": str(counts[Status.ERROR]),
        "skipped": str(counts[Status.SKIP]),
    }


def _case(suite: ET.Element, result: Result) -> None:
    part, _, name = result.check.partition("/")
    case = ET.SubElement(suite, "testcase", {"classname": clean(part), "name": clean(name)})
    case.set("time", f"{result.seconds:.3f}")
    if result.figures:
        properties = ET.SubElement(case, "properties")
        for figure in result.figures:
            if figure.samples:
                note = f" ({figure.note})" if figure.note else ""
                value = f"{figure.median:g} {figure.unit}".rstrip() + note
                _property(properties, figure.name, value)
    if result.standing in _OUTCOMES:
        outcome = ET.SubElement(case, _OUTCOMES[result.standing])
        outcome.set("message", clean(result.message))
        if result.status is not Status.SKIP:
            outcome.set("type", result.status.value)
            outcome.text = _explanation(result)
    lines = [clean(line) for line in result.log]
    if result.waived:
        lines = [
            f"{result.status.value}, {clean(str(result.waived))}\n{_explanation(result)}",
            *lines,
        ]
    elif result.status is Status.WARN:
        lines = [f"warning: {_explanation(result)}", *lines]
    elif result.status is Status.PASS:
        lines = [clean(result.message), *lines]
    if lines:
        ET.SubElement(case, "system-out").text = "\n".join(lines)


def _explanation(result: Result) -> str:
    parts = (
        result.message,
        result.expected and f"expected: {result.expected}",
        result.source and f"source: {result.source}",
        result.remedy and f"what to do: {result.remedy}",
    )
    return clean("\n".join(part for part in parts if part))


def _property(properties: ET.Element, name: str, value: str) -> None:
    ET.SubElement(properties, "property", {"name": clean(name), "value": clean(value)})
