"""TensorFlow's CIFAR-10 tutorial, as the reference rig ran it in 2017: how fast on the CPU, on one GPU, on all."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from checks.question import could_not_measure, question, warn_unless
from checks.training import evidence, figures, limit, steadiness
from checks.training.running import judged, told, train
from checks.training.scaling import Scaling
from provision import catalogue
from provision.results import Status

if TYPE_CHECKING:
    from checks.question import Measure
    from checks.rigs import Rig
    from checks.training.outcome import Outcome
    from checks.training.running import Run
    from provision.plan import EnvironmentPlan

START, TENTH, TOLERANCE = 4.68, 4.62, 0.1
SMOKE = "training/cifar10_smoke"


@question(
    "Does the CIFAR-10 tutorial train, and how fast?",
    expected=f"loss {START} ± {TOLERANCE} at step 0 and {TENTH} ± {TOLERANCE} at step 10, lower at the end; "
    "a throughput above 0",
    source="TensorFlow's tutorial (2017): the reference rig's log has 4.67 to 4.68 at step 0, 4.60 to 4.62 at step 10",
    remedy="See the log of this check; run it alone with: pytest checks/ -k cifar10 -s",
)
def test_cifar10_smoke(
    rig: Rig,
    environment: EnvironmentPlan,
    device: str,
    measure: Measure,
    pytestconfig: pytest.Config,
) -> None:
    """A short run of the original model, by the environment's framework: on the CPU, on one GPU, on all of them."""
    run = train(rig, environment, device, measure, pytestconfig)
    outcome = told(run)
    found = _found(run, outcome, figures.keep(run, outcome, measure).spread)
    measure.found(found)
    first, last = _ends(outcome)
    assert math.isfinite(first), f"the loss at step 0 is {first}; {found}"
    assert math.isfinite(last), f"the loss at the end is {last}; {found}"
    assert abs(first - START) <= TOLERANCE, f"the loss starts at {first:.2f}; {found}"
    tenth = outcome.losses.get("10", TENTH) if outcome.mode == "reference" else TENTH
    assert abs(tenth - TENTH) <= TOLERANCE, f"the loss at step 10 is {tenth:.2f}; {found}"
    assert last < first, f"the loss does not fall; {found}"
    assert outcome.examples_per_sec > 0, f"nothing was trained; {found}"
    busy = "; ".join(card.busy for card in run.cards if card.busy)
    if busy:
        could_not_measure(f"the GPU has other work: {busy}; {found}")


def _found(run: Run, outcome: Outcome, spread: float) -> str:
    first, last = _ends(outcome)
    where = {"cpu": "cpu", "gpu": "gpu"}.get(run.device, f"{outcome.devices} gpu")
    disturbed = f"; disturbed: {run.disturbed}" if run.disturbed else ""
    return (
        f"{outcome.examples_per_sec:,.1f} examples/s (±{spread:.0%}, {len(outcome.counted)} windows), "
        f"loss {first:.2f} → {last:.2f} in {outcome.steps} steps, {where}, {outcome.images}{disturbed}"
    )


def _ends(outcome: Outcome) -> tuple[float, float]:
    steps = sorted(outcome.losses, key=int)
    if steps[:1] != ["0"]:
        could_not_measure("the workload reports no loss at step 0")
    return outcome.losses[steps[0]], outcome.losses[steps[-1]]


