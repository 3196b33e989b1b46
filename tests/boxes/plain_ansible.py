"""How box tests run the project's playbooks: by plain ansible-playbook, over the box's own SSH configuration."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from provision.box import Box

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
"""Where ansible-playbook is started, for ansible.cfg's sake."""


def argv(
    box: Box, playbook: str, variables: Mapping[str, Any], *options: str, user: str = "rigger"
) -> list[str]:
    """The command: Ansible of the environment that runs the tests."""
    ssh = {"ansible_user": user, "ansible_ssh_common_args": f"-F {box.ssh_config}"}
    tool = Path(sys.executable).with_name("ansible-playbook")
    extra = json.dumps({**ssh, **variables})
    return [str(tool), "-i", f"{box.name},", "-e", extra, playbook, *options]


def environment(box: Box) -> dict[str, str]:
    """Its environment."""
    # Ansible finds open connections by name and user, and other tests have boxes of the same name.
    sockets = {"ANSIBLE_SSH_CONTROL_PATH_DIR": str(box.ssh_config.parent / "cp")}
    return {**os.environ, **sockets, "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1"}


def what_failed(printed: str) -> str:
    """From the first task that failed, or the end: a whole run would hide it."""
    lines = printed.splitlines()
    bad = [n for n, line in enumerate(lines) if re.match(r"(fatal|failed|\[ERROR\]|ERROR)", line)]
    begin = max(0, bad[0] - 3) if bad else len(lines) - 40
    return "\n".join(lines[max(0, begin) :][:60])


def changes(printed: str) -> int:
    """How many tasks changed something."""
    return sum(int(number) for number in re.findall(r"changed=(\d+)", printed))
