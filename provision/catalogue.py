"""Load ``provision/catalog/``: versions, sources and thresholds, validated; unknown keys are refused."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
from importlib import resources
from typing import Literal, TypeVar

import msgspec

from provision.bundle import bundled

Confidence = Literal["high", "medium", "low"]
T = TypeVar("T")


class _Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a row comes from, when it was read, and how sure it is."""

    source: str
    date: dt.date
    confidence: Confidence


class System(_Row, frozen=True, kw_only=True):
    """A system that dlrig provisions; ``id`` is ``Facts.system.key``, ``python`` what it brings."""

    id: str
    name: str
    python: str


class Disk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Room that an environment needs, in GB (10⁹ bytes)."""

    cpu: float
    gpu: float


class Framework(_Row, frozen=True, kw_only=True):
    """A framework's release; ``python`` is a version specifier, ``cpu`` and ``gpu`` pip requirements."""

    name: str
    version: str
    python: str
    cpu: tuple[str, ...]
    gpu: tuple[str, ...]
    disk_gb: Disk


class Conda(_Row, frozen=True, kw_only=True):
    """The channel; ``probe`` is a small page whose answer shows that it is reached."""

    channel: str
    probe: str
    pythons: tuple[str, ...]


class Miniforge(_Row, frozen=True, kw_only=True):
    """Where the installer comes from."""

    probe: str


class Remedy(_Row, frozen=True, kw_only=True):
    """What to do where a failed task's message matches ``pattern``."""

    pattern: str
    hint: str


class ManagedFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file that a role copies to a rig as it is.

    Attributes:
        role: the role.
        path: where it lies on the rig.
        file: its name under the role's ``files/``.
        sha256: of its content, hexadecimal.
    """

    role: str
    path: str
    file: str
    sha256: str = ""


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the planner knows beyond the facts."""

    systems: tuple[System, ...]
    frameworks: tuple[Framework, ...]
    conda: Conda
    miniforge: Miniforge
    base_packages: tuple[str, ...]
    files: tuple[ManagedFile, ...]

    @property
    def places(self) -> dict[str, str]:
        """Places to try to reach from a rig: name → URL."""
        return {"conda": self.conda.probe, "miniforge": self.miniforge.probe}


class _Systems(msgspec.Struct, forbid_unknown_fields=True):
    system: tuple[System, ...]


class _Frameworks(msgspec.Struct, forbid_unknown_fields=True):
    framework: tuple[Framework, ...]


class _Makers(msgspec.Struct, forbid_unknown_fields=True):
    conda: Conda
    miniforge: Miniforge


class _Packages(msgspec.Struct, forbid_unknown_fields=True):
    packages: tuple[str, ...]


class _Roles(msgspec.Struct, forbid_unknown_fields=True):
    base: _Packages
    file: tuple[ManagedFile, ...]


class _Remedies(msgspec.Struct, forbid_unknown_fields=True):
    remedy: tuple[Remedy, ...]


@functools.cache
def load() -> Catalogue:
    """The catalogue that this version of dlrig carries.

    Raises:
        msgspec.ValidationError: a file of it is wrong (a test loads it).
    """
    makers = _read("makers.toml", _Makers)
    base = _read("roles.toml", _Roles)
    return Catalogue(
        systems=_read("systems.toml", _Systems).system,
        frameworks=_read("frameworks.toml", _Frameworks).framework,
        conda=makers.conda,
        miniforge=makers.miniforge,
        base_packages=base.base.packages,
        files=tuple(msgspec.structs.replace(row, sha256=_digest(row)) for row in base.file),
    )


@functools.cache
def load_remedies() -> tuple[Remedy, ...]:
    """Read only where something failed."""
    return _read("remedies.toml", _Remedies).remedy


def _read(name: str, form: type[T]) -> T:
    return msgspec.toml.decode(
        (resources.files("provision") / "catalog" / name).read_bytes(), type=form
    )


def _digest(row: ManagedFile) -> str:
    path = bundled("playbooks") / "roles" / row.role / "files" / row.file
    return hashlib.sha256(path.read_bytes()).hexdigest()
