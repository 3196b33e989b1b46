"""Waivers: findings that somebody knows of and accepts for a time, in a file outside the checks.

A waived warning or failure keeps its status and its message, and counts neither as a warning nor as a failure. What
could not be measured cannot be waived. A waiver whose time is over, or that nothing needs, is a warning itself.
"""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from provision import decode
from provision.errors import UsageError
from provision.results import Result, Status, Waived

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LONGEST = dt.timedelta(days=366)
"""From today to a waiver's last day: what nobody looks at for a year is forgotten. dlrig's own choice."""

EVERYWHERE = Path("/etc/dlrig/waivers.toml")
"""For everybody on a control machine, and for a rig that watches itself."""

_FINDINGS = {Status.FAIL, Status.WARN}
_TABLE = re.compile(r"^\s*\[\[\s*waiver\s*\]\]", re.MULTILINE)


class Waiver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of a file of waivers.

    Attributes:
        check: name of the check, e.g. ``hardware/cpu_governor``; ``*`` and ``?`` stand for any text, any character.
        reason: why it is accepted.
        until: the last day on which it is, UTC.
        rig: name of the rig, in the same form; all by default.
        place: file and line; set on reading.
    """

    check: str
    reason: str
    until: dt.date
    rig: str = "*"
    place: str = ""

    def is_about(self, result: Result) -> bool:
        """Whether it names this check on this rig."""
        return _fits(self.check, result.check) and _fits(self.rig, result.rig)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    waiver: tuple[Waiver, ...] = ()


def usual_files() -> tuple[Path, ...]:
    """Where dlrig looks where nobody names a file; those that are there."""
    import platformdirs  # noqa: PLC0415 - not needed where a file is named

    own = platformdirs.user_config_path("dlrig", appauthor=False) / "waivers.toml"
    return tuple(path for path in (EVERYWHERE, own) if path.is_file())


def read(path: Path, today: dt.date) -> tuple[Waiver, ...]:
    """The waivers in a file.

    Args:
        path: TOML: a table ``[[waiver]]`` for each.
        today: none may last longer than ``LONGEST`` from here.

    Raises:
        UsageError: the file cannot be read, or an entry is wrong; names the line, the entry and the key.
    """
    try:
        text = path.read_text()
        known = decode.toml(text, _File)
    except OSError as error:
        raise _wrong(str(path), f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _wrong(str(path), "is no text in UTF-8") from error
    except msgspec.DecodeError as error:
        raise _unreadable(path, text, str(error)) from error
    placed = [
        msgspec.structs.replace(waiver, place=_place(path, text, number))
        for number, waiver in enumerate(known.waiver)
    ]
    for waiver in placed:
        _examine(waiver, today)
    return tuple(placed)


def read_all(paths: Iterable[Path], today: dt.date) -> tuple[Waiver, ...]:
    """The waivers in several files.

    Raises:
        UsageError: see ``read``.
    """
    return tuple(waiver for path in paths for waiver in read(path, today))


def apply(result: Result, waivers: Iterable[Waiver], today: dt.date) -> Result:
    """The result, waived where a waiver says so: by the one that lasts longest."""
    fitting = [one for one in waivers if one.until >= today and one.is_about(result)]
    if result.status not in _FINDINGS or not fitting:
        return result
    best = max(fitting, key=lambda one: one.until)
    return msgspec.structs.replace(
        result, waived=Waived(until=best.until.isoformat(), reason=best.reason)
    )


def stale(
    waivers: Sequence[Waiver], results: Sequence[Result], today: dt.date, *, whole: bool
) -> tuple[Result, ...]:
    """A warning for each waiver, and each rig it names, that is over or that nothing needs.

    Args:
        waivers: all of them.
        results: of all rigs of this run.
        today: UTC.
        whole: every check was run, to its end: a waiver that names none of them is wrong.
    """
    rigs = dict.fromkeys(result.rig for result in results)
    return tuple(
        _warning(waiver, rig, why)
        for waiver in waivers
        if (why := _why_stale(waiver, results, today, whole=whole))
        for rig in rigs
        if _fits(waiver.rig, rig)
    )


def _why_stale(waiver: Waiver, results: Iterable[Result], today: dt.date, *, whole: bool) -> str:
    if waiver.until < today:
        return f"it ended on {waiver.until}"
    named = [result for result in results if waiver.is_about(result)]
    statuses = {result.status for result in named}
    if not named:
        return "there is no such check here" if whole else ""
    # Where something was not measured or did not apply, nobody knows whether it is needed.
    if statuses != {Status.PASS}:
        return ""
    return f"{', '.join(dict.fromkeys(result.check for result in named))} passed"


def _warning(waiver: Waiver, rig: str, why: str) -> Result:
    return Result(
        check=f"waivers/{waiver.check}",
        rig=rig,
        status=Status.WARN,
        question="Is the waiver still needed?",
        message=f"{why}; waived until {waiver.until} because: {waiver.reason}",
        expected="every waiver is within its time, and there is a finding that it waives",
        source="a waiver that nobody needs hides the next fault",
        remedy=f"Remove it, or give it another day: {waiver.place}",
    )


def _fits(pattern: str, name: str) -> bool:
    # Not fnmatch: brackets belong to the names, as in runtime/environment_imports[torch].
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch("".join(parts), name, re.DOTALL) is not None


def _examine(waiver: Waiver, today: dt.date) -> None:
    latest = today + LONGEST
    for key in ("check", "rig", "reason"):
        if not getattr(waiver, key).strip():
            raise _wrong(waiver.place, f"'{key}' is empty")
    if waiver.until > latest:
        raise _wrong(waiver.place, f"'until' is {waiver.until}: the latest possible is {latest}")


def _unreadable(path: Path, text: str, why: str) -> UsageError:
    """An entry of another form: msgspec says which one, counting from 0."""
    found = re.search(r" - at `\$(?:\.waiver\[(\d+)\])?\.?([^`]*)`$", why)
    if not found:
        return _wrong(str(path), f"is not TOML: {why}")
    place = _place(path, text, int(found[1])) if found[1] else str(path)
    key = f"'{found[2]}': " if found[2] else ""
    return _wrong(place, f"{key}{why[: found.start()]}")


def _place(path: Path, text: str, number: int) -> str:
    """The file and the line of an entry's head, as far as it has one of its own."""
    heads = [match.end() for match in _TABLE.finditer(text)]
    where = f", line {text.count(chr(10), 0, heads[number]) + 1}" if number < len(heads) else ""
    return f"{path}{where} (waiver {number + 1})"


def _wrong(where: str, what: str) -> UsageError:
    return UsageError(
        what,
        where=where,
        hint='An entry: [[waiver]], check = "hardware/cpu_governor", reason = "…", until = 2027-01-31; rig = "name" '
        "is possible.",
        reference="bad-waivers",
    )
