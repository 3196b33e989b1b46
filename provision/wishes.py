"""What the user asked for, from options or from inventory variables of the same names."""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Any

import msgspec

from provision import decode
from provision.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class Maker(enum.StrEnum):
    """What makes the environments."""

    AUTO = "auto"
    CONDA = "conda"
    VENV = "venv"


class DriverSource(enum.StrEnum):
    """Where the driver comes from."""

    AUTO = "auto"
    UBUNTU = "ubuntu"
    NVIDIA = "nvidia"
    DEBIAN = "debian"


class Modules(enum.StrEnum):
    """The flavour of NVIDIA's kernel modules."""

    AUTO = "auto"
    OPEN = "open"
    PROPRIETARY = "proprietary"


class Existing(enum.StrEnum):
    """What becomes of a driver on the rig that no package manager has, or that is mixed from several sources."""

    STOP = "stop"
    ADOPT = "adopt"
    PURGE = "purge"


class Wishes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be wished; each field is ``--field-name`` and ``dlrig_field_name``.

    Attributes:
        environment_maker: ``auto`` takes conda where the rig reaches a channel, else venv.
        conda_channel: URL of a channel to use instead of conda-forge: a mirror, ``file://…``.
        miniforge_url: URL of the Miniforge installer, where it does not come from its own home.
        miniforge_checksum: ``sha256:…`` of that installer.
        index_url: package index to use instead of the rig's own configuration.
        driver: branch, release or specifier: ``580``, ``580.95.05``, ``>=570``; empty for the best that fits.
        driver_source: the repository that the driver comes from; ``auto`` takes the first that has it.
        modules: ``open`` or ``proprietary`` kernel modules; ``auto`` takes what fits the GPUs.
        cuda: toolkits to have side by side; empty for one that fits, ``none`` for none.
        python: version or specifier for all environments; empty for the best that fits.
        tensorflow: version or specifier; empty for the newest that fits.
        torch: the same; a wish also makes the environment ``torch``.
        jax: the same; a wish also makes the environment ``jax``.
        existing: what becomes of a driver by NVIDIA's installer, or mixed from several sources: ``stop`` before it,
            ``adopt`` the present driver, whatever it is, or ``purge`` it.
        container_toolkit: containers shall use the GPUs.
        nvidia_repository: URL of a mirror of NVIDIA's repository for the rig's system.
        ignore_display: change a driver that shows pictures too.
        ignore_kernel: build a driver also for a kernel that it was not tried on.
        watch: the rig checks itself after a change from outside; None leaves that as it is.
        env: the environments to make; empty for ``tensorflow``, and on GPUs ``tensorflow_gpu`` too.
    """

    environment_maker: Maker = Maker.AUTO
    conda_channel: str = ""
    miniforge_url: str = ""
    miniforge_checksum: str = ""
    index_url: str = ""
    driver: str = ""
    driver_source: DriverSource = DriverSource.AUTO
    modules: Modules = Modules.AUTO
    cuda: tuple[str, ...] = ()
    python: str = ""
    tensorflow: str = ""
    torch: str = ""
    jax: str = ""
    existing: Existing = Existing.STOP
    container_toolkit: bool = False
    nvidia_repository: str = ""
    ignore_display: bool = False
    ignore_kernel: bool = False
    watch: bool | None = None
    env: tuple[str, ...] = ()


NO_CUDA = "none"
"""The wish for no toolkit."""
_VERSIONS = {
    "driver": "580",
    "cuda": "12.9",
    "python": "3.12",
    "tensorflow": "2.20.0",
    "torch": "2.10.0",
    "jax": "0.10.2",
}
"""Wishes for versions, each with an example."""
_LISTS = ("cuda", "env")
_SWITCHES = ("container_toolkit", "ignore_display", "ignore_kernel", "watch")
_WORDS = {"true": True, "yes": True, "false": False, "no": False}
"""What an inventory in INI form writes for a switch."""
_PATCH = re.compile(r"==\s*\d+\.\d+\.\d+")


PREFIX = "dlrig_"


RESTART = f"{PREFIX}reboot"
"""Of the same prefix and no wish: whether a rig may be restarted (``stages.restarting``)."""


def with_variables(
    wishes: Wishes,
    variables: Mapping[str, Any],
    where: str,
    given: Collection[str] = (),
) -> Wishes:
    """Fill what the options left open from an inventory's ``dlrig_*`` variables.

    Args:
        wishes: the options'.
        variables: the host's.
        where: what an error names.
        given: wishes that stood on the command line; their default counts as an answer too.

    Raises:
        UsageError: a variable of that prefix is unknown or has a wrong value.
    """
    asked = {
        name.removeprefix(PREFIX): value
        for name, value in variables.items()
        if name.startswith(PREFIX) and name != RESTART
    }
    options = {
        name: value
        for name, value in msgspec.to_builtins(wishes).items()
        if name in given or value != msgspec.to_builtins(Wishes())[name]
    }
    return make_wishes({**asked, **options}, where)


def make_wishes(values: Mapping[str, Any], where: str) -> Wishes:
    """Validate wishes.

    Raises:
        UsageError: a name is unknown, a value is wrong, or a URL holds a password.
    """
    try:
        wishes = decode.plain(_as_text(values, where), Wishes)
    except msgspec.ValidationError as error:
        known = ", ".join(PREFIX + field for field in Wishes.__struct_fields__)
        raise UsageError(
            f"{error}",
            where=where,
            hint=f"What can be wished: {known}",
            reference="bad-wish",
        ) from error
    _check_versions(wishes)
    for name in ("conda_channel", "miniforge_url", "index_url", "nvidia_repository"):
        if "@" in getattr(wishes, name).partition("://")[2].partition("/")[0]:
            raise UsageError(
                f"a password in {name} is refused: it would end in files, logs and process lists",
                where=where,
                hint="Put it where pip and conda look for it on the rig: ~/.netrc, /etc/pip.conf, ~/.condarc.",
                reference="password-in-url",
            )
    return wishes


def _as_text(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Inventories write versions as numbers, and one toolkit without a list."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        many = value if isinstance(value, (list, tuple)) else [value]
        if any(isinstance(each, float) for each in many):
            raise UsageError(
                f"{name}: {value} is a number, in which 3.10 and 3.1 are the same",
                where=where,
                hint=f"Put it in quotes: {PREFIX}{name}: '{value}'",
                reference="bad-wish",
            )
        texts = [
            str(each).strip()
            if isinstance(each, (int, str)) and not isinstance(each, bool)
            else each
            for each in many
        ]
        if name in _SWITCHES and isinstance(value, str):
            found[name] = _WORDS.get(value.strip().lower(), value)
        else:
            one = texts[0] if many == [value] else texts
            found[name] = tuple(texts) if name in _LISTS else one
    return found


def _check_versions(wishes: Wishes) -> None:
    for name, example in _VERSIONS.items():
        value: str | tuple[str, ...] = getattr(wishes, name)
        for each in (value,) if isinstance(value, str) else value:
            if each and not (name == "cuda" and each == NO_CUDA):
                from provision.versions import wished  # noqa: PLC0415 - most runs wish no version

                spec = wished(each, f"--{name}", example)
                if name == "python" and _PATCH.fullmatch(spec):
                    raise UsageError(
                        f"Python is chosen by its series, not as {each}",
                        where="--python",
                        hint=f"For example: --python {each.rpartition('.')[0].lstrip('= ')}",
                        reference="bad-version",
                    )
    if NO_CUDA in wishes.cuda and len(wishes.cuda) > 1:
        raise UsageError(
            "no CUDA toolkit and some exclude each other",
            where="--cuda",
            hint="Leave out 'none', or the versions.",
            reference="bad-wish",
        )
