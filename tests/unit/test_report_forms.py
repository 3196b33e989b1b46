"""The forms that programs read: JSON, JUnit, the monitoring line."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from acceptances import hostile, result, sample, with_results

from provision.errors import DlrigError
from provision.report import document, junit, nagios
from provision.results import Acceptance, Figure, Status, Verdict

_SCHEMA = Path(__file__).parents[2] / "docs" / "schema" / "acceptance.json"


@pytest.fixture(params=["cpu_accepted", "gpu_rejected"])
def acceptance(request: pytest.FixtureRequest) -> Acceptance:
    return sample(request.param)


def test_the_published_schema_is_current() -> None:
    assert _SCHEMA.read_bytes() == document.schema(), (
        "write it anew: python -c 'from provision.report.document import schema; print(schema().decode(), end=\"\")'"
        " > docs/schema/acceptance.json"
    )


def test_the_schema_names_every_field_and_the_form() -> None:
    schema = json.loads(document.schema())
    described = schema["$defs"]["Document"]["properties"]
    assert set(described) == {"schema", *Acceptance.__struct_fields__}
    assert described["schema"]["enum"] == ["dlrig/acceptance/1"]


def test_json_begins_with_its_form_and_comes_back(acceptance: Acceptance) -> None:
    raw = document.to_json(acceptance)
    assert next(iter(json.loads(raw).items())) == ("schema", "dlrig/acceptance/1")
    assert document.from_json(raw) == acceptance
    assert document.to_json(document.from_json(raw)) == raw


def test_json_has_no_value_that_json_lacks() -> None:
    figure = Figure(name="loss", unit="", samples=(math.nan, -math.inf, 2.0), at=(0.0, 1.0, 2.0))
    odd = with_results(sample("cpu_accepted"), result(Status.ERROR, figures=(figure,)))
    back = json.loads(document.to_json(odd), parse_constant=pytest.fail)
    assert back["results"][0]["figures"][0]["samples"] == [2.0]
    assert back["results"][0]["figures"][0]["at"] == [2.0]


@pytest.mark.parametrize(
    "raw",
    [b"", b"{}", b"null", b"\xff", b'{"schema": "dlrig/acceptance/2"}', b"[" * 100_000],
    ids=["empty", "no fields", "null", "no text", "another form", "too deep"],
)
def test_json_that_is_no_acceptance_is_said(raw: bytes) -> None:
    with pytest.raises(DlrigError) as caught:
        document.from_json(raw, where="here")
    assert caught.value.reference == "acceptance-unreadable"
    assert caught.value.where == "here"


def test_junit_counts_each_status_as_its_own() -> None:
    root = ET.fromstring(junit.render(sample("gpu_rejected")))
    assert {k: root.get(k) for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": "9",
        "failures": "2",
        "errors": "1",
        "skipped": "0",
    }
    suites = {suite.get("name"): suite for suite in root.iter("testsuite")}
    assert list(suites) == ["hardware", "driver", "runtime", "training"]
    assert (suites["driver"].get("tests"), suites["driver"].get("failures")) == ("3", "1")
    assert float(root.get("time", "")) == 127.9


def _case(status: Status, *log: str) -> ET.Element:
    one = with_results(sample("cpu_accepted"), result(status, log=log))
    return next(ET.fromstring(junit.render(one)).iter("testcase"))


@pytest.mark.parametrize(
    ("status", "child"),
    [(Status.FAIL, "failure"), (Status.ERROR, "error"), (Status.SKIP, "skipped")],
)
def test_junit_says_how_a_check_ended(status: Status, child: str) -> None:
    case = _case(status)
    assert [each.tag for each in case] == [child]
    assert (case.get("classname"), case.get("name")) == ("hardware", "memory")
    assert case[0].get("message") == "3 GiB"
    if status is not Status.SKIP:
        assert case[0].text == "3 GiB\nexpected: 4 GiB\nwhat to do: Add memory"


def test_a_warning_passes_in_junit_and_is_said() -> None:
    case = _case(Status.WARN, "a line")
    assert [each.tag for each in case] == ["system-out"]
    assert (case[0].text or "").startswith("warning: 3 GiB\nexpected: 4 GiB")
    assert (case[0].text or "").endswith("\na line")


def test_junit_has_figures_and_log(acceptance: Acceptance) -> None:
    root = ET.fromstring(junit.render(acceptance))
    case = list(root.iter("testcase"))[-1]
    properties = {each.get("name"): each.get("value", "") for each in case.iter("property")}
    assert re.match(r"\d+(\.\d+)? examples/s \(.+\)", properties["throughput"])
    last = acceptance.results[-1]
    assert last.log[-1] in (case.findtext("system-out") or "")


def test_junit_of_a_hostile_rig_is_well_formed() -> None:
    root = ET.fromstring(junit.render(hostile()))
    assert len(list(root.iter("testcase"))) == len(hostile().results)
    assert not root.findall(".//script")


def test_the_monitoring_line_of_an_accepted_rig() -> None:
    text, code = nagios.render(sample("cpu_accepted"))
    said, _, data = text.partition(" | ")
    assert code == 0
    assert said == (
        "DLRIG OK - ada@bench accepted, 10 checks, 329.4 examples/s (±1.8 %, 12 samples) [synthetic]"
    )
    assert data.startswith("pass=8 warn=0 fail=0 skip=2 error=0 duration=61.4s '")
    label = "'training/cifar10_smoke[tensorflow] throughput (examples/s) [synthetic]'"
    assert f"{label}=329.4" in data


def test_the_monitoring_line_names_what_is_wrong() -> None:
    text, code = nagios.render(sample("gpu_rejected"))
    assert code == 2
    assert (
        "DLRIG CRITICAL - gpu-01 rejected, 9 checks, 2 failed (hardware/disk_space: 97 % full"
        in text
    )
    assert "1 could not measure (driver/packages_whole" in text


@pytest.mark.parametrize(
    ("verdict", "code", "word"),
    [
        (Verdict.ACCEPTED, 0, "OK"),
        (Verdict.WARNINGS, 1, "WARNING"),
        (Verdict.REJECTED, 2, "CRITICAL"),
        (Verdict.INCOMPLETE, 3, "UNKNOWN"),
    ],
)
def test_each_verdict_has_its_monitoring_state(verdict: Verdict, code: int, word: str) -> None:
    line = nagios.render(msgspec.structs.replace(sample("cpu_accepted"), verdict=verdict))
    assert line.exit_code == code
    assert line.text.startswith(f"DLRIG {word} - ")


def test_a_hostile_rig_cannot_add_monitoring_data() -> None:
    text = nagios.render(hostile()).text
    assert text.isprintable()
    assert text.count("|") == 1
    data = text.partition(" | ")[2]
    assert re.fullmatch(r"(?:(?:'[^'=|]+'|[a-z]+)=[-0-9.e+]+s? ?)+", data)
