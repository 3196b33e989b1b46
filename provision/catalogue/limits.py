"""From where on something limits a training run: from ``catalog/limits.toml``."""

from __future__ import annotations

import msgspec

from provision.catalogue.gpu_limits import Limit
from provision.catalogue.rows import read_toml


class TrainingLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of ``limits.toml``; see there."""

    limit: tuple[Limit, ...]

    def bound(self, name: str) -> float:
        """The number of a limit.

        Raises:
            KeyError: there is none of that name.
        """
        return {row.id: row.bound for row in self.limit}[name]


def read_limits() -> TrainingLimits:
    """``limits.toml``.

    Raises:
        msgspec.ValidationError: the file is wrong.
    """
    return read_toml("limits.toml", TrainingLimits)
