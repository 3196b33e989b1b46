"""The root file system that boxes stand on: made once by mmdebstrap, kept, and never written again."""

from __future__ import annotations

import hashlib
import secrets
import shlex
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from provision.box import archive, disk, folders, inherit
from provision.box.errors import BoxError
from provision.box.process import run
from provision.box.systems import table

if TYPE_CHECKING:
    from provision.box.inherit import Inheritance
    from provision.box.systems import System

_LIMIT = 900.0
"""Seconds for mmdebstrap: about 30 on a good network."""
_LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*")


def root(system: System, inheritance: Inheritance, *, python: bool) -> Path:
    """The root for this system, made first where there is none; a minute then, nothing afterwards.

    Raises:
        BoxError: mmdebstrap failed.
    """
    path = folders.roots() / f"{system.codename}-{_digest(system, python=python)}"
    if path.is_dir():
        return path
    with folders.locked(path.name):
        if not path.is_dir():
            _make(path, system, inheritance, python=python)
    return path


def _digest(system: System, *, python: bool) -> str:
    distribution = table().distributions[system.distribution]
    recipe = (
        system.codename,
        distribution.components,
        _packages(python=python),
        table().root.masked_units,
        _LEFT_OUT,
        _hook().read_text(),
    )
    return hashlib.sha256(msgspec.json.encode(recipe)).hexdigest()[:12]


def _packages(*, python: bool) -> tuple[str, ...]:
    packages = table().root
    return packages.packages + (packages.python_packages if python else ())


def _hook() -> Path:
    return Path(__file__).with_name("customize.sh")


def _make(path: Path, system: System, inheritance: Inheritance, *, python: bool) -> None:
    distribution = table().distributions[system.distribution]
    sources = archive.one_line_sources(system, distribution, inheritance.archive)
    for left in path.parent.glob(f"making-{path.name}-*"):  # of a maker that was killed
        with suppress(OSError, BoxError):
            disk.delete(left)
    scratch = path.with_name(f"making-{path.name}-{secrets.token_hex(4)}")
    scratch.mkdir()
    try:
        _bootstrap(scratch, system, sources, inheritance, python=python)
        _mask(scratch / "root")
        (scratch / "root").rename(path)
    finally:
        disk.delete(scratch)


def _bootstrap(
    scratch: Path, system: System, sources: list[str], inheritance: Inheritance, *, python: bool
) -> None:
    # files, because an address or a proxy may hold a password and argv is public
    listing = scratch / "sources.list"
    listing.write_text("".join(sources))
    options = scratch / "apt.conf"
    options.write_text(inherit.apt_conf(inheritance.apt_options) or "// none\n")
    argv = [
        *("setpriv", "--pdeathsig", "TERM", "--", "mmdebstrap"),
        "--variant=minbase",
        "--mode=root",
        "--format=directory",
        f"--include={','.join(_packages(python=python))}",
        f"--aptopt={options}",
        '--aptopt=Acquire::Languages "none"',
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT),
        f'--customize-hook=sh {shlex.quote(str(_hook()))} "$1" {"own" if sources else "default"}',
        system.codename,
        str(scratch / "root"),
        # Without it mmdebstrap takes the distribution's own archive.
        *([str(listing)] if sources else []),
    ]
    try:
        run(argv, limit=_LIMIT)
    except BoxError as error:
        raise BoxError(
            f"the root file system for {system.codename} could not be made",
            hint=error.hint,
            reference="box-root-failed",
        ) from error


def _mask(made: Path) -> None:
    for unit in table().root.masked_units:
        link = made / "etc/systemd/system" / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")
