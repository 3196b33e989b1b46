"""What dlrig knows: ``provision/catalog/``, loaded and validated; unknown keys are refused.

A module per subject has the rows' forms; the data itself is in ``provision/catalog/`` and nowhere else. Asking a
rig needs little of it, so the rest is loaded while the rig thinks.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from provision.catalogue.places import Place, read_places
from provision.catalogue.roles import load_remedies, read_look, read_roles

if TYPE_CHECKING:
    from provision.catalogue.judged_by import Criteria
    from provision.catalogue.whole import Catalogue

__all__ = ["criteria", "driver_look", "load", "load_remedies", "managed_files", "places"]


@functools.cache
def load() -> Catalogue:
    """The catalogue that this version of dlrig carries.

    Raises:
        msgspec.ValidationError: a file of it is wrong (a test loads it).
    """
    from provision.catalogue.whole import read  # noqa: PLC0415 - see above

    return read()


@functools.cache
def criteria() -> Criteria:
    """What an acceptance judges by.

    Raises:
        msgspec.ValidationError: a file of it is wrong (a test loads it).
    """
    from provision.catalogue.judged_by import read  # noqa: PLC0415 - no plan needs it

    return read()


@functools.cache
def managed_files() -> tuple[str, ...]:
    """Paths that the roles put on a rig."""
    return tuple(file.path for file in read_roles()[1])


@functools.cache
def places() -> tuple[Place, ...]:
    """Places to try to reach from a rig."""
    return read_places()


@functools.cache
def driver_look() -> str:
    """The script that looks at a rig's driver."""
    return read_look()
