"""Whether the rig watches itself, and what it and dlrig noted on it: kernel, driver, the last verdicts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from provision import decode
from provision.facts.reading import Reading
from provision.layout import STATE

if TYPE_CHECKING:
    from provision.facts.reading import Transcript

SCRIPT = "/usr/local/sbin/dlrig-watch"
READING = Reading(name="watch", command=f"[ ! -x {SCRIPT} ] || {SCRIPT} show", limit=10.0)
READINGS = (READING,)

# See the script: at the boot that follows, whoever restarted the rig checks it.
MARK = f"[ ! -x {SCRIPT} ] || touch {STATE}/restarted-by-dlrig"
"""Shell for the rig, before dlrig restarts it; never fails."""

_Form = TypeVar("_Form")


class Now(msgspec.Struct, frozen=True, kw_only=True):
    """What a rig is watched for.

    Attributes:
        kernel: release, as ``uname -r`` says.
        loaded: version of NVIDIA's kernel module; empty for none.
        installed: version of the driver's libraries; empty for none, several where they are mixed.
    """

    kernel: str = ""
    loaded: str = ""
    installed: str = ""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """An acceptance as it is noted on the rig; a shell reads it too, so each field has a line of its own.

    Attributes:
        kernel: as in ``Now``; these three stand first and in this order, and are compared as text.
        loaded: as in ``Now``.
        installed: as in ``Now``.
        verdict: see ``provision.results.Verdict``.
        acceptance: its id, in the history of whoever ran it; empty where none could be run.
        state: ``provision.plan.state_digest`` at that time.
        started: UTC, ISO 8601.
        how: ``boot`` by the rig itself, ``check`` by whoever ran dlrig.
        scope: ``all``, or the markers of the checks that ran.
        tool: dlrig's version.
        summary: for people, in one line.
        login: the line of the login message; empty where there is nothing to know.
        line: the line for monitoring.
        exit_code: the same as a number: 0 OK, 1 warning, 2 critical, 3 unknown.
    """

    kernel: str
    loaded: str
    installed: str
    verdict: str
    acceptance: str = ""
    state: str = ""
    started: str
    how: str
    scope: str = "all"
    tool: str = ""
    summary: str
    login: str = ""
    line: str
    exit_code: int

    @property
    def now(self) -> Now:
        """What the rig was."""
        return Now(kernel=self.kernel, loaded=self.loaded, installed=self.installed)


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """How the rig watches itself.

    Attributes:
        installed: the role ``watch`` was there.
        enabled: its unit runs at boot.
        tool: version of the dlrig on the rig; empty where it is missing or does not start.
        wishes: what the rig holds itself against: those that differ from the defaults.
        now: the rig as it is.
        accepted: the last acceptance that accepted it; None for none, or where a later one took it back.
        verdict: the last one, whatever it said; None for none.
    """

    installed: bool = False
    enabled: bool = False
    tool: str = ""
    wishes: dict[str, Any] = {}
    now: Now = Now()
    accepted: Note | None = None
    verdict: Note | None = None

    @property
    def unchanged(self) -> Note | None:
        """The note that describes the rig as it is now; None where it has changed since, or was never checked."""
        notes = (self.verdict, self.accepted)
        return next((note for note in notes if note and note.now == self.now), None)


class _Tool(msgspec.Struct):
    version: str = ""


class _Settings(msgspec.Struct):
    wishes: dict[str, Any] = {}


def parse(transcript: Transcript) -> Watch:
    """Make sense of the reading; whatever cannot be read counts as missing."""
    return read(transcript["watch"].out)


def read(text: str) -> Watch:
    """What ``dlrig-watch show`` printed."""
    parts = re.split(r"^== (\w+)\n", text, flags=re.MULTILINE)[1:]
    found = dict(zip(parts[::2], parts[1::2], strict=False))
    if "now" not in found:
        return Watch()
    lines = (line.partition(" ") for line in found["now"].splitlines())
    now = {key: value.strip() for key, _, value in lines if key in Now.__struct_fields__}
    tool = _json(found.get("tool", ""), _Tool)
    settings = _json(found.get("watch", ""), _Settings)
    return Watch(
        installed=True,
        enabled=found.get("enabled", "").strip() == "enabled",
        tool=tool.version if tool else "",
        wishes=settings.wishes if settings else {},
        now=Now(**now),
        accepted=_json(found.get("accepted", ""), Note),
        verdict=_json(found.get("verdict", ""), Note),
    )


def _json(text: str, form: type[_Form]) -> _Form | None:
    try:
        return decode.json(text, form)
    except msgspec.MsgspecError:
        return None
