"""CUDA toolkits, what they ask of the driver and the compiler, and what they and cuDNN have code for."""

from __future__ import annotations

import msgspec

from provision.catalogue.rows import Row, read_toml
from provision.versions import allows


class Toolkit(Row, frozen=True, kw_only=True):
    """A CUDA toolkit.

    Attributes:
        version: ``12.9``.
        driver: the driver version that it was made with.
        gcc: the newest GCC that its compiler takes as host compiler; None where not known.
    """

    version: str
    driver: str
    gcc: int | None = None

    @property
    def major(self) -> int:
        """12 of 12.9."""
        return int(self.version.partition(".")[0])


class Family(Row, frozen=True, kw_only=True):
    """A major version of CUDA, and the oldest driver that runs its programs."""

    major: int
    driver: str


class Target(Row, frozen=True, kw_only=True):
    """The first and last toolkit that compile for some compute capabilities (a specifier); empty: any."""

    compute_capability: str
    first: str = ""
    last: str = ""


class Cudnn(Row, frozen=True, kw_only=True):
    """Releases of cuDNN that have code only for some compute capabilities; ``bound`` avoids them."""

    versions: str
    compute_capability: str
    bound: str


class Quirk(Row, frozen=True, kw_only=True):
    """Toolkits that are known to fail on a system; ``statement`` says how."""

    systems: tuple[str, ...]
    versions: str
    statement: str


class SystemCudnn(Row, frozen=True, kw_only=True):
    """The cuDNN that a system's own archive has."""

    system: str
    version: str
    package: str


class Cuda(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of ``cuda.toml``; toolkits newest first."""

    toolkit: tuple[Toolkit, ...]
    family: tuple[Family, ...]
    target: tuple[Target, ...]
    cudnn: tuple[Cudnn, ...]
    quirk: tuple[Quirk, ...] = ()
    system_cudnn: tuple[SystemCudnn, ...] = ()

    def family_of(self, version: str) -> Family:
        """The major version's row.

        Raises:
            KeyError: the catalogue does not know it.
        """
        major = int(version.partition(".")[0])
        for row in self.family:
            if row.major == major:
                return row
        raise KeyError(version)

    def toolkit_of(self, version: str) -> Toolkit | None:
        """The toolkit of this major and minor version."""
        series = ".".join(version.split(".")[:2])
        return next((row for row in self.toolkit if row.version == series), None)

    def target_of(self, compute_capability: str) -> Target | None:
        """Which toolkits compile for a compute capability."""
        return next(
            (row for row in self.target if allows(row.compute_capability, compute_capability)),
            None,
        )


def read_cuda() -> Cuda:
    """From ``cuda.toml``."""
    return read_toml("cuda.toml", Cuda)
