"""Wishes with one of them less: to see which are to blame, and what would be near."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from provision.wishes import DriverSource, Modules, Wishes

if TYPE_CHECKING:
    from collections.abc import Iterator

_SINGLE: dict[str, str] = {
    "driver": "",
    "driver_source": DriverSource.AUTO,
    "modules": Modules.AUTO,
    "python": "",
    "tensorflow": "",
    "torch": "",
    "jax": "",
}
"""Wishes with one value → the value that asks for nothing."""
_LISTS = ("cuda", "env")


def asked(wishes: Wishes) -> Iterator[tuple[str, str]]:
    """(field, value) of everything that was asked for; a value of a list each for itself."""
    for name, nothing in _SINGLE.items():
        value = getattr(wishes, name)
        if value != nothing:
            yield name, value
    for name in _LISTS:
        for value in dict.fromkeys(getattr(wishes, name)):
            yield name, value


def without(wishes: Wishes, name: str, value: str) -> Wishes:
    """The wishes without one; without the last of the environments, the default ones are meant."""
    rest: object = _SINGLE.get(name, "")
    if name in _LISTS:
        rest = tuple(other for other in getattr(wishes, name) if other != value)
    return msgspec.structs.replace(wishes, **{name: rest})


def without_one(wishes: Wishes, constraints: set[str]) -> Iterator[Wishes]:
    """The wishes without one of those that conflict (``wish-driver``, ``wish-cuda`` …)."""
    for name, value in asked(wishes):
        if name != "env" and f"wish-{name.replace('_', '-')}" in constraints:
            yield without(wishes, name, value)
