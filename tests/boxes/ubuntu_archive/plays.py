"""The project's playbooks, run on a rig by plain ansible-playbook."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

from plain_ansible import PLAYBOOKS, argv, environment, what_failed

if TYPE_CHECKING:
    from ubuntu_archive.rig import UbuntuRig

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
    assert done.returncode == code, f"exit code {done.returncode}\n{what_failed(printed)}"
    return " ".join(printed.split())


def begin(
    rig: UbuntuRig,
    playbook: str = "site.yml",
    *options: str,
    tags: tuple[str, ...] = TAGS,
    **variables: Any,  # noqa: ANN401 - variables of roles
) -> subprocess.Popen[str]:
    """Start a playbook, as user ``rigger``."""
    chosen = ["--tags", ",".join(tags)] if playbook == "site.yml" else []
    return subprocess.Popen(
        argv(rig.box, playbook, variables, *chosen, *options),
        cwd=PLAYBOOKS,
        env=environment(rig.box),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
