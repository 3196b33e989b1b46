"""A ``dlrig up`` of a bare box, against a shell script that does the same installs one after the other.

    sudo .venv/bin/python benchmarks/fresh_up.py [PAIRS]

Every run has a bare box of its own, made from the same root; booting it is not timed. The checks are left out
on both sides: the script has none. Both download everything from the same mirrors.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from pairs import report, timed

from provision.box import Box

SCRIPT = Path(__file__).with_name("by_hand.sh").read_text()
PAIRS = int(sys.argv[1]) if len(sys.argv) > 1 else 3
IMPORT = "/opt/dlrig/envs/tensorflow/bin/python -c 'import tensorflow as t; print(t.__version__)' 2>/dev/null"


def dlrig() -> float:
    """Seconds that ``dlrig up`` takes on a bare box."""
    with tempfile.TemporaryDirectory() as state, Box.start("bench-dlrig") as box:
        command = [
            "up",
            box.target_for("rigger"),
            "--ssh-config",
            str(box.ssh_config),
            "--yes",
            "--no-check",
        ]
        environment = {**os.environ, "DLRIG_STATE": state}
        return _timed(box, [sys.executable, "-m", "provision", *command], "", environment)


def by_hand() -> float:
    """Seconds that the script takes on a bare box."""
    with Box.start("bench-hand") as box:
        # A login shell's environment, as a person has it: the box's proxies and certificates.
        command = ["ssh", "-F", str(box.ssh_config), box.target_for("rigger"), "sudo sh -s"]
        return _timed(box, command, SCRIPT, dict(os.environ))


def _timed(box: Box, command: list[str], stdin: str, environment: dict[str, str]) -> float:
    def work() -> None:
        subprocess.run(
            command, input=stdin, env=environment, check=True, capture_output=True, text=True
        )

    seconds = timed(work)
    if box.shell(IMPORT).stdout.strip() != "2.21.0":
        raise SystemExit("TensorFlow is not there")
    return seconds


pairs = [(dlrig(), by_hand()) for _ in range(PAIRS)]
print(report("`dlrig up` of a bare box", "dlrig up", "by hand", pairs))
