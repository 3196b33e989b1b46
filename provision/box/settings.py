"""What a box can be asked to be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How one box differs from the plain one.

    Attributes:
        python: the root has ``python3``; without it a rig is as bare as it can be.
        network: ``nat`` reaches what this machine reaches; ``none`` reaches this machine alone.
        first_contact: the box's ``known_hosts`` is left empty, as for a rig never met before.
        inherit: take over this machine's package mirrors, extra certificate authorities, pip settings
            and proxies; without it the box sees the world through a distribution's own defaults.
        binds: path in the box → folder or file of this machine that it shows, read-only; e.g.
            ``{"/sys/bus/pci/devices": folder}`` pretends hardware.
        disk_sizes: mount point → size as ``mount`` takes it (``400M``), for full-disk tests; ``/`` limits
            all that the box writes. Held in memory.
        boot_limit: seconds that a boot may take.
    """

    python: bool = False
    network: Literal["nat", "none"] = "nat"
    first_contact: bool = False
    inherit: bool = True
    binds: Mapping[str, Path] = {}
    disk_sizes: Mapping[str, str] = {}
    boot_limit: float = 90
