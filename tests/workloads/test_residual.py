"""The residual program: its parts, training until an accuracy, and its throughput on a CPU."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cpu_environments import WORKLOADS, made

pytestmark = pytest.mark.box

PROGRAM = WORKLOADS / "residual_torch.py"
NO_GPU = os.environ | {"CUDA_VISIBLE_DEVICES": ""}


@pytest.fixture(scope="module")
def program() -> Any:  # noqa: ANN401 - a module that has no stub
    """The program's parts that need no PyTorch."""
    spec = importlib.util.spec_from_file_location("residual_program", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["residual_program"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    random, data = np.random.default_rng(0), tmp_path_factory.mktemp("data") / "images.npz"
    labels = np.arange(48) % 2
    noise = random.integers(0, 60, (48, 32, 32, 3))
    pixels = (noise + 180 * labels[:, None, None, None]).astype(np.uint8)
    np.savez(
        data,
        x_train=pixels[:32],
        y_train=labels[:32],
        x_test=pixels[32:],
        y_test=labels[32:],
    )
    compare = Path(__file__).with_name("compare_residual.py")
    done = subprocess.run(
        [made("torch"), compare, PROGRAM, data],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
        env=NO_GPU,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def send(python: Path | str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-", *arguments, "--json"],
        input=PROGRAM.read_text(encoding="utf-8"),
        capture_output=True,
        text=True,
        timeout=500,
        cwd=folder,
        check=False,
        env=NO_GPU,
    )


def test_training_ends_with_the_accuracy_asked_for(found: dict[str, Any]) -> None:
    result = found["until"]
    assert result["stopped_by"] == "accuracy"
    assert 0.9 <= result["accuracy"] <= 1
    assert result["accuracy"] == result["accuracies"][str(int(result["epochs"]))]
    assert 0 < result["seconds_to_accuracy"] < result["seconds"]
    assert result["steps"] < 12 * 4
    assert result["losses"][str(result["steps"])] < result["losses"]["0"]


def test_a_batch_is_cut_and_mirrored_as_its_images_would_be_one_by_one(
    found: dict[str, Any],
) -> None:
    assert found["cut"] < 1e-4


def test_two_devices_keep_the_same_weights(found: dict[str, Any]) -> None:
    assert found["towers"]["apart"] == 0
    assert found["towers"]["moved"] > 0


def test_bfloat16_starts_near_float32(found: dict[str, Any]) -> None:
    assert found["bfloat16"] == pytest.approx(found["float32"], rel=0.02)
    assert found["bfloat16"] != found["float32"]


def test_the_rate_rises_for_a_fifth_of_the_steps_and_ends_at_nothing(
    program: Any,  # noqa: ANN401 - as the fixture
) -> None:
    rates = [program.schedule(step, 100) for step in range(120)]
    assert max(rates) == rates[19] == 1
    assert rates[:20] == sorted(rates[:20])
    assert rates[19:] == sorted(rates[19:], reverse=True)
    assert rates[0] == pytest.approx(0.05)
    assert set(rates[100:]) == {0}


@pytest.mark.parametrize(
    ("capability", "form"), [((6, 1), "float32"), ((7, 5), "float16"), ((8, 0), "bfloat16")]
)
def test_the_form_of_numbers_goes_by_the_card(
    program: Any,  # noqa: ANN401 - as the fixture
    capability: tuple[int, int],
    form: str,
) -> None:
    torch = SimpleNamespace(cuda=SimpleNamespace(get_device_capability=lambda _: capability))
    assert program.half_precision(torch, program.Options()) == form
    assert program.half_precision(torch, program.Options(mode="reference")) == "float32"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."), "out-of-memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 12"), "out-of-memory"),
        (RuntimeError("RESOURCE_EXHAUSTED: while allocating 8 bytes"), "out-of-memory"),
        (RuntimeError("CUDA error: unspecified launch failure"), "device-lost"),
        (OSError(28, "No space left on device"), "disk-full"),
        (ValueError("anything else"), "failed"),
    ],
    ids=str,
)
def test_a_failure_is_told_by_its_kind(program: Any, error: Exception, kind: str) -> None:  # noqa: ANN401 - as the fixture
    failure = program.failure_of(error)
    assert (failure.kind, failure.code) == (kind, 3)
    assert failure.hint


def test_on_a_cpu_it_measures_throughput(tmp_path: Path) -> None:
    asked = ("--device", "cpu", "--data", "synthetic")

    done = send(made("torch"), tmp_path, *asked, "--batch", "2", "--window", "2", "--steps", "4")

    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["steps"], result["stopped_by"], result["unit"]) == (4, "steps", "examples/s")
    assert result["rate"] == pytest.approx(result["examples_per_sec"], abs=0.1)
    assert (result["accuracy"], result["seconds_to_accuracy"], result["target"]) == (None,) * 3
    assert result["mflop_per_example"] == pytest.approx(2268, abs=10)
    assert 0 < result["fraction_of_matmul"] < 1.5
    assert result["compute_examples_per_sec"] > 0
    assert result["input_examples_per_sec"] > result["examples_per_sec"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--device", "cpu"), "--steps"),
        (("--device", "cpu", "--steps", "20", "--dtype", "float16"), "float16 needs a GPU"),
        (("--mode", "reference", "--dtype", "bfloat16"), "--mode limit"),
        (("--accuracy", "94"), "between 0 and 1"),
        (("--steps", "5"), "2 windows or more"),
    ],
    ids=str,
)
def test_wrong_usage_is_said_before_anything_is_loaded(
    arguments: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    done = send(sys.executable, tmp_path, *arguments)

    assert done.returncode == 2
    error = json.loads(done.stdout.splitlines()[-1])["error"]
    assert error["kind"] == "usage"
    assert says in error["what"]


def test_without_a_gpu_the_gpu_could_not_be_measured(tmp_path: Path) -> None:
    done = send(made("torch"), tmp_path, "--data", "synthetic")

    assert done.returncode == 3
    assert json.loads(done.stdout.splitlines()[-1])["error"]["kind"] == "no-device"
