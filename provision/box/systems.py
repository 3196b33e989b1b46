"""The systems a box can have, from ``systems.toml``."""

from __future__ import annotations

import difflib
import functools
import platform
from pathlib import Path

import msgspec

from provision import decode
from provision.errors import UsageError


class Distribution(msgspec.Struct, frozen=True, kw_only=True):
    """How a distribution's packages are recognised, and the key that signs them."""

    components: tuple[str, ...]
    keyring: str
    keyring_package: str
    folders: tuple[str, ...]


class System(msgspec.Struct, frozen=True, kw_only=True):
    """One system; ``os_release`` is what a flavour claims to be."""

    distribution: str
    codename: str
    os_release: dict[str, str] = {}


class RootPackages(msgspec.Struct, frozen=True, kw_only=True):
    """What every root holds."""

    packages: tuple[str, ...]
    python_packages: tuple[str, ...]
    masked_units: tuple[str, ...]


class HostPrograms(msgspec.Struct, frozen=True, kw_only=True):
    """Program → package, for what this machine needs."""

    programs: dict[str, str]
    firewalls: dict[str, str]


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """All of ``systems.toml``."""

    distributions: dict[str, Distribution]
    systems: dict[str, System]
    root: RootPackages
    host: HostPrograms


@functools.cache
def table() -> Table:
    """The table, read once."""
    path = Path(__file__).with_name("systems.toml")
    return decode.toml(path.read_bytes(), Table)


def system(name: str) -> System:
    """The system called ``name``; ``host`` is the one of this machine.

    Raises:
        UsageError: there is none.
    """
    systems = table().systems
    wanted = _host_name() if name == "host" else name
    if wanted in systems:
        return systems[wanted]
    near = difflib.get_close_matches(wanted, systems, n=1)
    known = ", ".join(systems)
    raise UsageError(
        f"no box can have the system {wanted!r}",
        hint=f"did you mean {near[0]}?" if near else f"known systems: {known}",
        reference="box-system-unknown",
    )


def _host_name() -> str:
    release = platform.freedesktop_os_release()
    return f"{release.get('ID', '')}-{release.get('VERSION_ID', '')}"
