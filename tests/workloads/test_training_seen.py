"""Training as a check runs it: under the monitor, lines as they come; and what limits it, on this CPU, for real.

A run's program is changed here so that one thing limits it: its input, or what the host does between steps.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from checks.performance import loading
from checks.performance.loading import SHARED
from checks.question import Measure
from checks.training import evidence, figures, limit, running
from checks.training.outcome import Failure, Outcome
from provision.connection.local import LocalConnection
from provision.plan import EnvironmentPlan

if TYPE_CHECKING:
    from pathlib import Path

    from checks.training.running import Run

pytestmark = pytest.mark.box
SMALLEST = ("--steps", "20", "--window", "5", "--batch", "8", "--data", "synthetic")
SMALL = ("--steps", "45", "--window", "5", "--batch", "32", "--data", "synthetic")
PROGRAM = "cifar10_tensorflow.py"
BURN = "import time\nend = time.monotonic() + 120\nwhile time.monotonic() < end: pass"
SLOW_INPUT = (
    "    return iter(source.with_options(settings))\n",
    "    return ((time.sleep(0.4), each)[1] for each in source.with_options(settings))\n",
)
SLOW_HOST = (
    "            batches = [next(self.feed) for _ in self.towers]\n",
    "            batches = [next(self.feed) for _ in self.towers]\n            time.sleep(0.4)\n",
)


def environment(python: Path) -> EnvironmentPlan:
    return EnvironmentPlan(
        name="made",
        maker="venv",
        python="3.11",
        pins=(),
        framework="tensorflow",
        version="2.21.0",
        device="cpu",
        path=str(python.parent.parent),
    )


class Timed(Measure):
    """Knows when each line came."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def log(self, lines: Any) -> None:  # noqa: ANN401 - as the parent
        for line in lines:
            self.times.append(time.time())
            super().log([line])


def train(python: Path, measure: Measure, *options: str) -> Run:
    connection = LocalConnection()
    rig: Any = SimpleNamespace(run=connection.run)
    return running._run(rig, environment(python), "cpu", [*options, "--device", "cpu"], measure)


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Any:  # noqa: ANN401 - a function
    """Makes a folder with the programs, one of them changed."""

    def make(old: str, new: str) -> Path:
        folder = tmp_path_factory.mktemp("programs")
        for name in (*SHARED, PROGRAM):
            text = (loading._PROGRAMS / name).read_text(encoding="utf-8")
            assert name != PROGRAM or old in text, "the program has changed"
            (folder / name).write_text(text.replace(old, new), encoding="utf-8")
        return folder

    return make


@pytest.fixture(scope="module")
def plain(
    tensorflow_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Run, Timed, Path]:
    """A run as it is, in a place for temporary files of its own."""
    folder, measure = tmp_path_factory.mktemp("temporary"), Timed()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", None)
        return train(tensorflow_python, measure, *SMALL), measure, folder


def outcome_of(run: Run) -> Outcome:
    assert isinstance(run.result, Outcome), run
    return run.result


def test_lines_come_while_it_trains(plain: tuple[Run, Timed, Path]) -> None:
    run, measure, folder = plain
    outcome = outcome_of(run)
    assert len([line for line in measure.lines if "loss = " in line]) == 1 + len(outcome.windows)
    assert not any(line.startswith("{") for line in measure.lines)
    assert measure.times[-1] - measure.times[0] > 0.5 * sum(
        5 * 32 / rate for rate in outcome.windows
    )
    assert list(folder.iterdir()) == [], "nothing stays"


def test_the_monitor_saw_the_windows(plain: tuple[Run, Timed, Path]) -> None:
    run, _, _ = plain
    outcome = outcome_of(run)
    spans = outcome.spans(run.seen.began)
    assert len(spans) == len(outcome.windows) - 1
    assert all(0 < start < end < run.seen.seconds for start, end in spans)
    seen = evidence.gather(run)
    assert seen
    assert seen.utilisation
    assert 0 < seen.utilisation <= 1
    assert outcome.losses["0"] == pytest.approx(4.68, abs=0.1)


def test_everything_that_explains_was_measured(plain: tuple[Run, Timed, Path]) -> None:
    run, _, _ = plain
    seen = evidence.gather(run)
    assert seen
    assert None not in (seen.compute, seen.fed, seen.issue, seen.cpu_step, seen.processors)
    assert None not in (seen.of_product, seen.of_memory, seen.memory)
    assert {"CPU compute", "input pipeline", "host", "memory"} == {
        one.name for one in limit.ranked(seen)
    }


def test_the_figures_of_a_run(plain: tuple[Run, Timed, Path]) -> None:
    run, _, _ = plain
    measure, outcome = Measure(), outcome_of(run)
    speed = figures.keep(run, outcome, measure)
    kept = {figure.name: figure for figure in measure.figures}
    assert speed.samples == outcome.counted
    assert kept["cpu_utilisation"].at_unit == "s"
    assert 0 < len(kept["cpu_utilisation"].samples) <= 200
    assert kept["cpu_utilisation"].at[-1] <= run.seen.seconds + 1
    assert kept["memory"].median > 0


@pytest.mark.parametrize(
    ("change", "name"), [(SLOW_INPUT, "input pipeline"), (SLOW_HOST, "host")], ids=("input", "host")
)
def test_what_was_slowed_is_named(
    tensorflow_python: Path,
    changed: Any,  # noqa: ANN401 - a function
    monkeypatch: pytest.MonkeyPatch,
    change: tuple[str, str],
    name: str,
) -> None:
    monkeypatch.setattr(loading, "_PROGRAMS", changed(*change))
    seen = evidence.gather(train(tensorflow_python, Measure(), *SMALLEST))
    assert seen
    # What others do on this machine meanwhile is no part of the question.
    found = limit.ranked(msgspec.structs.replace(seen, utilisation=None))
    assert (found[0].name, found[0].holds) == (name, True), limit.told(found)


def test_others_on_the_machine_are_named(tensorflow_python: Path) -> None:
    count = 3 * (os.cpu_count() or 1)
    others = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(count)]
    try:
        run = train(tensorflow_python, Measure(), *SMALLEST, "--steps", "60")
    finally:
        for other in others:
            other.kill()
            other.wait(timeout=10)
    seen = evidence.gather(run)
    assert seen
    assert "other programs took" in run.disturbed
    found = limit.ranked(seen)
    assert (found[0].name, found[0].holds) == ("host", True), limit.told(found)
    assert found[0].evidence.startswith("other programs take ")


def test_a_failure_is_told_with_its_kind(tensorflow_python: Path, tmp_path: Path) -> None:
    options = [*SMALL[:-1], str(tmp_path / "nowhere.npz")]
    run = train(tensorflow_python, Measure(), *options)
    assert isinstance(run.result, Failure)
    assert run.result.kind == "no-data"
    assert run.outcome is None
