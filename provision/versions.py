"""Versions and specifiers, by ``packaging``: the one place where versions are compared."""

from __future__ import annotations

import functools
import re

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from provision.errors import UsageError

_BARE = re.compile(r"[0-9]+(\.[0-9]+)*")
_NO_NUMBER = re.compile(r"[0-9]{10}")
"""No version has such numbers; Python refuses to read very long ones."""
_NUMBERS_OF_A_RELEASE = 3


@functools.cache
def version(text: str) -> Version:
    """A version of the catalogue or of a rig: ``580.65.06``, ``12.9``, ``3.12``.

    Raises:
        InvalidVersion: it is none.
    """
    return Version(text)


@functools.cache
def specifier(text: str) -> SpecifierSet:
    """A specifier of the catalogue; empty allows everything.

    Raises:
        InvalidSpecifier: it is none.
    """
    return SpecifierSet(text)


@functools.cache
def allows(spec: str, text: str) -> bool:
    """Whether ``spec`` allows the version ``text``."""
    return specifier(spec).contains(version(text), prereleases=True)


def at_least(text: str, floor: str) -> bool:
    """Whether the version ``text`` is ``floor`` or newer."""
    return version(text) >= version(floor)


def wished(text: str, option: str, example: str) -> str:
    """What a person wrote for a version, as a specifier: ``580`` means any 580, ``>=2.18,<2.21`` itself.

    Raises:
        UsageError: it is neither a version nor a specifier.
    """
    bare = text.strip()
    candidate = f"=={bare}.*" if _BARE.fullmatch(bare) else bare
    if bare.count(".") >= _NUMBERS_OF_A_RELEASE - 1 and _BARE.fullmatch(bare):
        candidate = f"=={bare}"
    if not _is_specifier(candidate):
        raise UsageError(
            f"'{text}' is not a version or a version specifier",
            where=option,
            hint=f"For example: {option} {example}",
            reference="bad-version",
        )
    return candidate


def _is_specifier(text: str) -> bool:
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        return False
    return not _NO_NUMBER.search(text)
