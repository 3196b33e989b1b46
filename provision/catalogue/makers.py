"""What makes environments, and where it comes from."""

from __future__ import annotations

import msgspec

from provision.catalogue.rows import Row, read_toml


class Conda(Row, frozen=True, kw_only=True):
    """The channel; ``probe`` is a small page whose answer shows that it is reached; ``pythons`` best first."""

    channel: str
    probe: str
    pythons: tuple[str, ...]


class Miniforge(Row, frozen=True, kw_only=True):
    """Where the installer comes from."""

    probe: str


class Makers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of ``makers.toml``."""

    conda: Conda
    miniforge: Miniforge


def read_makers() -> Makers:
    """From ``makers.toml``."""
    return read_toml("makers.toml", Makers)
