"""How one rig's part ended, from what its launcher printed. Pure."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import msgspec

from provision import decode
from provision.together import Ended, Failure, Measured

if TYPE_CHECKING:
    from collections.abc import Iterable

    from provision.connection import Completed
    from provision.errors import DlrigError
    from provision.together import Member

_NOT_FOUND = {126, 127}
_ENDED = {
    "stopped": ("it was ended because another rig's part had failed", "stopped"),
    "disconnected": ("the connection to it was lost", "unreachable"),
    "limit": ("it did not end within its time limit", "no-time"),
}


class _Process(msgspec.Struct):
    exit_code: int | None
    result: dict[str, Any] | None = None
    stderr: str = ""
    ended: bool = False


class _Launched(msgspec.Struct):
    results: list[_Process]
    ended: str
    seconds: float = 0.0


class _Error(msgspec.Struct):
    what: str
    hint: str = ""
    kind: str = "failed"


def outcome(member: Member, completed: Completed | None, error: DlrigError | None) -> Ended:
    """What the rig's processes reported, or why they did not."""
    rig = member.name
    if error:
        failure = Failure(rig=rig, what=error.what, hint=error.hint, kind="unreachable")
        return Ended(rig=rig, failure=failure)
    if completed is None:
        what = "it did not end, although it was told to"
        hint = "See what hangs there: ps -eo pid,stat,wchan,args | grep dlrig-together"
        return Ended(rig=rig, failure=Failure(rig=rig, what=what, hint=hint, kind="hangs"))
    if completed.timed_out:
        return Ended(rig=rig, failure=_no_time(rig))
    if completed.exit_code in _NOT_FOUND:
        what = f"{member.python} does not start"
        return Ended(rig=rig, failure=Failure(rig=rig, what=what, kind="no-framework"))
    return _launched(rig, completed)


def cause(ended: Iterable[Ended]) -> Failure | None:
    """Of all failures the one that others follow from; None where none failed."""
    failures = [one.failure for one in ended if one.failure]
    return min(failures, key=lambda failure: failure.follows, default=None)


def _launched(rig: str, completed: Completed) -> Ended:
    lines = completed.stdout.decode(errors="replace").strip().splitlines()
    last = lines[-1] if lines else ""
    try:
        said = decode.json(last, dict[str, Any])
        if "error" in said:
            return Ended(rig=rig, failure=_told(rig, said["error"]))
        return _processes(rig, decode.plain(said, _Launched))
    except msgspec.MsgspecError:
        errors = completed.stderr.decode(errors="replace").strip().splitlines()
        reason = " ".join(errors[-1:]) or "it said nothing"
        what = f"its part ended with exit code {completed.exit_code}: {reason}"
        return Ended(rig=rig, failure=Failure(rig=rig, what=what))


def _processes(rig: str, launched: _Launched) -> Ended:
    measured, failures = [], []
    for process in launched.results:
        if process.result and "error" in process.result:
            failures.append(_told(rig, process.result["error"]))
        elif process.result:
            measured.append(decode.plain(process.result, Measured))
        else:
            failures.append(_silent(rig, process))
    if launched.ended == "" and not failures:
        return Ended(rig=rig, measured=tuple(measured))
    if launched.ended in _ENDED and all(failure.follows for failure in failures):
        what, kind = _ENDED[launched.ended]
        failures = [_no_time(rig) if kind == "no-time" else Failure(rig=rig, what=what, kind=kind)]
    if not failures:
        failures = [Failure(rig=rig, what="a process ended after it had reported")]
    first = min(failures, key=lambda failure: failure.follows)
    return Ended(rig=rig, measured=tuple(measured), failure=first)


def _told(rig: str, error: Any) -> Failure:  # noqa: ANN401 - from the rig
    said = decode.plain(error, _Error)
    return Failure(rig=rig, what=said.what, hint=said.hint, kind=said.kind)


def _silent(rig: str, process: _Process) -> Failure:
    """A process that left no word; those that the launcher ended are no cause."""
    code = process.exit_code
    if process.ended or code is None:
        return Failure(rig=rig, what="it was ended", kind="stopped")
    last = " ".join(process.stderr.strip().splitlines()[-1:])
    if code < 0:
        name = _signal_name(-code)
        hint = "journalctl -k on the rig says whether the kernel did it for want of memory."
        what = f"its process was killed by {name}{f' ({last})' if last else ''}"
        return Failure(rig=rig, what=what, hint=hint, kind="killed")
    what = f"its process ended with exit code {code}: {last or 'it said nothing'}"
    return Failure(rig=rig, what=what)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _no_time(rig: str) -> Failure:
    hint = "Give it more with --time-limit, or fewer --steps; or see whether its network hangs."
    what = "its part did not end within the time limit"
    return Failure(rig=rig, what=what, hint=hint, kind="no-time")
