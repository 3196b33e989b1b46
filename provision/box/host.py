"""Whether this machine can run boxes, and what it lacks."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from provision.box.errors import BoxError
from provision.box.process import found
from provision.box.systems import System, table


def check(system: System) -> None:
    """See that boxes of this system can be made here.

    Raises:
        BoxError: not Linux, not root, or programs are missing; names the packages to install.
    """
    if sys.platform != "linux":
        raise BoxError(
            "boxes need Linux: they are systemd-nspawn containers",
            hint="run this on a Debian or Ubuntu machine or virtual machine",
            reference="box-not-linux",
        )
    if os.geteuid():
        raise BoxError(
            "boxes need root: they have a network and a file system of their own",
            hint=f"run it again as root: sudo {' '.join(sys.argv)}",
            reference="box-not-root",
        )
    packages = missing_packages(system)
    if packages:
        raise BoxError(
            "programs that boxes need are not installed",
            hint=f"install them: sudo apt-get install --yes {' '.join(packages)}",
            reference="box-packages-missing",
        )


def missing_packages(system: System) -> list[str]:
    """Debian and Ubuntu packages that this machine lacks for boxes of this system, sorted."""
    needed = table().host
    missing = {package for program, package in needed.programs.items() if not found(program)}
    if not any(found(program) for program in needed.firewalls):
        missing.add(next(iter(needed.firewalls.values())))
    distribution = table().distributions[system.distribution]
    if not Path(distribution.keyring).exists():
        missing.add(distribution.keyring_package)
    return sorted(missing)


def systemd_runs_here() -> bool:
    """True where systemd is this machine's init, as ``sd_booted(3)`` decides it."""
    return Path("/run/systemd/system").is_dir()
