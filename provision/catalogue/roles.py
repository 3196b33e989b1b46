"""What the roles put on every rig, and what to do where one of their tasks fails."""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING

import msgspec

from provision.bundle import bundled
from provision.catalogue.rows import Row, read_toml

if TYPE_CHECKING:
    from pathlib import Path


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


class Remedy(Row, frozen=True, kw_only=True):
    """What to do where a failed task's message matches ``pattern``."""

    pattern: str
    hint: str


class _Packages(msgspec.Struct, forbid_unknown_fields=True):
    packages: tuple[str, ...]


class _Roles(msgspec.Struct, forbid_unknown_fields=True):
    base: _Packages
    file: tuple[ManagedFile, ...]


class _Remedies(msgspec.Struct, forbid_unknown_fields=True):
    remedy: tuple[Remedy, ...]


def read_roles() -> tuple[tuple[str, ...], tuple[ManagedFile, ...]]:
    """(the packages of every rig, the files) from ``roles.toml``."""
    rows = read_toml("roles.toml", _Roles)
    files = tuple(msgspec.structs.replace(row, sha256=_digest(row)) for row in rows.file)
    return rows.base.packages, files


@functools.cache
def load_remedies() -> tuple[Remedy, ...]:
    """From ``remedies.toml``; read only where something failed."""
    return read_toml("remedies.toml", _Remedies).remedy


def read_look() -> str:
    """The script that looks at a rig's driver, as the role ``nvidia_driver`` runs it too."""
    return (_files("nvidia_driver") / "look.sh").read_text("utf-8")


def _digest(row: ManagedFile) -> str:
    return hashlib.sha256((_files(row.role) / row.file).read_bytes()).hexdigest()


def _files(role: str) -> Path:
    return bundled("playbooks") / "roles" / role / "files"
