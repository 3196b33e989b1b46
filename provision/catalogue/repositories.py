"""Where drivers and CUDA toolkits come from, what is offered on which system, and the packages' names."""

from __future__ import annotations

from typing import Literal

import msgspec

from provision.catalogue.rows import Row, read_toml

Flavour = Literal["open", "proprietary"]


class Repository(Row, frozen=True, kw_only=True):
    """A package repository.

    Attributes:
        id: ``ubuntu``, ``nvidia``, ``debian``.
        name: for people.
        systems: those it serves.
        signed_modules: its kernel modules are signed by a key that Secure Boot trusts.
        exact_versions: it keeps older releases of a branch, so that an exact version can be had.
    """

    id: str
    name: str
    systems: tuple[str, ...]
    signed_modules: bool
    exact_versions: bool = False


class Access(Row, frozen=True, kw_only=True):
    """How a system reaches a repository that is not its own.

    Attributes:
        repository: which.
        system: from where.
        url: of the flat archive.
        keyring: the package that brings its key, below the URL.
        keyring_sha256: of that package, hexadecimal; empty where it was not read.
        key: its key's id or fingerprint; empty where it was not read.
    """

    repository: str
    system: str
    url: str
    keyring: str
    keyring_sha256: str = ""
    key: str = ""


class DriverOffer(Row, frozen=True, kw_only=True):
    """A branch that a repository offers.

    Attributes:
        repository: which.
        systems: where.
        branch: which.
        flavours: of its kernel modules.
        names: what its packages are called (``Names.id``).
        component: of the archive, which apt must have enabled; empty where there are none.
        version: its newest release there; empty where it is the branch's newest.
        versions: older releases that it has too, newest first.
        kernel_last: the newest kernel that its module is known to build on: a series (``6.16``) or a release
            (``6.12.94``); empty where not known.
        kernel_last_open: the same for its open module, where that differs.
    """

    repository: str
    systems: tuple[str, ...]
    branch: int
    flavours: tuple[Flavour, ...]
    names: str
    component: str = ""
    version: str = ""
    versions: tuple[str, ...] = ()
    kernel_last: str = ""
    kernel_last_open: str = ""

    def last_kernel(self, flavour: Flavour) -> str:
        """The newest kernel for a module of this flavour; empty where not known."""
        return (flavour == "open" and self.kernel_last_open) or self.kernel_last


class Transition(Row, frozen=True, kw_only=True):
    """Packages of a branch that install another one."""

    repository: str
    systems: tuple[str, ...]
    branch: int
    to: int


class Names(Row, frozen=True, kw_only=True):
    """What a driver's packages are called.

    Attributes:
        id: which offers refer to.
        modules: ``precompiled`` for this kernel, or built on the rig by ``dkms``.
        packages: with precompiled modules.
        dkms: with modules built on the rig.
        proprietary: what ``{flavour}`` stands for with proprietary modules.
        open: what it stands for with open ones.
        fabric_manager: the package that rigs with an NVSwitch need; empty where there is none.
    """

    id: str
    modules: Literal["precompiled", "dkms"]
    packages: tuple[str, ...] = ()
    dkms: tuple[str, ...]
    proprietary: str = ""
    open: str = "-open"
    fabric_manager: str = ""


class CudaOffer(Row, frozen=True, kw_only=True):
    """Toolkits that a repository offers.

    Attributes:
        repository: which.
        systems: where.
        versions: which toolkits.
        package: what it is called; ``{dashed}`` stands for 12-9.
        gcc: the host compiler that the package brings along; None where it takes the system's.
    """

    repository: str
    systems: tuple[str, ...]
    versions: tuple[str, ...]
    package: str
    gcc: int | None = None


class Room(Row, frozen=True, kw_only=True):
    """What an installation takes of the disk, with what is downloaded, built and kept for a rollback.

    Attributes:
        subject: ``driver`` or ``cuda``, one toolkit.
        repository: from which.
        systems: where.
        gb: GB of 10⁹ bytes.
    """

    subject: Literal["driver", "cuda"]
    repository: str
    systems: tuple[str, ...]
    gb: float


class Repositories(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of ``repositories.toml``; the preferred repository first."""

    repository: tuple[Repository, ...]
    access: tuple[Access, ...]
    driver: tuple[DriverOffer, ...]
    transition: tuple[Transition, ...]
    names: tuple[Names, ...]
    cuda: tuple[CudaOffer, ...]
    room: tuple[Room, ...]

    def get(self, repository: str) -> Repository:
        """The repository with that id.

        Raises:
            KeyError: there is none.
        """
        for row in self.repository:
            if row.id == repository:
                return row
        raise KeyError(repository)

    def of(self, system: str) -> tuple[Repository, ...]:
        """Those that serve a system."""
        return tuple(row for row in self.repository if system in row.systems)

    def drivers(self, repository: str, system: str) -> tuple[DriverOffer, ...]:
        """The drivers that a repository offers on a system."""
        return tuple(
            row for row in self.driver if row.repository == repository and system in row.systems
        )

    def access_of(self, repository: str, system: str) -> Access | None:
        """How a system reaches a repository that is not its own."""
        rows = (r for r in self.access if (r.repository, r.system) == (repository, system))
        return next(rows, None)

    def room_for(self, subject: str, repository: str, system: str) -> float:
        """GB that an installation takes; 0 where it is not known."""
        for row in self.room:
            if (row.subject, row.repository) == (subject, repository) and system in row.systems:
                return row.gb
        return 0.0

    def names_of(self, offer: DriverOffer) -> Names:
        """The packages' names.

        Raises:
            KeyError: the catalogue has none (a test looks).
        """
        return {row.id: row for row in self.names}[offer.names]


def read_repositories() -> Repositories:
    """From ``repositories.toml``."""
    return read_toml("repositories.toml", Repositories)
