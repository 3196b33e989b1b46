"""Train on a rig, under the monitor, once per environment and device; several checks share what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
import pytest

from checks.options import steps_for
from checks.performance.loading import MARGIN, NOT_FOUND, WAIT, bundle, sick
from checks.performance.seen import Seen
from checks.question import could_not_measure
from checks.runtime.asking import require_present
from checks.training import images
from checks.training.outcome import Failure, Outcome, read
from provision import decode

if TYPE_CHECKING:
    from checks.performance.seen import Card
    from checks.question import Measure
    from checks.rigs import Rig
    from provision.connection import Completed
    from provision.plan import EnvironmentPlan

PROGRAMS = {
    "tensorflow": "cifar10_tensorflow.py",
    "torch": "cifar10_torch.py",
    "jax": "cifar10_jax.py",
}
"""Framework → its workload."""
LIMIT = 300
"""Seconds of training, start-up and a download included; the reference rig's CPU needs 60 for 120 steps."""

_WRONG = {"not-a-number", "device-lost"}
"""Kinds of failure that are the rig's own fault; the others say that nothing could be measured."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One training run.

    Attributes:
        device: ``cpu``, ``gpu`` (one of them) or ``all``.
        seen: what the monitor saw.
        result: what the workload printed last; None where that is no result.
        python: that of the environment.
        wait: seconds until the connection gave up; 0 where it did not.
    """

    device: str
    seen: Seen = Seen()
    result: Outcome | Failure | None = None
    python: str = ""
    wait: float = 0.0

    @property
    def outcome(self) -> Outcome | None:
        """The result of a run that measured, on cards that still answer."""
        return None if sick(self.seen) or not isinstance(self.result, Outcome) else self.result

    @property
    def cards(self) -> list[Card]:
        """The GPUs that it used: those with its own programs, and of them those that worked most.

        A framework may number them otherwise than the driver, and may touch those that it does not use.
        """
        if self.device == "cpu" or not isinstance(self.result, Outcome):
            return []
        most = sorted(self.seen.gpus, key=_foreign_and_idle)
        return sorted(most[: self.result.devices], key=lambda card: card.index)

    @property
    def disturbed(self) -> str:
        """Why the figures are not the rig's own; empty where they are."""
        said = self.result.disturbed if isinstance(self.result, Outcome) else ""
        busy = "; ".join(card.busy for card in self.cards if card.busy)
        return busy or said or self.seen.disturbed


def _foreign_and_idle(card: Card) -> tuple[bool, float, int]:
    """The cards that a run used come first."""
    foreign = not any(program.mine for program in card.programs or [])
    return foreign, -sum(percent or 0 for percent in card.series.utilisation_gpu), card.index


def train(
    rig: Rig, environment: EnvironmentPlan, device: str, measure: Measure, config: pytest.Config
) -> Run:
    """The run; it happens at the first call, and its log goes to that check.

    Args:
        rig: where.
        environment: by its Python.
        device: ``cpu``, ``gpu`` or ``all``.
        measure: takes the log's lines as they come.
        config: has ``--steps``, ``--data``, ``--mode`` and ``--dtype``.
    """
    require_present(rig, environment)
    key = f"training {environment.name} {device}"
    if key not in rig.cache:
        steps = steps_for(config, device)
        with images.on_rig(rig, *images.option(config)) as data:
            options = ["--steps", str(steps), "--data", data, "--device", device]
            for name in ("--mode", "--dtype"):
                options += [name, config.getoption(name)]
            rig.cache[key] = _run(rig, environment, device, options, measure)
    run: Run = rig.cache[key]
    return run


def _run(
    rig: Rig, environment: EnvironmentPlan, device: str, options: list[str], measure: Measure
) -> Run:
    python = f"{environment.path}/bin/python"
    options = [*options, "--json", "--time-limit", str(LIMIT)]
    limit = WAIT + LIMIT + 2 * MARGIN

    def told(line: str) -> None:
        if line.strip() and not line.startswith("{"):
            measure.log([line])

    done = rig.run(
        [python, "-I", "-"],
        stdin=bundle(PROGRAMS[environment.framework], options, LIMIT + MARGIN, live=True),
        limit=limit,
        on_line=told,
    )
    if done.timed_out:
        return Run(device=device, seen=Seen(timed_out=True), python=python, wait=limit)
    seen, result = _read(done)
    return Run(device=device, seen=seen, result=result, python=python)


def _read(done: Completed) -> tuple[Seen, Outcome | Failure | None]:
    """The monitor's line is the last, the workload's the one before; a measurement beside leaves one line alone."""
    lines = [line for line in done.stdout.decode(errors="replace").splitlines() if line.strip()]
    seen = Seen(exit_code=done.exit_code)
    if lines and (monitored := _seen(lines[-1])):
        seen = monitored
        lines.pop()
    seen = msgspec.structs.replace(seen, stderr=done.stderr.decode(errors="replace"))
    return seen, read(lines[-1]) if lines else None


def _seen(line: str) -> Seen | None:
    try:
        found: dict[str, Any] = decode.json(line, dict[str, Any])
        return decode.plain(found, Seen) if "nvml" in found else None
    except msgspec.MsgspecError:
        return None


def told(run: Run) -> Outcome:
    """The result; ends the check that is there to say why there is none."""
    __tracebackhide__ = True
    dead = sick(run.seen)
    assert not dead, "; ".join(dead)
    if isinstance(run.result, Failure):
        said = f"{run.result.what}\n{run.result.hint}".strip()
        assert run.result.kind not in _WRONG, said
        could_not_measure(said)
    if run.result is None:
        _explain(run)
    return run.result


def judged(run: Run, check: str) -> Outcome:
    """The result, for a check that only goes on from it; it skips where another one says why there is none."""
    __tracebackhide__ = True
    if run.outcome is None:
        pytest.skip(f"there is nothing to be judged: see {check}")
    return run.outcome


def _explain(run: Run) -> NoReturn:
    __tracebackhide__ = True
    if run.wait:
        could_not_measure(f"training did not end within {run.wait:g} s")
    hangs = run.seen.timed_out and run.device != "cpu"
    assert not hangs, "training does not end: a GPU hangs, or is far too slow"
    if run.seen.timed_out:
        could_not_measure(f"training did not end within {LIMIT + MARGIN:g} s")
    if run.seen.exit_code in NOT_FOUND:
        could_not_measure(f"{run.python} does not start: see runtime/environment_present")
    errors = " ".join(run.seen.stderr.strip().splitlines()[-1:])
    could_not_measure(f"training ended with {_end(run.seen)}: {errors}")


def _end(seen: Seen) -> str:
    if seen.stopped_by:
        return seen.stopped_by
    killed = seen.exit_code == 137  # noqa: PLR2004 - 128 + SIGKILL
    return (
        "SIGKILL (out of memory? see the kernel's log)" if killed else f"exit code {seen.exit_code}"
    )
