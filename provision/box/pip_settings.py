"""This machine's pip settings that mean something in a box too."""

from __future__ import annotations

import configparser
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from provision.box.archive import reachable_from_box

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ADDRESSES = ("index-url", "extra-index-url", "find-links", "proxy")
_OTHERS = ("trusted-host", "timeout", "retries")
_OLD_NAMES = {"default-timeout": "timeout"}


def collect(
    environment: Mapping[str, str] = os.environ, files: Iterable[Path] | None = None
) -> dict[str, str]:
    """Settings as ``pip.conf``'s ``[global]`` section has them; addresses may hold a password.

    Later files win over earlier ones and the environment over all, as in pip
    (https://pip.pypa.io/en/stable/topics/configuration/). What points to this machine's files or loopback
    is left out.
    """
    merged: dict[str, str] = {}
    for path in default_files(environment) if files is None else files:
        merged |= _section(path)
    for name in (*_OLD_NAMES, *_ADDRESSES, *_OTHERS):
        value = environment.get(f"PIP_{name.replace('-', '_').upper()}", "")
        if value:
            merged[_OLD_NAMES.get(name, name)] = value
    settings = {name: merged[name] for name in _OTHERS if merged.get(name)}
    for name in _ADDRESSES:
        usable = [item for item in merged.get(name, "").split() if reachable_from_box(item)]
        if usable:
            settings[name] = " ".join(usable)
    return settings


def default_files(environment: Mapping[str, str]) -> list[Path]:
    """The files that pip reads, least binding first."""
    home = Path.home()
    xdg = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    files = [Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf")]
    files += [home / ".pip/pip.conf", xdg / "pip/pip.conf", Path(sys.prefix) / "pip.conf"]
    named = environment.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return []
    return [*files, Path(named)] if named else files


def conf(settings: Mapping[str, str]) -> str:
    """The text of a ``pip.conf``."""
    lines = [f"{name} = {value}" for name, value in sorted(settings.items())]
    return "\n".join(["[global]", *lines, ""])


def _section(path: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError, OSError):
        return {}
    sections = ("global", "install")
    return {
        _OLD_NAMES.get(key, key): value
        for name in sections
        if parser.has_section(name)
        for key, value in parser.items(name)
    }
