"""The figures of a training run, each with what must be known before it is compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from checks.question import Measure
from checks.training.series import thinned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checks.training.outcome import Outcome
    from checks.training.running import Run
    from provision.results import Figure


def note(run: Run, outcome: Outcome) -> str:
    """Images, device, form, framework; and that the machine was disturbed, where it was."""
    kind = "cpu" if run.device == "cpu" else "gpu"
    parts = [
        outcome.images,
        f"{outcome.devices} {kind} ({outcome.device_name})",
        f"{outcome.mode} mode, {outcome.dtype}, batch {outcome.batch}",
        f"{outcome.framework} {outcome.version}",
    ]
    parts += [f"disturbed: {run.disturbed}"] if run.disturbed else []
    return ", ".join(parts)


def keep(run: Run, outcome: Outcome, measure: Measure) -> Figure:
    """All of them; returns the throughput."""
    told = note(run, outcome)
    ends = [(place + 1) * outcome.window_steps for place in range(len(outcome.windows))]
    at, windows = thinned(ends[1:], outcome.counted)
    speed = measure.figure("throughput", "examples/s", windows, at=at, at_unit="step", note=told)
    steps = sorted(map(int, outcome.losses))
    at, losses = thinned(steps, [outcome.losses[str(step)] for step in steps])
    measure.figure("loss", "", losses, at=at, at_unit="step", note=told)
    rates = (outcome.matmul_gflops_before, outcome.matmul_gflops_after)
    measure.figure("matrix_product", "GFLOP/s", rates, note=f"before and after training; {told}")
    measure.figure("fraction_of_matrix_product", "", [outcome.fraction_of_matmul], note=told)
    if outcome.memory_gbps:
        measure.figure("memory", "GB/s", [outcome.memory_gbps], note=told)
    if outcome.fraction_of_memory:
        measure.figure("fraction_of_memory", "", [outcome.fraction_of_memory], note=told)
    measure.figure("startup", "s", [outcome.startup_seconds], note=told)
    measure.figure("first_step", "s", [outcome.first_step_seconds], note=told)
    _keep_courses(run, told, measure)
    return speed


def _keep_courses(run: Run, told: str, measure: Measure) -> None:
    """What the monitor saw, in seconds since the start of the command; what it did not see is no figure."""
    cpu = run.seen.cpu.series
    courses = Measure()
    busy = _course(cpu.get("t", []), cpu.get("utilisation", []))
    courses.figure("cpu_utilisation", "", **busy, at_unit="s", note=told)
    for card in run.cards:
        number, seen, about = card.index, card.series, f"GPU {card.index}; {told}"
        work, heat = _course(seen.t, seen.utilisation_gpu), _course(seen.t, seen.temperature)
        power, clock = _course(seen.t, seen.power), _course(seen.t, seen.clock_sm)
        courses.figure(f"gpu{number}_utilisation", "%", **work, at_unit="s", note=about)
        courses.figure(f"gpu{number}_temperature", "°C", **heat, at_unit="s", note=about)
        courses.figure(f"gpu{number}_power", "W", **power, at_unit="s", note=about)
        courses.figure(f"gpu{number}_clock", "MHz", **clock, at_unit="s", note=about)
    measure.figures += [figure for figure in courses.figures if figure.samples]


class _Course(TypedDict):
    at: list[float]
    samples: list[float]


def _course(times: Sequence[float], values: Sequence[float | None]) -> _Course:
    at, kept = thinned(times, values)
    return _Course(at=at, samples=kept)
