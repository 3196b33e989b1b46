"""Places on the network that a plan depends on, tried from the rig itself."""

from __future__ import annotations

import msgspec

from provision.catalogue.rows import Row, read_toml


class Place(Row, frozen=True, kw_only=True):
    """A place to try to reach.

    Attributes:
        name: by which ``Facts.network`` has the answer; a package repository's is its id.
        url: a small page whose answer shows that it is reached.
        with_gpu: only rigs with a GPU need it.
    """

    name: str
    url: str
    with_gpu: bool = False


class Places(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of ``places.toml``."""

    place: tuple[Place, ...]


def read_places() -> tuple[Place, ...]:
    """From ``places.toml``."""
    return read_toml("places.toml", Places).place
