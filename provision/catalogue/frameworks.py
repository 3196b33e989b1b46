"""Frameworks with their releases, and the environments that dlrig makes of them."""

from __future__ import annotations

from typing import Literal

import msgspec

from provision.catalogue.rows import Row, read_toml
from provision.versions import version


class Disk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Room that an environment needs, in GB (10⁹ bytes)."""

    cpu: float
    gpu: float


class Release(Row, frozen=True, kw_only=True):
    """A framework's release, as its wheels are.

    Attributes:
        name: the framework, which is also the module to import.
        version: the release.
        build: tells builds of one release apart (``cuda12``, ``cuda13``); empty for its only one.
        python: the Pythons that it has wheels for, a version specifier.
        python_gpu: the same of its GPU requirements, where they have fewer.
        cpu: pip requirements without GPUs; none where there is no such build.
        gpu: pip requirements with GPUs.
        cuda: the CUDA that it was made with.
        cudnn: the cuDNN that it asks for, a version specifier.
        cudnn_package: the distribution that holds it.
        sass: compute capabilities that it has machine code for.
        ptx: compute capabilities that it has PTX for, which the driver compiles at the first start.
        disk_gb: room on disk.
    """

    name: str
    version: str
    build: str = ""
    python: str
    python_gpu: str = ""
    cpu: tuple[str, ...]
    gpu: tuple[str, ...]
    cuda: str
    cudnn: str
    cudnn_package: str
    sass: tuple[str, ...]
    ptx: tuple[str, ...] = ()
    disk_gb: Disk

    def runs_natively(self, compute_capability: str) -> bool:
        """Machine code runs on the same major and the same or a newer minor compute capability.

        Source: CUDA C++ Programming Guide, "Binary compatibility".
        """
        wanted = version(compute_capability)
        return any(
            own.major == wanted.major and own.minor <= wanted.minor
            for own in map(version, self.sass)
        )

    def runs_by_jit(self, compute_capability: str) -> bool:
        """PTX can be compiled for the same or any newer compute capability.

        Source: CUDA C++ Programming Guide, "PTX compatibility".
        """
        return any(version(own) <= version(compute_capability) for own in self.ptx)


class CondaBuild(Row, frozen=True, kw_only=True):
    """A release on conda-forge, and the CUDA that its builds were made with (``cuda129``), or ``cpu``."""

    name: str
    version: str
    builds: tuple[str, ...]


class Kind(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An environment that can be made.

    Attributes:
        name: ``tensorflow_gpu``.
        framework: whose releases it holds.
        device: ``cpu``, ``gpu``, or ``any``: GPUs where the rig has some.
        default: it is made without being asked for.
    """

    name: str
    framework: str
    device: Literal["cpu", "gpu", "any"]
    default: bool = False


class Frameworks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of ``frameworks.toml``."""

    labels: dict[str, str]
    environment: tuple[Kind, ...]
    release: tuple[Release, ...]
    conda_build: tuple[CondaBuild, ...] = ()

    def of(self, framework: str) -> tuple[Release, ...]:
        """A framework's releases, newest first."""
        return tuple(row for row in self.release if row.name == framework)

    def label(self, framework: str) -> str:
        """Its name for people."""
        return self.labels.get(framework, framework)


def read_frameworks() -> Frameworks:
    """From ``frameworks.toml``."""
    return read_toml("frameworks.toml", Frameworks)
