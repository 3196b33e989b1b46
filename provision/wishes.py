"""What the user asked for, from options or from inventory variables of the same names."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import msgspec

from provision.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Maker(enum.StrEnum):
    """What makes the environments."""

    AUTO = "auto"
    CONDA = "conda"
    VENV = "venv"


class Wishes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be wished; each field is ``--field-name`` and ``dlrig_field_name``.

    Attributes:
        environment_maker: ``auto`` takes conda where the rig reaches a channel, else venv.
        conda_channel: URL of a channel to use instead of conda-forge: a mirror, ``file://…``.
        miniforge_url: URL of the Miniforge installer, where it does not come from its own home.
        miniforge_checksum: ``sha256:…`` of that installer.
        index_url: package index to use instead of the rig's own configuration.
        tensorflow: a version specifier such as ``==2.20.0``; empty for the newest that fits.
    """

    environment_maker: Maker = Maker.AUTO
    conda_channel: str = ""
    miniforge_url: str = ""
    miniforge_checksum: str = ""
    index_url: str = ""
    tensorflow: str = ""


PREFIX = "dlrig_"


def with_variables(wishes: Wishes, variables: Mapping[str, Any], where: str) -> Wishes:
    """Fill what the options left at its default from an inventory's ``dlrig_*`` variables.

    Raises:
        UsageError: a variable of that prefix is unknown or has a wrong value.
    """
    asked = {
        name.removeprefix(PREFIX): value
        for name, value in variables.items()
        if name.startswith(PREFIX)
    }
    options = {
        name: value
        for name, value in msgspec.to_builtins(wishes).items()
        if value != msgspec.to_builtins(Wishes())[name]
    }
    return make_wishes({**asked, **options}, where)


def make_wishes(values: Mapping[str, Any], where: str) -> Wishes:
    """Validate wishes.

    Raises:
        UsageError: a name is unknown, a value is wrong, or a URL holds a password.
    """
    try:
        wishes = msgspec.convert(dict(values), Wishes)
    except msgspec.ValidationError as error:
        known = ", ".join(PREFIX + field for field in Wishes.__struct_fields__)
        raise UsageError(
            f"{error}",
            where=where,
            hint=f"What can be wished: {known}",
            reference="bad-wish",
        ) from error
    for name in ("conda_channel", "miniforge_url", "index_url"):
        if "@" in getattr(wishes, name).partition("://")[2].partition("/")[0]:
            raise UsageError(
                f"a password in {name} is refused: it would end in files, logs and process lists",
                where=where,
                hint="Put it where pip and conda look for it on the rig: ~/.netrc, /etc/pip.conf, ~/.condarc.",
                reference="password-in-url",
            )
    return wishes
