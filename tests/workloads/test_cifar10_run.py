"""The workloads as they are sent to a rig: on standard input, with one object at the end."""

from __future__ import annotations

import json
import re
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from cpu_environments import WORKLOADS, made

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.box

LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}: step \d+, loss = \d+\.\d\d "
    r"\(\d+\.\d examples/sec; \d+\.\d{3} sec/batch\) \[synthetic\]"
)


def send(
    python: Path, workload: Path, folder: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-", *arguments, "--json"],
        input=workload.read_text(encoding="utf-8"),
        capture_output=True,
        text=True,
        timeout=240,
        cwd=folder,
        check=False,
    )


FORMS = [
    *("tensorflow reference float32", "tensorflow limit bfloat16"),
    *("torch reference float32", "torch limit bfloat16"),
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form)
def test_a_run_measures_and_the_loss_falls(form: str, tmp_path: Path) -> None:
    framework, mode, dtype = form.split()
    asked = ("--mode", mode, "--dtype", dtype, "--data", "synthetic", "--evaluate")
    workload = WORKLOADS / f"cifar10_{framework}.py"
    before = time.time()

    done = send(made(framework), workload, tmp_path, "--steps", "40", *asked)

    assert (done.returncode, done.stderr) == (0, "")
    *lines, last = done.stdout.splitlines()
    result: dict[str, Any] = json.loads(last)
    assert len(lines) == 5
    assert all(LINE.fullmatch(line) for line in lines), lines
    assert result["losses"]["0"] == pytest.approx(4.68, abs=0.03)
    assert result["losses"]["10"] == pytest.approx(4.62, abs=0.1)
    # A single batch's loss jumps by up to 0.3 in the first hundred steps; its average does not.
    assert result["loss_average"] < result["losses"]["10"] - 0.05
    assert result["data"] == "synthetic"
    assert (result["mode"], result["dtype"], result["steps"]) == (mode, dtype, 40)
    assert len(result["windows"]) == 4
    assert min(result["windows"]) <= result["examples_per_sec"] <= max(result["windows"])
    assert 0 < result["fraction_of_matmul"] < 1.5
    assert result["accuracy_raw"] > 0.15
    assert not list(tmp_path.iterdir())
    assert_measured_whole(result, before, time.time())


def assert_measured_whole(result: dict[str, Any], before: float, after: float) -> None:
    """What is said beside the rate is there, and what must fit together does."""
    ends = [before, result["step0_end"], *result["window_ends"], after]
    assert ends == sorted(ends)
    assert len(result["window_ends"]) == len(result["windows"])
    for window, start, end in zip(result["windows"], ends[1:-1], ends[2:], strict=False):
        assert end - start == pytest.approx(10 * 128 / window, rel=0.2, abs=0.05)
    assert result["spread"] >= 0
    assert result["drift"] is None
    assert result["unit"] == "examples/s"
    assert 0 < result["issue_seconds"] <= 1.5 * 128 / min(result["windows"])
    used = result["cpu_seconds_per_step"] / (128 / result["examples_per_sec"])
    assert 0 < used <= 1.5 * result["processors"]
    assert result["input_examples_per_sec"] > result["examples_per_sec"]
    assert result["compute_examples_per_sec"] > 0.2 * result["examples_per_sec"]
    assert 0 < result["fraction_of_memory"] < 1.5
    assert result["memory_gbps"] > 0.1
    assert isinstance(result["disturbed"], str)
    assert result["peak_memory"] is None


def test_a_time_limit_ends_the_run_at_a_window_before_it(
    tensorflow_python: Path, workload_path: Path, tmp_path: Path
) -> None:
    asked = ("--steps", "100000", "--time-limit", "30", "--data", "synthetic")

    done = send(tensorflow_python, workload_path, tmp_path, *asked)

    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["stopped_by"] == "time limit"
    assert result["steps"] == 10 * len(result["windows"])
    assert result["seconds"] < 30


def test_a_time_limit_without_room_for_two_windows_is_could_not_measure(
    tensorflow_python: Path, workload_path: Path, tmp_path: Path
) -> None:
    done = send(
        tensorflow_python, workload_path, tmp_path, "--time-limit", "1", "--data", "synthetic"
    )

    assert done.returncode == 3
    assert "time limit" in json.loads(done.stdout.splitlines()[-1])["error"]["what"]
