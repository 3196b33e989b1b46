"""A reading: one command or file of a rig, with its own time limit; and what came of it."""

from __future__ import annotations

import msgspec

from provision import decode


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """Something to ask a rig.

    Attributes:
        name: unique; letters, digits and ``_``.
        command: POSIX shell, run with ``LC_ALL=C`` and no standard input. It changes nothing on the rig.
            It must not print secrets: what may hold a URL goes through ``$SCRUB``.
        limit: seconds after which it is ended and counts as hung.
    """

    name: str
    command: str
    limit: float = 5.0


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a reading.

    Attributes:
        exit_code: the command's; None where it hung and could not be ended.
        out: standard output.
        err: standard error.
        hung: its time limit ended it.
    """

    exit_code: int | None
    out: str
    err: str = ""
    hung: bool = False

    @property
    def ok(self) -> bool:
        """The command ended by itself, with success."""
        return self.exit_code == 0 and not self.hung

    @property
    def trouble(self) -> str:
        """Why there is nothing to read, in a few words; empty where it went well."""
        if self.hung:
            return "hung: no answer within its time limit"
        if self.exit_code == 0:
            return ""
        reason = (self.err or self.out).strip().splitlines()
        return f"exit {self.exit_code}" + (f": {reason[-1][:200]}" if reason else "")


MISSING = Outcome(exit_code=None, out="", err="not read")


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """All raw readings of one rig at one time. Parsing it gives ``Facts``, on any machine, at any time.

    Attributes:
        target: the rig's name as the user wrote it.
        taken: UTC, ISO 8601.
        outcomes: by the reading's name.
        login: the user who connected.
        privilege: how the script became root: ``root``, ``sudo``, ``password`` or ``none``.
    """

    target: str
    taken: str
    outcomes: dict[str, Outcome]
    login: str = ""
    privilege: str = "none"

    def __getitem__(self, name: str) -> Outcome:
        """The outcome of a reading; one that says 'not read' where an older transcript lacks it."""
        return self.outcomes.get(name, MISSING)

    def lines(self, name: str) -> list[str]:
        """The lines of a reading's output, whatever its exit code."""
        return self[name].out.splitlines()

    def text(self, name: str) -> str:
        """A reading's output without surrounding blanks; empty where it failed."""
        return self[name].out.strip() if self[name].ok else ""


def as_text(raw: bytes) -> str:
    """Bytes from a rig as text; what is not UTF-8 stays visible as escapes and breaks nothing."""
    return raw.decode("utf-8", errors="backslashreplace").replace("\x00", "\\x00")


def sections(text: str) -> dict[str, str]:
    """Split ``key=value`` lines; the first of a key wins, lines of another form are passed over."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            found.setdefault(key.strip(), value.strip().strip('"'))
    return found


def whole(text: str) -> int | None:
    """A decimal whole number, or None."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None  # noqa: PLR2004 - beyond 64 bits


def to_json(transcript: Transcript) -> bytes:
    """A transcript as indented JSON, the form in which it is kept."""
    return msgspec.json.format(msgspec.json.encode(transcript), indent=1)


def from_json(raw: bytes) -> Transcript:
    """Read a kept transcript.

    Raises:
        msgspec.DecodeError: it is not one.
    """
    return decode.json(raw, Transcript)
