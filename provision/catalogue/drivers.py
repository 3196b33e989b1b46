"""Driver branches with their life cycle, and what the generations of GPUs ask of a driver."""

from __future__ import annotations

from typing import Literal

import msgspec

from provision.catalogue.rows import Row, read_toml

BranchType = Literal["LTSB", "PB", "NFB", "legacy", ""]


class Branch(Row, frozen=True, kw_only=True):
    """A driver branch.

    Attributes:
        branch: the number its versions begin with.
        type: long-term support, production, new feature, legacy; empty where it was not found.
        end_of_life: ``2028-06``, the last month with support; empty where it was not found.
        ended: support is over, whichever month it was.
        newest: the newest release that was seen; empty for none.
    """

    branch: int
    type: BranchType = ""
    end_of_life: str = ""
    ended: bool = False
    newest: str = ""

    def is_over(self, month: str) -> bool:
        """Whether support had ended by ``month`` (``2026-11``)."""
        return self.ended or bool(self.end_of_life and self.end_of_life < month)


class Modules(Row, frozen=True, kw_only=True):
    """The two flavours of kernel modules, by branch.

    Attributes:
        open_first: the first with open modules.
        open_default: the first where NVIDIA prefers them.
        proprietary_last: the last with proprietary modules.
    """

    open_first: int
    open_default: int
    proprietary_last: int


class Architecture(Row, frozen=True, kw_only=True):
    """A generation of GPUs.

    Attributes:
        id: ``pascal``.
        name: for people.
        first_driver: the first driver version for it; empty where no driver of today is too old.
        first_driver_of: the same of compute capabilities that came later.
        last_branch: the last branch for it; None where the newest still drive it.
        open_modules: whether NVIDIA's open kernel modules drive it: ``no``, ``yes`` (a choice), ``only``.
    """

    id: str
    name: str
    first_driver: str = ""
    first_driver_of: dict[str, str] = {}  # noqa: RUF012 - msgspec copies it
    last_branch: int | None = None
    open_modules: Literal["no", "yes", "only"]

    def first(self, compute_capability: str) -> str:
        """The first driver version for this compute capability."""
        return self.first_driver_of.get(compute_capability, self.first_driver)


class Arm64(Row, frozen=True, kw_only=True):
    """GPUs that are built into arm64 machines, by chip or by device id."""

    chips: tuple[str, ...]
    devices: tuple[str, ...]


class Drivers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All branches, newest first, and the modules' flavours."""

    modules: Modules
    branch: tuple[Branch, ...]


class Architectures(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of ``architectures.toml``, oldest first."""

    architecture: tuple[Architecture, ...]
    arm64: tuple[Arm64, ...] = ()

    def get(self, name: str) -> Architecture | None:
        """The generation with that id."""
        return next((row for row in self.architecture if row.id == name), None)

    def built_into_arm64(self, device: str, chip: str) -> Arm64 | None:
        """The row that says so, where a GPU is part of an arm64 machine."""
        rows = (row for row in self.arm64 if device in row.devices or chip in row.chips)
        return next(rows, None)


def read_drivers() -> Drivers:
    """From ``drivers.toml``."""
    return read_toml("drivers.toml", Drivers)


def read_architectures() -> Architectures:
    """From ``architectures.toml``."""
    return read_toml("architectures.toml", Architectures)
