"""Run a program of checks/workloads on a rig, under the monitor, once; several checks share what was seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
import pytest

from checks.performance.seen import Card, Seen
from checks.question import could_not_measure
from provision import decode

if TYPE_CHECKING:
    from checks.rigs import Rig
    from provision.plan import EnvironmentPlan

_HERE = Path(__file__).parent
_PROGRAMS = _HERE.parent / "workloads"
SHARED = ("monitor.py", "nvml.py", "program.py", "devices.py", "cuda.py", "host_transfer.py")
"""Sent with every program: what programs import of each other."""

INTERVAL = 0.1
_START = 60.0
"""Seconds for the start: importing a framework from a slow disk."""
WAIT = 300.0
"""Seconds to wait for another measurement on the same rig."""
MARGIN = 45.0
"""Seconds that monitor and connection have beyond the program's own limit: a sick card's first and last look."""
NOT_FOUND = {126, 127}
_UNFINISHED = "not done within"

PREFERENCE = ("torch", "jax", "tensorflow")
"""Of frameworks: those first that add least to what the hardware takes."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """A program to run.

    Attributes:
        program: its file.
        device: ``gpu`` (all of them) or ``cpu``.
        arguments: beyond ``--device``.
        each: seconds at most per GPU; once for the CPU.
        framework: it needs one.
        check: the check that tells where it failed; others skip.
    """

    program: str
    device: str = "gpu"
    arguments: tuple[str, ...] = ()
    each: float = 60.0
    framework: bool = True
    check: str


def seen(rig: Rig, load: Load, *, tells: bool, environment: EnvironmentPlan | None = None) -> Seen:
    """What was seen; the program runs at the first call.

    Args:
        rig: where it runs.
        load: what runs.
        tells: the check is the one that says why nothing was measured; another one skips.
        environment: the one to run it in, instead of the first that fits.
    """
    __tracebackhide__ = True
    key = f"load {load.program} {load.device} {environment.name if environment else ''}"
    if key not in rig.cache:
        rig.cache[key] = _run(rig, load, environment or _environment(rig, load))
    found: Seen = rig.cache[key]
    if not tells and (not _whole(found) or any(card.busy for card in found.gpus)):
        pytest.skip(f"there is nothing to be judged: see {load.check}")
    _judge(load, found)
    return found


def _environment(rig: Rig, load: Load) -> EnvironmentPlan:
    """The first that fits: the rig is loaded once, not once per environment."""
    present = rig.facts.environments.present
    usable = [one for one in rig.environments if one.name in present and present[one.name].runs]
    if load.framework:
        usable = [one for one in usable if one.framework in PREFERENCE]
    if load.device == "gpu":
        usable = [one for one in usable if one.device == "gpu" or not load.framework]
    else:
        usable.sort(key=lambda one: one.device != "cpu")
    usable.sort(key=lambda one: _place(one.framework) if load.device == "gpu" else 0)
    if not usable:
        what = "for the GPUs" if load.device == "gpu" and load.framework else "to measure with"
        pytest.skip(f"there is no environment {what}: see runtime/environment_present")
    return usable[0]


def _place(framework: str) -> int:
    return PREFERENCE.index(framework) if framework in PREFERENCE else len(PREFERENCE)


def _run(rig: Rig, load: Load, environment: EnvironmentPlan) -> Seen:
    count = max(1, len(rig.facts.gpus)) if load.device == "gpu" else 1
    limit = _START + load.each * count
    arguments = ["--device", load.device, "--json", "--time-limit", f"{limit:g}", *load.arguments]
    if load.framework:
        arguments += ["--framework", environment.framework]
    done = rig.run(
        [f"{environment.path}/bin/python", "-I", "-"],
        stdin=bundle(load.program, arguments, limit),
        limit=WAIT + limit + 2 * MARGIN,
    )
    if done.timed_out:
        return Seen(timed_out=True, limit=limit)
    if done.exit_code in NOT_FOUND and not done.stdout.startswith(b"{"):
        return Seen(
            exit_code=done.exit_code, stderr=f"{environment.path}/bin/python does not start"
        )
    lines = done.stdout.decode(errors="replace").strip().splitlines()
    try:
        whole = decode.json(lines[-1] if lines else "", dict[str, Any])
        if "error" in whole:
            return Seen(exit_code=done.exit_code, result=whole)
        found = decode.plain(whole, Seen)
    except msgspec.MsgspecError:
        return Seen(exit_code=done.exit_code, stderr=done.stderr.decode(errors="replace"))
    return msgspec.structs.replace(found, result=_last(found.stdout), limit=limit)


def bundle(program: str, arguments: list[str], limit: float, *, live: bool = False) -> bytes:
    """One program for standard input: nothing has to be copied first, and nothing stays.

    Args:
        program: of ``checks/workloads``.
        arguments: its own.
        limit: seconds that it may take.
        live: what it prints comes as it is printed; else it is in the monitor's object.
    """
    names = dict.fromkeys((*SHARED, program))
    sent = {
        "files": {name: (_PROGRAMS / name).read_text(encoding="utf-8") for name in names},
        "program": program,
        "arguments": arguments,
        "limit": limit + MARGIN / 3,
        "interval": INTERVAL,
        "live": live,
        "wait": WAIT,
    }
    launch = (_HERE / "launch.py").read_text(encoding="utf-8")
    # A future statement must stay the first one.
    first, statement, rest = launch.partition("from __future__ import annotations\n")
    line = f"import json as _json; SENT = _json.loads({msgspec.json.encode(sent).decode()!r})\n"
    return f"{first}{statement}{line}{rest}".encode()


def _last(stdout: str) -> dict[str, Any]:
    lines = stdout.strip().splitlines()
    try:
        return decode.json(lines[-1] if lines else "", dict[str, Any])
    except msgspec.MsgspecError:
        return {}


def _whole(found: Seen) -> bool:
    return bool(found.result) and "error" not in found.result and not any(sick(found))


def sick(found: Seen) -> list[str]:
    """Cards that stopped answering under load."""
    lost = [
        f"{card.title}: {card.trouble}" for card in found.gpus if "lost" in card.trouble.lower()
    ]
    mute = [f"{card.title} does not answer any more" for card in found.gpus if not card.answers]
    return [*lost, *mute]


def _judge(load: Load, found: Seen) -> None:
    """End the check where there is nothing to be judged."""
    __tracebackhide__ = True
    dead = sick(found)
    assert not dead, "; ".join(dead)
    error = found.result.get("error")
    hung = found.timed_out or str((error or {}).get("what", "")).startswith(_UNFINISHED)
    assert not hung, (
        f"{load.program} did not end within {found.limit:g} s: a device hangs, or is far too slow"
    )
    if load.device == "gpu":
        _require_free(found.gpus)
    if error:
        could_not_measure(f"{load.program}: {error.get('what')}\n{error.get('hint', '')}".strip())
    if not found.result:
        _could_not(load, found)


def _require_free(cards: list[Card]) -> None:
    __tracebackhide__ = True
    busy = [card.busy for card in cards if card.busy]
    if busy:
        could_not_measure("; ".join(busy))
    split = [card.title for card in cards if card.mig]
    if split:
        pytest.skip(
            f"{', '.join(split)} is split into instances (MIG): figures of a part compare with nothing"
        )


def _could_not(load: Load, found: Seen) -> NoReturn:
    __tracebackhide__ = True
    said = found.stderr.strip().splitlines()
    last = f": {said[-1][:300]}" if said else ""
    code = found.stopped_by or f"exit code {found.exit_code}"
    could_not_measure(f"{load.program} ended with {code}{last}")
