"""Metrics: Prometheus' own parser reads them, their names keep its rules, and the file is written in one step."""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING

import msgspec
import pytest
from acceptances import HOSTILE, hostile, result, sample, with_results
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from provision.cli import cli
from provision.errors import UnreachableError, UsageError
from provision.history import History
from provision.report.document import from_json
from provision.report.prometheus import render
from provision.results import Acceptance, Figure, Status, Verdict, Waived
from provision.state import history_path

if TYPE_CHECKING:
    from pathlib import Path

Labels = frozenset[tuple[str, str]]
# promtool check metrics (promlint): what it objects to in names of gauges.
UNFIT = re.compile(
    r"_(total|count|sum|bucket|info|milliseconds|microseconds|ms|us|secs?|percent|mb|gb|kb|mib|gib|kilobytes|gauge)$"
)
INFO = "dlrig_acceptance_info"
"""By convention an info metric, with this ending, is a gauge."""


def parsed(*acceptances: Acceptance) -> dict[str, dict[Labels, float]]:
    found: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(render(acceptances)):
        assert family.type == "gauge"
        assert family.documentation.endswith(".")
        assert family.name not in found, "one block per metric"
        for each in family.samples:
            assert each.timestamp is None
        found[family.name] = {frozenset(s.labels.items()): s.value for s in family.samples}
        assert len(found[family.name]) == len(family.samples), "two samples with the same labels"
    return found


def value(found: dict[str, dict[Labels, float]], name: str, **labels: str) -> float:
    (one,) = [v for k, v in found[name].items() if labels.items() <= dict(k).items()]
    return one


def measuring(name: str, unit: str, *samples: float, note: str = "") -> Acceptance:
    figure = Figure(name=name, unit=unit, samples=samples, note=note)
    return with_results(sample("cpu_accepted"), result(Status.PASS, figures=(figure,)))


def test_every_check_the_verdict_and_the_time() -> None:
    one = sample("gpu_rejected")
    found = parsed(one)
    for each in one.results:
        assert value(found, "dlrig_check_status", check=each.check, status=each.status.value) == 1
    assert len(found["dlrig_check_status"]) == len(one.results)
    assert value(found, "dlrig_accepted", rig="gpu-01") == 0
    assert value(found, "dlrig_verdict", verdict="rejected", scope="all") == 1
    assert value(found, "dlrig_checks", status="fail") == 2
    assert value(found, "dlrig_acceptance_timestamp_seconds") == 1777999202
    assert value(found, INFO, id=one.id) == 1


def test_a_part_of_the_checks_accepts_nothing() -> None:
    one = msgspec.structs.replace(sample("cpu_accepted"), scope="quick")
    assert one.verdict is Verdict.ACCEPTED
    assert value(parsed(one), "dlrig_accepted") == 0
    assert value(parsed(sample("cpu_accepted")), "dlrig_accepted") == 1


@pytest.mark.parametrize(
    ("name", "unit", "metric", "factor"),
    [
        ("throughput", "examples/s", "throughput_examples_per_second", 1),
        ("copy", "GB/s", "copy_bytes_per_second", 1e9),
        ("copy", "GiB/s", "copy_bytes_per_second", 2**30),
        ("matmul", "TFLOP/s", "matmul_flops_per_second", 1e12),
        ("step time", "ms", "step_time_seconds", 1e-3),
        ("warmest", "°C", "warmest_celsius", 1),
        ("power", "W", "power_watts", 1),
        ("clock", "MHz", "clock_hertz", 1e6),
        ("share", "%", "share_ratio", 0.01),
        ("energy", "J/example", "energy_joules_per_example", 1),
        ("speed", "images/ms", "speed_images_per_second", 1e3),
        ("accuracy", "", "accuracy", 1),
        ("replay count", "", "replay_count_value", 1),
        ("duration_seconds", "s", "duration_seconds", 1),
        ("£$", "", "unnamed", 1),
    ],
)
def test_a_figure_has_its_base_unit_in_its_name(
    name: str, unit: str, metric: str, factor: float
) -> None:
    found = parsed(measuring(name, unit, 1.0, 2.0, 9.0))
    assert value(found, f"dlrig_figure_{metric}") == pytest.approx(2 * factor)
    assert value(found, "dlrig_figure_spread_ratio", figure=f"dlrig_figure_{metric}") > 0


def test_a_course_is_no_metric_and_a_note_tells_figures_apart() -> None:
    assert not any("loss" in name for name in parsed(measuring("loss", "", 2.0, 1.0)))
    found = parsed(measuring("copy", "GB/s", 1.0, note="pinned"))
    assert value(found, "dlrig_figure_copy_bytes_per_second", note="pinned") == 1e9


