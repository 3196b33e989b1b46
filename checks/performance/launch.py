"""Runs on the rig, from standard input, below a line that sets ``SENT``: unpack, measure alone, clean up.

``SENT``: files (name → text), the program's name and arguments, and the monitor's limit and interval. Prints what the
monitor prints; with ``live``, what the program prints as it comes, and then the monitor's object as the last line.
Exit codes: the monitor's; 3 with ``{"error": …}`` where another measurement does not end.
Standard library alone; Python 3.10 or later.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SENT: dict[str, Any] = globals().get("SENT", {})
"""Set by a line above this one."""

LOCK = "\0dlrig-performance"
"""An abstract address: held while its holder lives, by whomever, and nothing is left of it."""
_UNMEASURED = 3


def alone(limit: float) -> socket.socket | None:
    """Wait until no other measurement of dlrig runs on this machine; None where that takes too long."""
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    end = time.monotonic() + limit
    while True:
        try:
            lock.bind(LOCK)
        except OSError:
            if time.monotonic() >= end:
                return None
            time.sleep(0.2)
        else:
            return lock


def refused(limit: float) -> str:
    """What to print where the wait was in vain."""
    what = f"another measurement of dlrig ran on this machine for {limit:g} s"
    return json.dumps({"error": {"what": what, "hint": "Try again when it has ended."}})


def measure(folder: Path) -> int:
    """Run the program under the monitor."""
    for name, text in SENT["files"].items():
        (folder / name).write_text(text, encoding="utf-8")
    # Only what was sent, and the environment's own packages: no PYTHON* variable, nothing of the user's.
    python = [sys.executable, "-E", "-s", "-B"]
    program = [*python, str(folder / SENT["program"]), *SENT["arguments"]]
    monitor = [*python, str(folder / "monitor.py"), "--limit", str(SENT["limit"])]
    environment = {key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"}
    series = folder / "seen.json"
    monitor += ["--output", str(series)] if SENT.get("live") else []
    process = subprocess.Popen(  # noqa: S603 - both are ours
        [*monitor, "--interval", str(SENT["interval"]), "--", *program], env=environment
    )
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: process.terminate())
    code = process.wait()
    if series.is_file():
        # A program that was ended in the middle of a line leaves that line open.
        print(f"\n{series.read_text(encoding='utf-8').strip()}", flush=True)  # noqa: T201 - its interface
    return code


def main() -> int:
    """Measure, and leave nothing behind."""
    lock = alone(SENT["wait"])
    if lock is None:
        print(refused(SENT["wait"]))  # noqa: T201 - its interface
        return _UNMEASURED
    with lock, tempfile.TemporaryDirectory(prefix="dlrig-performance-") as folder:
        return measure(Path(folder))


if __name__ == "__main__":
    sys.exit(main())
