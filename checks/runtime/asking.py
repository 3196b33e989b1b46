"""Ask an environment once, and share the answer between the checks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from checks.question import could_not_measure
from provision import decode

if TYPE_CHECKING:
    from checks.rigs import Rig
    from provision.plan import EnvironmentPlan

PROGRAM = Path(__file__).parent / "probe.py"
FRAMEWORKS = {"tensorflow", "torch", "jax"}
"""Those that the program knows; a test compares."""

LIMIT = 180.0
"""Seconds; the first import on a slow disk compiles every module."""

_NOT_FOUND = {126, 127}


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A device as the framework sees it; ``right``: a small product ran there with the right result."""

    name: str
    kind: str
    ran_on: str = ""
    right: bool = False
    error: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What an environment said of itself; ``error`` is why its framework could not be used."""

    python: str = ""
    prefix: str = ""
    version: str = ""
    devices: tuple[Device, ...] = ()
    error: str = ""
    seconds: float = 0.0


def require_present(rig: Rig, environment: EnvironmentPlan) -> None:
    """Skip what has no environment to ask: one cause is one finding."""
    __tracebackhide__ = True
    present = rig.facts.environments.present.get(environment.name)
    if present is None or not present.runs:
        pytest.skip(f"{environment.path} cannot be used: see runtime/environment_present")


def ask(rig: Rig, environment: EnvironmentPlan) -> Answer:
    """What the environment says of itself."""
    require_present(rig, environment)
    if environment.framework not in FRAMEWORKS:
        could_not_measure(f"there is no probe for {environment.framework} yet")
    key = f"probe {environment.name}"
    if key not in rig.cache:
        rig.cache[key] = _ask(rig, environment)
    answer: Answer = rig.cache[key]
    return answer


def _ask(rig: Rig, environment: EnvironmentPlan) -> Answer:
    python = f"{environment.path}/bin/python"
    # -I: neither the user's PYTHON* variables nor a torch.py in the home directory count.
    done = rig.run(
        [python, "-I", "-", environment.framework], stdin=PROGRAM.read_bytes(), limit=LIMIT
    )
    if done.timed_out:
        return Answer(error=f"no answer within {LIMIT:g} s")
    if done.exit_code in _NOT_FOUND:
        return Answer(error=f"{python} does not start")
    lines = done.stdout.decode(errors="replace").strip().splitlines()
    try:
        answer = decode.json(lines[-1] if lines else "", Answer)
    except msgspec.MsgspecError:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        last = f": {said[-1][:300]}" if said else ""
        return Answer(error=f"Python ended with {_exit(done.exit_code)}{last}")
    return msgspec.structs.replace(answer, seconds=round(done.seconds, 2))


def _exit(code: int) -> str:
    # 128 + the signal's number; 4 is what a processor without the needed instructions ends in.
    signals = {132: "'Illegal instruction'", 134: "'Aborted'", 137: "'Killed'", 139: "'Segfault'"}
    return signals.get(code, f"exit code {code}")
