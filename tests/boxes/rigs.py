"""How box tests call dlrig: as a program, with a state folder of their own, on a box's SSH config."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

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
        [*DLRIG, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        env={**os.environ, **_ALWAYS, "DLRIG_STATE": str(state), **environment},
    )
