"""The workloads' rewrites compute what the plain form computes, in every framework from the same weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from comparing import digest, load
from cpu_environments import WORKLOADS

pytestmark = pytest.mark.box

PROGRAMS = {"tensorflow": "compare.py", "torch": "compare_torch.py"}


@pytest.fixture(scope="module", params=list(PROGRAMS))
def found(request: pytest.FixtureRequest) -> dict[str, Any]:
    python = request.getfixturevalue(f"{request.param}_python")
    program = Path(__file__).with_name(PROGRAMS[request.param])
    done = subprocess.run(
        [python, program, WORKLOADS / f"cifar10_{request.param}.py"],
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


def test_bfloat16_is_the_same_but_for_its_eight_bits(found: dict[str, Any]) -> None:
    # Rounding by 2^-9 at every operation, and sums in which much cancels: 0.14 in the worst of the gradients.
    assert found["forms"]["bfloat16_loss"] < 0.01
    assert 1e-4 < found["forms"]["bfloat16_gradients"] < 0.25


def test_a_batch_is_distorted_as_its_images_would_be_one_by_one(found: dict[str, Any]) -> None:
    assert found["distortion"] < 1e-5


def test_two_devices_step_by_the_mean_of_their_gradients(found: dict[str, Any]) -> None:
    assert found["towers"]["devices"] == 2
    assert found["towers"]["moved"] > 0
    assert found["towers"]["update"] < 1e-3
    assert found["towers"]["copies"] == 0


def test_training_starts_from_the_weights_that_all_frameworks_share(found: dict[str, Any]) -> None:
    workload = load(str(WORKLOADS / "cifar10_tensorflow.py"))
    del sys.modules["workload"]

    expected = digest(workload.initial_weights(5))

    assert found["started"] == {"weights": expected, "averages": expected}
    assert digest(workload.initial_weights(6)) != expected
