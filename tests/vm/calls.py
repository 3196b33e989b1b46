"""How these tests run the project's playbooks, on the box and on the emulated machine that came of it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import plain_ansible

from provision.connection import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from machine import Machine

    from provision.box import Box

VERSION = "535.261.03"
DRIVER: dict[str, Any] = {
    "nvidia_driver_without_gpu": True,
    "nvidia_driver_source": "debian",
    "nvidia_driver_branch": 535,
    "nvidia_driver_version": VERSION,
    "nvidia_driver_flavour": "proprietary",
    "nvidia_driver_modules": "dkms",
}
"""Variables of the role: Debian's own driver, whose archive has a later one too."""


def play(rig: Box | Machine, variables: Mapping[str, Any], *options: str, limit: float) -> str:
    """Run site.yml as a user who may use sudo, in at most ``limit`` seconds; returns what it printed."""
    done = subprocess.run(
        plain_ansible.argv(rig, "site.yml", variables, *options),
        cwd=plain_ansible.PLAYBOOKS,
        # emulated, a login alone takes seconds
        env={**plain_ansible.environment(rig), "ANSIBLE_TIMEOUT": "60"},
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 0, plain_ansible.what_failed(printed)
    return printed


def settings(machine: Machine) -> Settings:
    """How dlrig connects to a machine: a login takes seconds, and on a busy host many."""
    return Settings(ssh_config=str(machine.ssh_config), connect_limit=120)