def test_a_waiver_is_a_metric_and_counts_as_passed() -> None:
    waived = Waived(until="2026-12-24", reason="known")
    one = with_results(sample("cpu_accepted"), result(Status.FAIL))
    one = msgspec.structs.replace(
        one, results=(msgspec.structs.replace(one.results[0], waived=waived),)
    )
    found = parsed(one)
    assert value(found, "dlrig_check_waived_until_timestamp_seconds") == 1798070400
    assert value(found, "dlrig_checks", status="pass") == 1
    assert value(found, "dlrig_check_status", status="fail") == 1


def test_several_rigs_share_the_metrics() -> None:
    found = parsed(sample("cpu_accepted"), sample("gpu_rejected"))
    assert {dict(labels)["rig"] for labels in found["dlrig_accepted"]} == {"ada@bench", "gpu-01"}


@given(st.text(max_size=60), st.text(max_size=30), st.text(max_size=30))
def test_any_text_of_a_rig_is_a_label_or_a_part_of_a_name(name: str, unit: str, note: str) -> None:
    one = msgspec.structs.replace(measuring(name, unit, 1.0, note=note), rig=note, id=unit)
    found = parsed(one)
    assert all(re.fullmatch(r"dlrig_[a-z0-9_]+", metric) for metric in found)


def test_hostile_text_is_harmless() -> None:
    text = render([hostile()])
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert parsed(hostile())
    assert HOSTILE not in text


@pytest.mark.parametrize("name", ["cpu_accepted", "gpu_rejected"])
def test_names_keep_prometheus_rules(name: str) -> None:
    for metric in parsed(sample(name)):
        assert metric.startswith("dlrig_")
        assert metric == INFO or not UNFIT.search(metric), metric


def kept() -> None:
    with History(history_path()) as history:
        history.add(sample("gpu_rejected"))


def test_the_command_prints_or_writes_a_file_that_others_can_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    kept()
    assert cli.main(["report", "--format", "prometheus"], standalone_mode=False) == 1
    printed = capsys.readouterr().out
    assert printed == render([sample("gpu_rejected")])
    file = tmp_path / "dlrig.prom"
    arguments = ["report", "--format", "prometheus", "--output", str(file)]
    assert cli.main(arguments, standalone_mode=False) == 1
    assert capsys.readouterr().out == ""
    assert file.read_text() == printed
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert [each.name for each in tmp_path.glob("*.prom")] == ["dlrig.prom"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["report", "--output", "x.prom"],
        ["check", "local", "--format", "nagios", "--output", "x.prom"],
        ["check", "local", "--last", "--format", "prometheus"],
        ["check", "local", "--json", "--format", "prometheus"],
    ],
)
def test_what_does_not_go_together_is_wrong_usage(arguments: list[str]) -> None:
    kept()
    with pytest.raises(UsageError):
        cli.main(arguments, standalone_mode=False)


@pytest.mark.parametrize(
    ("form", "code", "begins"), [("prometheus", 1, "# HELP"), ("nagios", 2, "DLRIG CRITICAL")]
)
def test_a_check_ends_in_that_form(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    form: str,
    code: int,
    begins: str,
) -> None:
    def carry(run: object, _: object) -> int:
        run.rigs[0].acceptance = sample("gpu_rejected")  # type: ignore[attr-defined]
        run.console.print("for people")  # type: ignore[attr-defined]
        return 1

    monkeypatch.setattr("provision.pipeline.carry", carry)
    assert cli.main(["check", "local", "--format", form], standalone_mode=False) == code
    said = capsys.readouterr()
    assert said.out.startswith(begins)
    assert "for people" not in said.out


def test_a_rig_that_could_not_be_checked_is_unknown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def carry(run: object, _: object) -> int:
        one, two = run.rigs  # type: ignore[attr-defined]
        one.acceptance = sample("gpu_rejected")
        two.error = UnreachableError("no | answer", reference="x")
        return 3

    monkeypatch.setattr("provision.pipeline.carry", carry)
    arguments = ["check", "one", "two", "--format", "nagios"]
    assert cli.main(arguments, standalone_mode=False) == 3
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" - ")[0] for line in lines] == ["DLRIG CRITICAL", "DLRIG UNKNOWN"]
    assert lines[1] == "DLRIG UNKNOWN - two: no / answer"


def test_json_of_a_check_names_its_form(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def carry(run: object, _: object) -> int:
        run.rigs[0].acceptance = sample("gpu_rejected")  # type: ignore[attr-defined]
        return 1

    monkeypatch.setattr("provision.pipeline.carry", carry)
    assert cli.main(["check", "local", "--json"], standalone_mode=False) == 1
    assert from_json(capsys.readouterr().out.encode()) == sample("gpu_rejected")
