"""TensorFlow, PyTorch and JAX train the same model: the same weights and batches give the same losses."""

from __future__ import annotations

import itertools
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cpu_environments import WORKLOADS, made

pytestmark = pytest.mark.box

FRAMEWORKS = ("tensorflow", "torch", "jax")
FORMS = ("reference", "limit")
SERIES = [f"{framework} {form}" for framework in FRAMEWORKS for form in FORMS]
TOLERANCE = 2e-5
"""Of a loss near 4.7; the largest difference measured was 6e-6, after ten steps. Roundings differ by the order
of the sums, a step of the loss itself is 5e-7, and every update carries the differences of those before it on. With a
wrong alpha in the normalisation, by a factor of 9, losses differ by 1e-4 from the second step on."""


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, Any]]:
    program, results = Path(__file__).with_name("agree.py"), {}
    for series in SERIES:
        framework, form = series.split()
        workload = WORKLOADS / f"cifar10_{framework}.py"
        done = subprocess.run(
            [made(framework), program, framework, workload, form],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        results[series] = json.loads(done.stdout.splitlines()[-1])
    return results


def test_all_start_from_the_same_weights_and_batches(found: dict[str, dict[str, Any]]) -> None:
    assert len({each["start"] for each in found.values()}) == 1


@pytest.mark.parametrize("pair", list(itertools.combinations(SERIES, 2)), ids=" and ".join)
def test_losses_agree_step_by_step(pair: tuple[str, str], found: dict[str, dict[str, Any]]) -> None:
    one, two = (found[series]["losses"] for series in pair)

    assert len(one) == 10
    assert one == pytest.approx(two, abs=TOLERANCE)


@pytest.mark.parametrize("series", SERIES)
def test_the_losses_move_by_far_more_than_what_is_tolerated(
    series: str, found: dict[str, dict[str, Any]]
) -> None:
    start, *_, end = found[series]["losses"]

    assert start == pytest.approx(4.68, abs=0.03)
    assert start - end > 100 * TOLERANCE
