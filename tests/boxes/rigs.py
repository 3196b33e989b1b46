"""How box tests call dlrig: as a program, with a state folder of their own, on a box's SSH config."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from provision.box import Box

DLRIG = (sys.executable, "-m", "provision")
# With PYTHONFAULTHANDLER, a crash of Python itself says where.
_ALWAYS = {"COLUMNS": "200", "PYTHONFAULTHANDLER": "1"}


class Ran(msgspec.Struct, frozen=True):
    """How a command ended; ``text`` is both streams, as a person would see them."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    @property
    def document(self) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.out)


def dlrig(
    state: Path, *arguments: str, limit: float = 600, stdin: str = "", **environment: str
) -> Ran:
    """Run the command to its end."""
    completed = subprocess.run(
        [*DLRIG, *arguments],
        capture_output=True,
        text=True,
        input=stdin,
        timeout=limit,
        check=False,
        env={**os.environ, **_ALWAYS, "DLRIG_STATE": str(state), **environment},
    )
    return Ran(completed.returncode, completed.stdout, completed.stderr)


def reach(box: Box, user: str = "rigger") -> tuple[str, ...]:
    """The arguments that name a box."""
    return (box.target_for(user), "--ssh-config", str(box.ssh_config))


def start(state: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start the command in a process group of its own, to be stopped in the middle."""
    return subprocess.Popen(
        # Where the tests run in a script's background, Ctrl-C is ignored, and so it would be in what they start.
        ["env", "--default-signal=INT", *DLRIG, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        env={**os.environ, **_ALWAYS, "DLRIG_STATE": str(state), **environment},
    )


def kill(run: subprocess.Popen[Any]) -> None:
    """Kill a run and all that it started: Ansible's workers have sessions of their own, and would wait for ever."""
    os.kill(run.pid, signal.SIGSTOP)
    family = [run.pid]
    for member in family:  # grows meanwhile
        family += _children(member)
    for member in reversed(family):
        try:
            os.kill(member, signal.SIGKILL)
        except ProcessLookupError:
            continue
    run.wait()


def _children(parent: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
        except OSError:  # it ended at this moment
            continue
        if int(after_name[1]) == parent:
            found.append(int(stat.parent.name))
    return found
