"""TensorFlow's CIFAR-10 tutorial, as the reference rig ran it in 2017."""

from __future__ import annotations

import inspect
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from checks.performance import launch
from checks.performance.loading import WAIT
from checks.question import could_not_measure, question
from checks.runtime.asking import require_present
from checks.training import images
from provision import decode

if TYPE_CHECKING:
    from checks.question import Measure
    from checks.rigs import Rig
    from provision.plan import EnvironmentPlan
    from provision.results import Figure

PROGRAM = Path(__file__).parent.parent / "workloads" / "cifar10_tensorflow.py"
LIMIT = 300
"""Seconds of training, start-up and a download included; the reference rig's CPU needs 60 for 120 steps."""

START, TOLERANCE = 4.68, 0.1
STEADY = 1.25
"""Ratio of the matrix product's rates before and after, above which other work or heat had its part."""

_NOT_FOUND = {126, 127}


class Outcome(msgspec.Struct, kw_only=True):
    """The fields of the workload's result that are used here; see checks/workloads/README.md."""

    examples_per_sec: float
    windows: list[float]
    losses: dict[str, float]
    steps: int
    data: str
    device_name: str
    devices: int
    mode: str
    batch: int
    version: str
    dtype: str
    matmul_gflops_before: float
    matmul_gflops_after: float
    fraction_of_matmul: float
    first_step_seconds: float
    startup_seconds: float
    window_steps: int = 10
    data_note: str = ""
    stopped_by: str = "steps"

    @property
    def images(self) -> str:
        """For every message and figure: what it trained on."""
        return f"{self.data} images"

    @property
    def unsteady(self) -> str:
        """A remark where the machine itself changed its pace; empty where it did not."""
        before, after = self.matmul_gflops_before, self.matmul_gflops_after
        if min(before, after) * STEADY >= max(before, after):
            return ""
        return f"; the machine was not steady: matrix product {before:.0f} → {after:.0f} GFLOP/s"


class Failure(msgspec.Struct):
    """Why the workload could not measure."""

    what: str
    hint: str = ""


# Under `pytest -n` a load of another check may run on the same rig: one after the other, or both measure the other.
_ALONE = f"""
import json, socket, sys, time
LOCK = {launch.LOCK!r}
{inspect.getsource(launch.alone)}
{inspect.getsource(launch.refused)}
lock = alone({WAIT})
if lock is None:
    print(refused({WAIT}))
    sys.exit(3)
exec(compile(sys.stdin.buffer.read(), "cifar10_tensorflow.py", "exec"))
"""


@question(
    "Does the CIFAR-10 tutorial train, and how fast?",
    expected=f"loss {START} ± {TOLERANCE} at step 0, lower at the end; a throughput above 0",
    source="TensorFlow's tutorial (2017): the reference rig's log starts with 4.67 to 4.68",
    remedy="See the log of this check; run it alone with: pytest checks/ -k cifar10 -s",
)
def test_cifar10_smoke(
    rig: Rig, environment: EnvironmentPlan, measure: Measure, pytestconfig: pytest.Config
) -> None:
    """A short run of the original model, in the environment, on the device that it is for."""
    if environment.framework != "tensorflow":
        pytest.skip(f"this is TensorFlow's, and the environment is {environment.framework}'s")
    require_present(rig, environment)
    steps: int = pytestconfig.getoption("--steps")
    with images.on_rig(rig, *images.option(pytestconfig)) as data:
        outcome = _train(rig, environment, measure, ["--steps", str(steps), "--data", data])
    speed = _keep(outcome, environment, measure)
    first, last = _ends(outcome)
    found = (
        f"{outcome.examples_per_sec:,.1f} examples/s (±{speed.spread:.0%}, {len(speed.samples)} windows), "
        f"loss {first:.2f} → {last:.2f} in {outcome.steps} steps, {environment.device}, {outcome.images}"
        f"{outcome.unsteady}"
    )
    measure.found(found)
    assert math.isfinite(first), f"the loss at step 0 is {first}; {found}"
    assert math.isfinite(last), f"the loss at the end is {last}; {found}"
    assert abs(first - START) <= TOLERANCE, f"the loss starts at {first:.2f}; {found}"
    assert last < first, f"the loss does not fall; {found}"
    assert outcome.examples_per_sec > 0, f"nothing was trained; {found}"


def _train(rig: Rig, environment: EnvironmentPlan, measure: Measure, options: list[str]) -> Outcome:
    argv = [f"{environment.path}/bin/python", "-I", "-c", _ALONE, *options]
    argv += ["--device", environment.device, "--json", "--time-limit", str(LIMIT)]
    done = rig.run(
        argv,
        stdin=PROGRAM.read_bytes(),
        limit=WAIT + LIMIT + 60.0,
        on_line=lambda line: None if line.startswith("{") else measure.log([line]),
    )
    if done.timed_out:
        could_not_measure(f"training did not end within {WAIT + LIMIT + 60:g} s")
    if done.exit_code in _NOT_FOUND:
        could_not_measure(f"{argv[0]} does not start: see runtime/environment_present")
    lines = done.stdout.decode(errors="replace").strip().splitlines()
    said = _decode(lines[-1] if lines else "")
    if said is None:
        errors = done.stderr.decode(errors="replace").strip().splitlines()
        could_not_measure(
            f"training ended with exit code {done.exit_code}: {' '.join(errors[-1:])}"
        )
    if isinstance(said, Failure):
        assert not said.what.startswith("The loss"), f"{said.what}\n{said.hint}"
        could_not_measure(f"{said.what}\n{said.hint}".strip())
    return said


def _decode(line: str) -> Outcome | Failure | None:
    try:
        found: dict[str, Any] = decode.json(line, dict[str, Any])
        if "error" in found:
            return decode.plain(found["error"], Failure)
        return decode.plain(found, Outcome)
    except msgspec.MsgspecError:
        return None


def _ends(outcome: Outcome) -> tuple[float, float]:
    steps = sorted(outcome.losses, key=int)
    if steps[:1] != ["0"]:
        could_not_measure("the workload reports no loss at step 0")
    return outcome.losses[steps[0]], outcome.losses[steps[-1]]


def _keep(outcome: Outcome, environment: EnvironmentPlan, measure: Measure) -> Figure:
    """The figures, each with what must be known before it is compared; returns the throughput."""
    note = ", ".join(
        (
            outcome.images,
            f"{outcome.devices} {environment.device} ({outcome.device_name})",
            f"{outcome.mode} mode, {outcome.dtype}, batch {outcome.batch}",
            f"tensorflow {outcome.version}",
        )
    )
    losses = sorted(outcome.losses.items(), key=lambda pair: int(pair[0]))
    at = [(place + 1) * outcome.window_steps for place in range(len(outcome.windows))]
    # The first window still warms up.
    speed = measure.figure(
        "throughput", "examples/s", outcome.windows[1:], at=at[1:], at_unit="step", note=note
    )
    measure.figure(
        "loss",
        "",
        [loss for _, loss in losses],
        at=[int(step) for step, _ in losses],
        at_unit="step",
        note=note,
    )
    rates = (outcome.matmul_gflops_before, outcome.matmul_gflops_after)
    measure.figure("matrix_product", "GFLOP/s", rates, note=f"before and after training; {note}")
    measure.figure("fraction_of_matrix_product", "", [outcome.fraction_of_matmul], note=note)
    measure.figure("startup", "s", [outcome.startup_seconds], note=note)
    measure.figure("first_step", "s", [outcome.first_step_seconds], note=note)
    return speed
