"""The workload's rewrites compute what the plain form computes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.box


@pytest.fixture(scope="module")
def found(tensorflow_python: Path, workload_path: Path) -> dict[str, Any]:
    program = Path(__file__).with_name("compare.py")
    done = subprocess.run(
        [tensorflow_python, program, workload_path],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_the_initial_loss_is_ten_classes_by_chance_plus_the_weight_decay(
    found: dict[str, Any],
) -> None:
    assert found["forms"]["initial_loss"] == pytest.approx(4.68, abs=0.03)


def test_the_fast_form_has_the_gradients_of_the_reference(found: dict[str, Any]) -> None:
    assert found["forms"]["loss"] < 5e-6
    assert found["forms"]["gradients"] < 1e-5


def test_a_batch_is_distorted_as_its_images_would_be_one_by_one(found: dict[str, Any]) -> None:
    assert found["distortion"] < 1e-5


def test_two_devices_step_by_the_mean_of_their_gradients(found: dict[str, Any]) -> None:
    assert found["towers"]["devices"] == 2
    assert found["towers"]["moved"] > 0
    assert found["towers"]["update"] < 1e-3
    assert found["towers"]["copies"] == 0
