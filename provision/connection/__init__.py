"""How a command reaches a rig: the same verbs over SSH and on this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, Self

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from provision.target import Target

GRACE = 5.0
"""Seconds between asking a command that outlived its limit to end and killing it."""


class Completed(msgspec.Struct, frozen=True, kw_only=True):
    """A command that ended, or was ended.

    Attributes:
        exit_code: the command's own; 124 or 137 where its time limit ended it (see ``timed_out``).
        stdout: raw bytes.
        stderr: raw bytes.
        seconds: wall time, the round trip included.
        timed_out: the limit ended it.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes
    seconds: float
    timed_out: bool = False


class Connection(Protocol):
    """An open way to one rig."""

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        limit: float,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run ``argv`` as the connecting user; ``limit`` is in seconds and is kept on the rig too.

        No shell ever interprets an element of ``argv``. ``on_line`` sees standard output line by line.

        Raises:
            UnreachableError: the connection was lost.
        """

    def put(self, source: Path, destination: str) -> None:
        """Copy a local file to a path on the rig that the connecting user may write.

        Raises:
            UnreachableError: the rig refused the file, or the connection was lost.
        """

    def close(self) -> None:
        """Hang up."""

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hang up."""
        self.close()


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How to connect, as the user wished.

    Attributes:
        ssh_config: an OpenSSH configuration file instead of the user's own.
        identity: private key files to try first.
        accept_new: trust a host key that was never seen, without asking (never a changed one).
        ask: shows a question and returns the answer; None where nobody can be asked.
        connect_limit: seconds for the connection to come up.
    """

    ssh_config: str | None = None
    identity: tuple[str, ...] = ()
    accept_new: bool = False
    ask: Callable[[str], bool] | None = None
    connect_limit: float = 30.0


def connect(target: Target, settings: Settings) -> Connection:
    """Open a connection.

    Raises:
        UnreachableError: the rig could not be reached or did not let us in; says why and what to do.
    """
    if target.local:
        from provision.connection.local import LocalConnection  # noqa: PLC0415 - one of two is needed

        return LocalConnection()
    from provision.connection.ssh import SshConnection  # noqa: PLC0415 - fabric takes long to import

    return SshConnection(target, settings)


def limited(argv: Sequence[str], limit: float) -> list[str]:
    """``argv`` under coreutils' ``timeout``: the limit holds on the rig even if the link is gone."""
    return ["timeout", "-k", f"{GRACE:g}", f"{limit:g}", *argv]


def was_ended(exit_code: int, seconds: float, limit: float) -> bool:
    """Whether ``timeout`` ended the command, which then exits with 124 or is killed (137)."""
    return exit_code in {124, 137} and seconds >= limit * 0.99


class LineFeed:
    """Cuts a stream of bytes into lines for ``on_line``, and keeps all of it."""

    def __init__(self, on_line: Callable[[str], None] | None) -> None:
        self._on_line = on_line
        self._rest = b""
        self.chunks: list[bytes] = []

    def feed(self, chunk: bytes) -> None:
        """Take what has just arrived."""
        self.chunks.append(chunk)
        if self._on_line is None:
            return
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._on_line(line.decode(errors="replace"))

    def end(self) -> bytes:
        """Give the last unfinished line out, and return everything."""
        if self._on_line is not None and self._rest:
            self._on_line(self._rest.decode(errors="replace"))
        return b"".join(self.chunks)
