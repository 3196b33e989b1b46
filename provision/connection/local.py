"""This machine as a rig, without SSH."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from typing import IO, TYPE_CHECKING

from provision.connection import GRACE, Completed, Connection, LineFeed, limited, was_ended
from provision.errors import UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


class LocalConnection(Connection):
    """Runs commands on this machine."""

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        limit: float,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """See ``Connection.run``."""
        start = time.monotonic()
        process = subprocess.Popen(  # noqa: S603 - the argv is ours
            limited(argv, limit),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = LineFeed(on_line), LineFeed(None)
        helpers = [
            threading.Thread(target=_write, args=(process, stdin), daemon=True),
            threading.Thread(target=_drain, args=(process.stderr, err), daemon=True),
            threading.Thread(target=_drain, args=(process.stdout, out), daemon=True),
        ]
        for helper in helpers:
            helper.start()
        try:
            exit_code = process.wait(timeout=limit + 2 * GRACE)
        except subprocess.TimeoutExpired:
            # Stuck in the kernel: not even SIGKILL ends it. It is left behind, and said so.
            exit_code = 137
        except BaseException:
            process.terminate()
            raise
        for helper in helpers:
            helper.join(timeout=GRACE)
        seconds = time.monotonic() - start
        return Completed(
            exit_code=128 - exit_code if exit_code < 0 else exit_code,
            stdout=out.end(),
            stderr=err.end(),
            seconds=seconds,
            timed_out=was_ended(exit_code, seconds, limit),
        )

    def put(self, source: Path, destination: str) -> None:
        """See ``Connection.put``."""
        try:
            shutil.copyfile(source, destination)
        except OSError as error:
            raise UnreachableError(
                f"cannot write {destination}: {error.strerror}",
                where="local",
                hint="Check the permissions and the free space there.",
                reference="cannot-write",
            ) from error

    def close(self) -> None:
        """Nothing to hang up."""


def _write(process: subprocess.Popen[bytes], data: bytes) -> None:
    if process.stdin is None:
        return
    try:
        process.stdin.write(data)
        process.stdin.close()
    except BrokenPipeError:
        # The command ended without reading all of it, as it may.
        return


def _drain(stream: IO[bytes] | None, feed: LineFeed) -> None:
    if stream is None:
        return
    with stream:
        while chunk := os.read(stream.fileno(), 65536):
            feed.feed(chunk)
