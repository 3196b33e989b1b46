"""What every row of the catalogue says of itself, and how its files are read."""

from __future__ import annotations

import datetime as dt
from importlib import resources
from typing import Literal, TypeVar

import msgspec

from provision import decode

Confidence = Literal["high", "medium", "low"]
T = TypeVar("T")


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a row comes from, when it was read, and how sure it is."""

    source: str
    date: dt.date
    confidence: Confidence


def read_toml(name: str, form: type[T]) -> T:
    """A file of ``provision/catalog/``.

    Raises:
        msgspec.ValidationError: a key is unknown, missing or wrong.
    """
    return decode.toml(read_bytes(name), form)


def read_bytes(name: str) -> bytes:
    """As it is."""
    return (resources.files("provision") / "catalog" / name).read_bytes()
