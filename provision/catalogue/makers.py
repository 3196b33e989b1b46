"""What makes environments, and where its packages come from."""

from __future__ import annotations

import msgspec

from provision.catalogue.rows import Row, read_toml


class Conda(Row, frozen=True, kw_only=True):
    """The channel; ``pythons`` best first."""

    channel: str
    pythons: tuple[str, ...]


class Makers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of ``makers.toml``."""

    conda: Conda


def read_makers() -> Makers:
    """From ``makers.toml``."""
    return read_toml("makers.toml", Makers)
