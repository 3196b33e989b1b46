"""The JAX workload: its rewrites, two devices, and a run as it is sent to a rig."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cpu_environments import WORKLOADS

pytestmark = pytest.mark.box

WORKLOAD = WORKLOADS / "cifar10_jax.py"
LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}: step \d+, loss = \d+\.\d\d "
    r"\(\d+\.\d examples/sec; \d+\.\d{3} sec/batch\) \[synthetic\]"
)


def send(python: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-", *arguments, "--data", "synthetic", "--json"],
        input=WORKLOAD.read_text(encoding="utf-8"),
        capture_output=True,
        text=True,
        timeout=240,
        cwd=folder,
        check=False,
    )


@pytest.fixture(scope="module")
def compared(jax_python: Path) -> dict[str, Any]:
    program = Path(__file__).with_name("compare_jax.py")
    done = subprocess.run(
        [jax_python, program, WORKLOAD],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env=os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"},
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_the_fast_form_has_loss_and_gradients_of_the_reference(compared: dict[str, Any]) -> None:
    forms = compared["forms"]

    assert forms["initial_loss"] == pytest.approx(4.68, abs=0.03)
    assert forms["loss"] < 5e-6
    assert forms["gradients"] < 1e-5
    assert 0 < forms["bfloat16"] < 0.02


def test_a_batch_is_distorted_as_its_images_would_be_one_by_one(compared: dict[str, Any]) -> None:
    assert compared["distortion"] < 1e-5


def test_two_devices_step_by_the_mean_of_their_gradients(compared: dict[str, Any]) -> None:
    towers = compared["towers"]

    assert towers["devices"] == 2
    assert towers["moved"] > 0
    assert towers["update"] < 1e-3
    assert towers["copies"] == 0


def test_steps_that_are_only_timed_move_no_weight(compared: dict[str, Any]) -> None:
    assert compared["at_rest"] == 0


@pytest.mark.parametrize("form", ["reference float32", "limit bfloat16"])
def test_a_run_measures_and_the_loss_falls(form: str, jax_python: Path, tmp_path: Path) -> None:
    mode, dtype = form.split()

    done = send(
        jax_python, tmp_path, "--steps", "40", "--mode", mode, "--dtype", dtype, "--evaluate"
    )

    assert (done.returncode, done.stderr) == (0, "")
    *lines, last = done.stdout.splitlines()
    result: dict[str, Any] = json.loads(last)
    assert len(lines) == 5
    assert all(LINE.fullmatch(line) for line in lines), lines
    assert result["losses"]["0"] == pytest.approx(4.68, abs=0.03)
    assert result["losses"]["10"] == pytest.approx(4.62, abs=0.1)
    assert result["loss_average"] < result["losses"]["10"]
    assert (result["framework"], result["mode"], result["dtype"]) == ("jax", mode, dtype)
    assert (result["steps"], result["data"]) == (40, "synthetic")
    assert len(result["windows"]) == len(result["window_ends"]) == 4
    assert result["accuracy_raw"] > 0.15
    measured = ("examples_per_sec", "compute_examples_per_sec", "input_examples_per_sec")
    fractions = ("memory_gbps", "fraction_of_matmul", "fraction_of_memory", "issue_seconds")
    assert all(result[name] > 0 for name in (*measured, *fractions)), result
    assert not list(tmp_path.iterdir())


def test_without_a_gpu_the_gpu_could_not_be_measured(jax_python: Path, tmp_path: Path) -> None:
    # JAX built for the CPU sees no GPU even where there is one.
    done = send(jax_python, tmp_path, "--device", "all")

    assert done.returncode == 3
    error = json.loads(done.stdout.splitlines()[-1])["error"]
    assert (error["kind"], error["what"]) == ("no-device", "JAX sees no GPU")


def test_where_jax_is_missing_the_result_says_so(torch_python: Path, tmp_path: Path) -> None:
    done = send(torch_python, tmp_path)

    assert done.returncode == 3
    assert json.loads(done.stdout.splitlines()[-1])["error"]["kind"] == "no-framework"


def test_a_run_that_is_ended_says_so_and_leaves_nothing(jax_python: Path, tmp_path: Path) -> None:
    command = [jax_python, WORKLOAD, "--steps", "100000", "--data", "synthetic", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        try:
            assert process.stdout is not None
            assert "step 0," in process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=60)
        finally:
            process.kill()

    assert process.returncode == 3
    assert json.loads(output.splitlines()[-1])["error"]["kind"] == "interrupted"
    assert not list(tmp_path.iterdir())
