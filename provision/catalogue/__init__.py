"""What dlrig knows: ``provision/catalog/``, loaded and validated; unknown keys are refused.

A module per subject has the rows' forms; the data itself is in ``provision/catalog/`` and nowhere else.
"""

from __future__ import annotations

import functools

import msgspec

from provision.catalogue.cuda import Cuda, read_cuda
from provision.catalogue.drivers import Architectures, Drivers, read_architectures, read_drivers
from provision.catalogue.frameworks import Frameworks, read_frameworks
from provision.catalogue.gpus import GpuList, load_gpus
from provision.catalogue.makers import Conda, Miniforge, read_makers
from provision.catalogue.repositories import Repositories, read_repositories
from provision.catalogue.roles import ManagedFile, load_remedies, read_roles
from provision.catalogue.systems import System, read_systems

__all__ = ["Catalogue", "System", "load", "load_remedies"]


class Catalogue(msgspec.Struct, frozen=True, kw_only=True, eq=False, weakref=True):
    """Everything that the planner knows beyond the facts."""

    architectures: Architectures
    gpus: GpuList
    drivers: Drivers
    cuda: Cuda
    repositories: Repositories
    frameworks: Frameworks
    systems: tuple[System, ...]
    conda: Conda
    miniforge: Miniforge
    base_packages: tuple[str, ...]
    files: tuple[ManagedFile, ...]

    @property
    def places(self) -> dict[str, str]:
        """Places to try to reach from every rig: name → URL."""
        return {"conda": self.conda.probe, "miniforge": self.miniforge.probe}

    @property
    def gpu_places(self) -> dict[str, str]:
        """Places to try to reach from a rig with GPUs: repository → URL."""
        return {row.id: row.probe for row in self.repositories.repository if row.probe}

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


@functools.cache
def load() -> Catalogue:
    """The catalogue that this version of dlrig carries.

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
        miniforge=makers.miniforge,
        base_packages=packages,
        files=files,
    )
