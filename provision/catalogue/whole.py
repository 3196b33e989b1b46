"""All of the catalogue, for whoever plans."""

from __future__ import annotations

import msgspec

from provision.catalogue.cuda import Cuda, read_cuda
from provision.catalogue.drivers import Architectures, Drivers, read_architectures, read_drivers
from provision.catalogue.frameworks import Frameworks, read_frameworks
from provision.catalogue.gpus import GpuList, load_gpus
from provision.catalogue.makers import Conda, read_makers
from provision.catalogue.repositories import Repositories, read_repositories
from provision.catalogue.roles import ManagedFile, read_roles
from provision.catalogue.systems import System, read_systems


class Catalogue(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Everything that the planner knows beyond the facts."""

    architectures: Architectures
    gpus: GpuList
    drivers: Drivers
    cuda: Cuda
    repositories: Repositories
    frameworks: Frameworks
    systems: tuple[System, ...]
    conda: Conda
    base_packages: tuple[str, ...]
    files: tuple[ManagedFile, ...]

    @property
    def pythons(self) -> tuple[str, ...]:
        """Every Python that something here has: the channel's, best first, then the systems' own."""
        return tuple(dict.fromkeys((*self.conda.pythons, *(row.python for row in self.systems))))

    def system(self, name: str) -> System:
        """The system with that id.

        Raises:
            KeyError: there is none.
        """
        for row in self.systems:
            if row.id == name:
                return row
        raise KeyError(name)


def read() -> Catalogue:
    """From every file of ``provision/catalog/``.

    Raises:
        msgspec.ValidationError: a file of it is wrong (a test loads it).
    """
    makers = read_makers()
    packages, files = read_roles()
    return Catalogue(
        architectures=read_architectures(),
        gpus=load_gpus(),
        drivers=read_drivers(),
        cuda=read_cuda(),
        repositories=read_repositories(),
        frameworks=read_frameworks(),
        systems=read_systems(),
        conda=makers.conda,
        base_packages=packages,
        files=files,
    )
