"""Running programs on the rig, with what they print made fit to be shown."""

# ruff: noqa: INP001 - Ansible puts this file into a package of its own on the rig

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

KEPT_LINES = 15
KEPT_CHARACTERS = 400

# What a program's last lines tell about what to do; the first that matches counts.
HINTS = (
    (
        r"certificate|CERTIFICATE|UnknownIssuer",
        "The rig does not trust the server: see base_ca_certificates and environments_ca_bundle.",
    ),
    (r"No space left", "Free space on the rig, or set environments_prefix to a larger disk."),
    (
        r"No solution found|No matching distribution|ResolutionImpossible|PackagesNotFound",
        "No packages fit: see environments_wanted, and which index environments_index_url names.",
    ),
    (
        r"\b40[13]\b|[Uu]nauthorized|[Ff]orbidden",
        "The package index refused access: see the rig's pip.conf and root's ~/.netrc.",
    ),
    (
        r"[Tt]imed? ?out|resolve|dns error|[Cc]onnect|unreachable|Network",
        "The rig does not reach it: set base_proxy, or name a mirror in environments_index_url.",
    ),
)


class CommandFailedError(Exception):
    """A program that failed; its text is fit to be shown.

    Args:
        doing: what it was run for, e.g. ``install the requirements``.
        output: what it printed.
    """

    def __init__(self, doing: str, output: str) -> None:
        kept = scrub(output).strip().splitlines()[-KEPT_LINES:]
        lines = [line[:KEPT_CHARACTERS] for line in kept]
        hint = next((text for pattern, text in HINTS if re.search(pattern, "\n".join(lines))), "")
        super().__init__("\n".join([f"could not {doing}:", *lines, *([hint] if hint else [])]))
        self.doing = doing
        self.lines = lines
        self.hint = hint


def scrub(text: str) -> str:
    """``text`` without the credentials of the URLs in it."""
    return re.sub(r"//[^/\s'\"]*@", "//***@", text)


def run(
    argv: Sequence[str | Path],
    *,
    doing: str,
    environment: dict[str, str],
    limit: float,
    stdin: str = "",
) -> str:
    """Run a program in a process group of its own and return what it printed on standard output.

    Args:
        argv: never holds a secret: command lines can be read by every user of the rig.
        doing: for the error, e.g. ``install the requirements``.
        environment: all of its environment variables.
        limit: seconds after which it is ended, with its children.
        stdin: for its standard input.

    Raises:
        CommandFailedError: it could not be started, failed, or took too long.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - no shell; the arguments are this role's own
            [str(argument) for argument in argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise CommandFailedError(doing, f"{argv[0]}: {error.strerror}") from error
    try:
        output, complaints = process.communicate(stdin, timeout=limit)
    except subprocess.TimeoutExpired as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise CommandFailedError(doing, f"ended after {limit:.0f} s without a result") from error
    if process.returncode:
        raise CommandFailedError(doing, f"{output}\n{complaints}")
    return output


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock ``path``; waits for whoever holds it, such as a run that was cut off but goes on."""
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
