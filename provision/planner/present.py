"""The driver that a rig has: where it came from, and whether it is taken as it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from provision.facts.driver import State
from provision.wishes import DriverSource, Existing, Modules

if TYPE_CHECKING:
    from provision.facts.driver import Driver
    from provision.wishes import Wishes

_BY_HAND = {"adopted", "rolled back"}
"""What the record says of a driver that somebody chose to have, supported or not."""


class Present(msgspec.Struct, frozen=True, kw_only=True):
    """A driver that is there; empty where there is none, or it is not known.

    Attributes:
        version: upstream's.
        flavour: of its kernel modules.
        source: the repository that it came from.
        stays: it was chosen by hand.
        adopted: it is taken as it is.
    """

    version: str = ""
    flavour: str = ""
    source: str = ""
    stays: bool = False
    adopted: bool = False


def of(driver: Driver, wishes: Wishes, system: str, *, newest: bool) -> Present:
    """What is there.

    Args:
        driver: as it was found.
        wishes: of which ``existing`` says what becomes of what nobody manages.
        system: the catalogue's id.
        newest: the newest release is wanted.
    """
    if not driver.present:
        return Present()
    version = driver.version or driver.loaded
    recorded = driver.record if driver.record and driver.record.version == version else None
    how = recorded.how if recorded else ""
    chosen = wishes.driver or wishes.driver_source is not DriverSource.AUTO or newest
    still = how == "adopted" and not chosen and wishes.modules is Modules.AUTO
    adopted = wishes.existing is Existing.ADOPT or (still and wishes.existing is Existing.STOP)
    return Present(
        version=version,
        flavour=driver.module_flavour or driver.flavour,
        source=(recorded.source if recorded else "") or _source(driver, system),
        stays=how in _BY_HAND,
        adopted=bool(version) and adopted,
    )


_UBUNTU = re.compile(r"-0ubuntu")
_NVIDIA_ON_UBUNTU = re.compile(r"-1ubuntu|-1$")
_EARLY_NVIDIA = re.compile(r"-0ubuntu1$")
_NVIDIA_BEGAN = 580
"""Before this branch NVIDIA's own packages for Ubuntu ended in -0ubuntu1 too."""
_DEBIAN = re.compile(r"[+~]deb[0-9]")


def _source(driver: Driver, system: str) -> str:
    """By the form of the packages' versions; empty where that may be either's."""
    if driver.state in {State.MIXED, State.UNMANAGED}:
        return ""
    versions = {v for v in driver.packages.values() if v.partition("-")[0] == driver.version}
    if system.startswith("debian"):
        if "nvidia" not in driver.sources or any(map(_DEBIAN.search, versions)):
            return "debian"
        return "nvidia" if "debian-nonfree" not in driver.sources else ""
    if any(map(_NVIDIA_ON_UBUNTU.search, versions)):
        return "nvidia"
    early = (driver.branch or 0) < _NVIDIA_BEGAN
    if early and any(map(_EARLY_NVIDIA.search, versions)):
        return ""
    return "ubuntu" if any(map(_UBUNTU.search, versions)) else ""
