"""Programs of this machine that make and run boxes: one place starts them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

from provision.box.errors import BoxError

if TYPE_CHECKING:
    from collections.abc import Sequence

_TAIL = 1500
"""Characters of a program's own words that an error repeats: its last lines say what failed."""
_PATIENCE = 10.0
"""Seconds that a program may take to clean up when it is ended early."""


def environment() -> dict[str, str]:
    """This process's environment, with the administrator's folders in ``PATH``, as ``su`` leaves them out."""
    path = os.environ.get("PATH", os.defpath)
    return {**os.environ, "PATH": f"{path}:/usr/local/sbin:/usr/sbin:/sbin"}


def found(program: str) -> bool:
    """Whether ``run`` would find a program."""
    return shutil.which(program, path=environment()["PATH"]) is not None


def run(
    argv: Sequence[str], *, stdin: str = "", limit: float = 60, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a program and return its output as text; no shell reads ``argv``.

    Args:
        argv: the program and its arguments; never a secret, which every user of the machine would see.
        stdin: what it reads.
        limit: seconds; the program is killed after them.
        check: whether an exit code other than 0 is an error.

    Raises:
        BoxError: it failed (with ``check``), ran too long, or does not exist.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - argv is built by this package, without a shell
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment(),
            # Ctrl-C is for this process, which then ends its programs in an orderly way
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise BoxError(
            f"{argv[0]} is not installed",
            hint="`make setup-boxes` installs what boxes need",
            reference="box-tool-missing",
        ) from error
    try:
        stdout, stderr = process.communicate(stdin, timeout=limit)
    except subprocess.TimeoutExpired as error:
        _end(process)
        raise BoxError(
            f"{argv[0]} did not end within {limit:g} s",
            hint=f"the command was: {' '.join(argv)}",
            reference="box-tool-slow",
        ) from error
    except BaseException:
        _end(process)
        raise
    done = subprocess.CompletedProcess(list(argv), process.returncode, stdout, stderr)
    if check and done.returncode:
        words = f"{stdout}\n{stderr}".strip()[-_TAIL:]
        raise BoxError(
            f"{' '.join(argv)} ended with exit code {done.returncode}",
            hint=words,
            reference="box-tool-failed",
        )
    return done


def _end(process: subprocess.Popen[str]) -> None:
    """End a program and what it started: asked first, so that it can clean up, then killed."""
    for number, patience in ((signal.SIGTERM, _PATIENCE), (signal.SIGKILL, None)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=patience)
            return