@question(
    "Is training as fast at the end of the run as at its start?",
    expected="the last quarter of the windows is not slower than the first by more than 10% and more than they waver",
    source="the reference rig (2017) lost 39% over its run on two GPUs, which a short average would have hidden",
    remedy="Follow the cause that is named; then measure longer: dlrig bench RIG --steps 5000",
    severity=Status.WARN,
)
def test_cifar10_steady(
    rig: Rig,
    environment: EnvironmentPlan,
    device: str,
    measure: Measure,
    pytestconfig: pytest.Config,
) -> None:
    """The same run as that of cifar10_smoke, quarter against quarter; and what changed with it."""
    run = train(rig, environment, device, measure, pytestconfig)
    outcome = judged(run, SMOKE)
    seen = steadiness.fall(outcome)
    if seen is None:
        pytest.skip(
            f"{len(outcome.counted)} windows are too few to tell: --steps {STEPS_LEAST} or more"
        )
    words = f"{abs(seen.share):.0%} {'slower' if seen.share > 0 else 'faster'}"
    found = (
        f"{seen.before:,.1f} → {seen.after:,.1f} examples/s over {outcome.steps} steps: {words} at the end "
        f"(±{seen.noise:.0%} from window to window)"
    )
    measure.found(found)
    if seen.matters:
        why = steadiness.causes(run, outcome, seen)
        reason = "; ".join(why) or "nothing else that was measured changed as much"
        warn_unless(condition=False, message=f"{found}; {reason}")


STEPS_LEAST = 90


@question(
    "How much faster does it train on all GPUs than on one?",
    expected="faster than on one; the share of the work that does not divide is stated beside it",
    source="G. M. Amdahl (1967); the reference rig (2017): 1.64 times on two GPUs, 1.06 times at the end of its run",
    remedy="See training/cifar10_limit of the run on all GPUs; a model this small leaves many GPUs idle: use a larger "
    "batch, or one GPU per training run",
    severity=Status.WARN,
)
def test_cifar10_scaling(
    rig: Rig, environment: EnvironmentPlan, measure: Measure, pytestconfig: pytest.Config
) -> None:
    """Each GPU has a batch of its own, as in the tutorial; gradients are averaged after every step."""
    if environment.device != "gpu":
        pytest.skip("this environment is for the CPU")
    if len(rig.facts.gpus) < 2:  # noqa: PLR2004 - one against several
        pytest.skip("there are not several GPUs")
    runs = [train(rig, environment, device, measure, pytestconfig) for device in ("gpu", "all")]
    one, every = (judged(run, SMOKE) for run in runs)
    if every.devices < 2 or not one.examples_per_sec or not every.examples_per_sec:  # noqa: PLR2004 - as above
        pytest.skip(f"there is nothing to be judged: see {SMOKE}")
    scaling = Scaling(devices=every.devices, one=one.examples_per_sec, every=every.examples_per_sec)
    note = figures.note(runs[1], every)
    measure.figure("speed_up", "", [scaling.speed_up], note=note)
    measure.figure("scaling_efficiency", "", [scaling.efficiency], note=note)
    measure.figure("serial_share", "", [scaling.serial_share], note=note)
    disturbed = "; ".join(dict.fromkeys(run.disturbed for run in runs if run.disturbed))
    measure.found(f"{scaling}{f'; disturbed: {disturbed}' if disturbed else ''}")
    least = catalogue.criteria().limits.bound("speed_up")
    assert scaling.speed_up >= least, measure.message


@question(
    "What limits the training: what would have to be faster?",
    expected="an answer with its evidence; no answer is better or worse than another",
    source="parts of the step measured alone, held against the whole; NVML's clocks, reasons, use, heat, and traffic "
    "over PCI Express while it trained (thresholds: provision/catalog/limits.toml)",
    remedy="See training/cifar10_smoke for why nothing was measured",
)
def test_cifar10_limit(
    rig: Rig,
    environment: EnvironmentPlan,
    device: str,
    measure: Measure,
    pytestconfig: pytest.Config,
) -> None:
    """Input pipeline, host, transfer, kernel launch, computing, memory, communication, heat or power."""
    alone = train(rig, environment, "gpu", measure, pytestconfig) if device == "all" else None
    run = train(rig, environment, device, measure, pytestconfig)
    seen = evidence.gather(run, alone)
    if seen is None:
        could_not_measure(f"there is no training to explain: see {SMOKE}")
    limits = limit.ranked(seen)
    if not limits:
        could_not_measure("the workload measured no part of the step alone")
    disturbed = f"; disturbed: {run.disturbed}" if run.disturbed else ""
    measure.found(f"{limit.told(limits)}{disturbed}")
