"""The project's playbooks, run on a rig by plain ansible-playbook."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ubuntu_archive.rig import UbuntuRig

PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
TAGS = ("nvidia_driver", "hold", "persistence")
_LIMIT = 900


def play(
    rig: UbuntuRig,
    playbook: str = "site.yml",
    *options: str,
    code: int = 0,
    tags: tuple[str, ...] = TAGS,
    **variables: Any,  # noqa: ANN401 - variables of roles
) -> str:
    """Run a playbook; returns what it printed, its lines joined to one.

    Raises:
        AssertionError: it ended with another code.
    """
    done = begin(rig, playbook, *options, tags=tags, **variables)
    printed, _ = done.communicate(timeout=_LIMIT)
    assert done.returncode == code, f"exit code {done.returncode}\n{_trouble(printed)}"
    return " ".join(printed.split())


def begin(
    rig: UbuntuRig,
    playbook: str = "site.yml",
    *options: str,
    tags: tuple[str, ...] = TAGS,
    **variables: Any,  # noqa: ANN401 - variables of roles
) -> subprocess.Popen[str]:
    """Start a playbook, as user ``rigger``."""
    box = rig.box
    ssh = {"ansible_user": "rigger", "ansible_ssh_common_args": f"-F {box.ssh_config}"}
    chosen = ["--tags", ",".join(tags)] if playbook == "site.yml" else []
    argv = [
        "-i",
        f"{box.name},",
        "-e",
        json.dumps({**ssh, **variables}),
        playbook,
        *chosen,
        *options,
    ]
    # Ansible of the environment that runs the tests.
    tool = str(Path(sys.executable).with_name("ansible-playbook"))
    sockets = {"ANSIBLE_SSH_CONTROL_PATH_DIR": str(box.ssh_config.parent / "cp")}
    return subprocess.Popen(
        [tool, *argv],
        cwd=PLAYBOOKS,
        env={**os.environ, **sockets, "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def changes(printed: str) -> int:
    """How many tasks changed something."""
    return sum(int(number) for number in re.findall(r"changed=(\d+)", printed))


def _trouble(printed: str) -> str:
    """From the first failure on: a whole run would hide it."""
    lines = printed.splitlines()
    words = ("fatal", "failed", "[ERROR]", "ERROR")
    first = next((n for n, line in enumerate(lines) if line.startswith(words)), len(lines) - 40)
    return "\n".join(lines[max(0, first - 3) :][:60])
