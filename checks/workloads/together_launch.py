"""Start one machine's part of a training over several, and end all of it whatever happens.

Runs on a rig, from standard input, below a line that sets ``SENT``; standard library alone, Python 3.10 or later.

``SENT``: ``files`` (name → text), ``program`` and ``arguments``, ``environments`` (variables of each process: one per
machine for TensorFlow, one per GPU for PyTorch), ``limit`` in seconds, ``wait`` for other measurements. The first line
printed is ``{"pid": …}``, which takes SIGTERM; then the first process's lines; the last is an object with ``results``
(of each process ``exit_code``, ``result``, ``stderr``, and ``ended``: it was still running when all were ended),
``ended`` (why they were, or empty) and ``seconds``.

All processes end when one fails, at the limit, at a signal, and where nobody reads the output any more: the machine
that started this has gone.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, Any

SENT: dict[str, Any] = globals().get("SENT", {})
"""Set by a line above this one."""

_POLL = 0.1
_GRACE = 3.0
"""Seconds between asking a process to end and killing it: one that waits inside the framework hears no signal."""
_KEPT = 4000
"""Characters of standard error that are kept of each process."""
_UNMEASURED = 3
_DEATH_SIGNAL = 1  # prctl(2): PR_SET_PDEATHSIG
_PRINTING = threading.Lock()


class Worker:
    """One process: its output is read as it comes, its last JSON line is its result."""

    def __init__(self, folder: Path, environment: dict[str, str], *, shown: bool) -> None:
        # Only what was sent, and the environment's own packages: no PYTHON* variable, nothing of the user's.
        argv = [sys.executable, "-E", "-s", "-B", str(folder / SENT["program"])]
        self.process = subprocess.Popen(  # noqa: S603 - ours
            [*argv, *SENT["arguments"]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - no thread runs before the last process started
        )
        self.result: dict[str, Any] | None = None
        self.errors = ""
        self.ended = False
        self._shown = shown
        self._readers: list[threading.Thread] = []

    def read(self) -> None:
        """Begin to read both streams."""
        for stream, take in (
            (self.process.stdout, self._line),
            (self.process.stderr, self._complaint),
        ):
            thread = threading.Thread(target=_read, args=(stream, take), daemon=True)
            thread.start()
            self._readers.append(thread)

    def told(self) -> dict[str, Any]:
        """Its part of the last line; it has ended."""
        for reader in self._readers:
            reader.join(timeout=_GRACE)
        code = self.process.returncode
        return {
            "exit_code": code,
            "result": self.result,
            "stderr": self.errors,
            "ended": self.ended,
        }

    def signal(self, number: int) -> None:
        """To it and to what it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def _line(self, line: str) -> None:
        if line.startswith("{"):
            with contextlib.suppress(ValueError):
                self.result = json.loads(line)
                return
        if self._shown:
            say(line)

    def _complaint(self, line: str) -> None:
        self.errors = (self.errors + line)[-_KEPT:]


def say(line: str) -> None:
    """A whole line, whoever else speaks; lost where nobody listens any more."""
    with _PRINTING:
        try:
            print(line.rstrip("\n"), flush=True)
        except BrokenPipeError:
            # What is left in the buffer must go somewhere, or Python ends with an exit code of its own.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _read(stream: IO[bytes] | None, take: Any) -> None:  # noqa: ANN401 - a method of the worker
    if stream is not None:
        for line in stream:
            take(line.decode(errors="replace"))


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)


def base_environment() -> dict[str, str]:
    """This process's, without what would hide GPUs or send the workers' traffic to each other through a proxy."""
    kept = {key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"}
    known = kept.get("no_proxy") or kept.get("NO_PROXY") or ""
    hosts = ",".join(filter(None, (known, *SENT["hosts"])))
    return {**kept, "no_proxy": hosts, "NO_PROXY": hosts, "no_grpc_proxy": hosts}


def watch(workers: list[Worker], stop: threading.Event) -> str:
    """Wait for all of them, or for one reason to end them; returns the reason, empty where all ended by themselves."""
    end = time.monotonic() + SENT["limit"]
    reader = select.poll()
    # Errors and hang-ups are always told (poll(2)): the reader of this pipe has gone.
    reader.register(1, 0)
    while True:
        codes = [worker.process.poll() for worker in workers]
        if any(codes):
            return "failed"
        if all(code == 0 for code in codes):
            return ""
        if stop.is_set():
            return "stopped"
        if reader.poll(0):
            return "disconnected"
        if time.monotonic() >= end:
            return "limit"
        time.sleep(_POLL)


def end_all(workers: list[Worker]) -> None:
    """No process of them is left."""
    for worker in workers:
        worker.ended = worker.process.poll() is None
        worker.signal(signal.SIGTERM)
    end = time.monotonic() + _GRACE
    while any(worker.process.poll() is None for worker in workers) and time.monotonic() < end:
        time.sleep(_POLL)
    for worker in workers:
        worker.signal(signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.process.wait(timeout=_GRACE)


def measure(folder: Path, stop: threading.Event) -> int:
    """Run the processes to their end."""
    begin, base = time.monotonic(), base_environment()
    workers: list[Worker] = []
    ended = "failed"
    try:
        for place, extra in enumerate(SENT["environments"]):
            workers.append(Worker(folder, {**base, **extra}, shown=place == 0))
        for worker in workers:
            worker.read()
        ended = watch(workers, stop)
    finally:
        end_all(workers)
    results = [worker.told() for worker in workers]
    seconds = round(time.monotonic() - begin, 3)
    say(json.dumps({"results": results, "ended": ended, "seconds": seconds}))
    return _UNMEASURED if ended else 0


def main() -> int:
    """Train, and leave nothing behind."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    say(json.dumps({"pid": os.getpid()}))
    with tempfile.TemporaryDirectory(prefix="dlrig-together-") as name:
        folder = Path(name)
        for file, text in SENT["files"].items():
            (folder / file).write_text(text, encoding="utf-8")
        sys.path.insert(0, name)
        sys.dont_write_bytecode = True
        launch = importlib.import_module("launch")
        lock = launch.alone(SENT["wait"])
        if lock is None:
            say(launch.refused(SENT["wait"]))
            return _UNMEASURED
        with lock:
            return measure(folder, stop)


if __name__ == "__main__":
    sys.exit(main())
