"""The phase programs compute the same in every framework, mode and number of devices."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cpu_environments import WORKLOADS, made

pytestmark = pytest.mark.box

FRAMEWORKS = ("tensorflow", "torch", "jax")
Found = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def found() -> Found:
    results = {}
    for framework in FRAMEWORKS:
        command = [
            made(framework),
            Path(__file__).with_name("compare_phase.py"),
            WORKLOADS / f"phase_{framework}.py",
        ]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
            env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        )
        assert done.returncode == 0, done.stderr
        results[framework] = json.loads(done.stdout.splitlines()[-1])
    return results


def test_images_and_weights_at_the_start_are_the_same_in_every_framework(found: Found) -> None:
    assert len({each["weights"] for each in found.values()}) == 1
    assert len({each["images"] for each in found.values()}) == 1


@pytest.mark.parametrize("mode", ["reference", "limit"])
def test_losses_agree_step_by_step_between_frameworks(found: Found, mode: str) -> None:
    # Adam's first steps go by the gradients' signs, so roundings grow with every step.
    for framework in FRAMEWORKS:
        assert found[framework][mode] == pytest.approx(found["tensorflow"]["reference"], rel=1e-3)
        assert found[framework][mode][0] == pytest.approx(
            found["tensorflow"]["reference"][0], rel=1e-6
        )


# Where two pixels are nearly equal, a rounding decides which of them a pool takes, and so where its gradient goes.
TOLERANCE = 1e-3


def test_gradients_agree_between_frameworks(found: Found) -> None:
    expected = pytest.approx(found["tensorflow"]["norms"], rel=TOLERANCE)
    for framework in FRAMEWORKS:
        assert found[framework]["norms"] == expected


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_fast_form_has_the_gradients_of_the_reference(found: Found, framework: str) -> None:
    assert found[framework]["gradients"] < TOLERANCE


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_device_prepares_a_batch_as_the_host_does(found: Found, framework: str) -> None:
    assert found[framework]["prepared"] < 1e-5


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_two_devices_step_by_the_mean_of_their_gradients(found: Found, framework: str) -> None:
    assert found[framework]["two"] < 1e-4


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_bfloat16_starts_near_float32(found: Found, framework: str) -> None:
    (loss,) = found[framework]["bfloat16"]
    assert loss == pytest.approx(found[framework]["limit"][0], rel=0.02)
    assert loss != found[framework]["limit"][0]
