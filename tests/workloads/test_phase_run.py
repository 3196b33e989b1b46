"""The phase programs as they are sent to a rig: on standard input, with one object at the end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from cpu_environments import WORKLOADS, made

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.box

FRAMEWORKS = ("tensorflow", "torch", "jax")
NO_GPU = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}: step \d+, loss = \d+\.\d{3} "
    r"\(\d+\.\d{3} steps/sec; \d+\.\d examples/sec\) \[synthetic\]"
)


def send(
    python: Path | str, framework: str, folder: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-", *arguments, "--json"],
        input=(WORKLOADS / f"phase_{framework}.py").read_text(encoding="utf-8"),
        capture_output=True,
        text=True,
        timeout=500,
        cwd=folder,
        check=False,
        env=NO_GPU,
    )


def last(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def saved(folder: Path, phase: Any, labels: Any) -> str:  # noqa: ANN401 - arrays of any type
    np.savez(folder / "images.npz", x_train=phase, y_train=labels)
    return str(folder / "images.npz")


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """A run that is long enough to learn something."""
    asked = ("--mode", "limit", "--dtype", "bfloat16", "--steps", "100", "--evaluate")
    done = send(made("tensorflow"), "tensorflow", tmp_path_factory.mktemp("phase"), *asked)
    assert (done.returncode, done.stderr) == (0, "")
    return done


def test_lines_and_windows_are_those_of_the_steps(
    learnt: subprocess.CompletedProcess[str],
) -> None:
    *lines, _ = learnt.stdout.splitlines()
    result = last(learnt)
    assert len(lines) == 11
    assert all(LINE.fullmatch(line) for line in lines), lines
    assert (result["steps"], result["stopped_by"], result["batch"]) == (100, "steps", 79)
    assert list(result["losses"]) == [str(step) for step in range(0, 101, 10)]
    assert len(result["windows"]) == len(result["window_ends"]) == 10
    ends = [result["step0_end"], *result["window_ends"]]
    assert ends == sorted(ends)


def test_the_model_learns_to_tell_the_cells_apart(
    learnt: subprocess.CompletedProcess[str],
) -> None:
    result = last(learnt)
    losses = list(result["losses"].values())
    assert losses[0] == pytest.approx(0.69, abs=0.1)  # two classes by chance: ln 2
    assert sum(losses[-3:]) / 3 < 0.6
    assert result["accuracy"] > 0.65
    assert result["data"] == "synthetic"


def test_the_figures_belong_together(learnt: subprocess.CompletedProcess[str]) -> None:
    result = last(learnt)
    assert result["unit"] == "steps/s"
    assert result["examples_per_sec"] == pytest.approx(79 * result["rate"], rel=1e-3)
    assert min(result["windows"]) <= result["examples_per_sec"] <= max(result["windows"])
    assert result["mflop_per_example"] == 312.5
    reached = result["examples_per_sec"] * result["mflop_per_example"] / 1e3
    best = max(result["matmul_gflops_before"], result["matmul_gflops_after"])
    assert result["fraction_of_matmul"] == pytest.approx(reached / best, rel=0.01)
    assert result["input_examples_per_sec"] > result["examples_per_sec"] / 4
    assert result["compute_examples_per_sec"] > result["examples_per_sec"] / 4
    assert 0 < result["issue_seconds"] < 79 / min(result["windows"]) * 2
    assert result["cpu_seconds_per_step"] > 0
    assert result["processors"] == len(os.sched_getaffinity(0))
    assert result["memory_gbps"] > 0
    assert result["spread"] >= 0
    assert result["drift"] is not None
    assert result["peak_memory"] is None
    assert isinstance(result["disturbed"], str)


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_the_other_frameworks_give_the_same_fields(
    framework: str, learnt: subprocess.CompletedProcess[str], tmp_path: Path
) -> None:
    asked = ("--batch", "8", "--window", "2", "--steps", "4")

    done = send(made(framework), framework, tmp_path, *asked)

    assert (done.returncode, done.stderr) == (0, "")
    result = last(done)
    assert result.keys() == last(learnt).keys()
    assert (result["mode"], result["framework"], result["drift"]) == ("reference", framework, None)
    assert result["input_examples_per_sec"] > 0
    assert result["compute_examples_per_sec"] > 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_without_a_gpu_the_gpu_could_not_be_measured(framework: str, tmp_path: Path) -> None:
    data = saved(tmp_path, np.zeros((79, 128, 128), np.float32), np.zeros(79, int))

    done = send(made(framework), framework, tmp_path, "--device", "gpu", "--data", data)

    assert done.returncode == 3
    assert last(done)["error"]["kind"] == "no-device"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_python_without_the_framework_is_named(framework: str, tmp_path: Path) -> None:
    data = saved(tmp_path, np.zeros((79, 128, 128), np.float32), np.zeros(79, int))

    done = send(sys.executable, framework, tmp_path, "--data", data)

    assert done.returncode == 3
    assert last(done)["error"]["kind"] == "no-framework"
    assert sys.executable in last(done)["error"]["what"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--steps", "19"), "2 windows or more"),
        (("--dtype", "bfloat16"), "--mode limit"),
        (("--batch", "0"), "--batch"),
        (("--device", "tpu"), "--device"),
        (("--time-limit", "0"), "--time-limit"),
        (("--unknown",), "--unknown"),
    ],
    ids=str,
)
def test_wrong_usage_is_said_before_anything_is_loaded(
    arguments: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    done = send(sys.executable, "torch", tmp_path, *arguments)

    assert done.returncode == 2
    error = last(done)["error"]
    assert error["kind"] == "usage"
    assert says in error["what"]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: (np.zeros((80, 64, 64)), np.zeros(80, int)), "not numbers (N, 128, 128)"),
        (lambda: (np.zeros((80, 128, 128)), np.zeros(79, int)), "80 images but 79 labels"),
        (lambda: (np.zeros((80, 128, 128)), np.full(80, 2)), "neither 0 nor 1"),
        (lambda: (np.full((80, 128, 128), np.nan), np.zeros(80, int)), "no numbers"),
        (lambda: (np.zeros((9, 128, 128)), np.zeros(9, int)), "fewer than one batch of 79"),
    ],
    ids=["side", "labels", "classes", "not numbers", "few"],
)
def test_data_that_are_no_phase_images_are_refused(
    make: Callable[[], tuple[Any, Any]], says: str, tmp_path: Path
) -> None:
    done = send(sys.executable, "torch", tmp_path, "--data", saved(tmp_path, *make()))

    assert done.returncode == 2
    error = last(done)["error"]
    assert error["kind"] == "no-data"
    assert says in error["what"]


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    done = send(sys.executable, "torch", tmp_path, "--data", str(tmp_path / "none.npz"))

    assert (done.returncode, last(done)["error"]["kind"]) == (2, "no-data")
    assert "none.npz" in last(done)["error"]["what"]


def test_a_loss_that_is_no_number_ends_the_run(tmp_path: Path) -> None:
    # Each pixel is a float32, their sum is not.
    phase = np.full((80, 128, 128), 3e38, np.float32)
    phase[:, ::2] = 2e38
    data = saved(tmp_path, phase, np.arange(80) % 2)

    done = send(made("torch"), "torch", tmp_path, "--data", data)

    assert (done.returncode, last(done)["error"]["kind"]) == (3, "not-a-number")
    assert "step 0" in last(done)["error"]["what"]


def test_a_time_limit_without_room_for_two_windows_is_could_not_measure(tmp_path: Path) -> None:
    start = time.monotonic()

    done = send(made("torch"), "torch", tmp_path, "--time-limit", "1")

    assert (done.returncode, last(done)["error"]["kind"]) == (3, "no-time")
    assert time.monotonic() - start < 10


def test_a_run_that_is_ended_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    command = [made("torch"), WORKLOADS / "phase_torch.py", "--steps", "100000", "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=NO_GPU
    ) as run:
        try:
            assert run.stdout is not None
            assert "step 0" in run.stdout.readline()
            run.send_signal(signal.SIGTERM)
            output, _ = run.communicate(timeout=60)
        finally:
            run.kill()
    assert run.returncode == 3
    assert json.loads(output.splitlines()[-1])["error"]["kind"] == "interrupted"
    assert not list(tmp_path.iterdir())
