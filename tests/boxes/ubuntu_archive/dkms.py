"""Debian's dkms under Ubuntu's version, without the compilers it depends on: nothing is compiled here."""

from __future__ import annotations

import io
import subprocess
import tarfile
from typing import TYPE_CHECKING

from ubuntu_archive.package import Package

if TYPE_CHECKING:
    from pathlib import Path

VERSION = "3.0.11-1ubuntu13"
"""noble's; above bookworm's 3.0.10, so that apt takes it."""
SCRIPTS = ("postinst", "prerm", "postrm", "preinst")


def dkms(deb: Path) -> Package:
    """The real program, from Debian's package at ``deb``."""
    files, links = _contents(_read("--fsys-tarfile", deb))
    control, _ = _contents(_read("--ctrl-tarfile", deb))
    scripts = {name: control[f"/{name}"].decode() for name in SCRIPTS if f"/{name}" in control}
    kept = {path: data for path, data in files.items() if not path.startswith("/usr/share/")}
    return Package(
        name="dkms",
        version=VERSION,
        architecture="all",
        section="kernel",
        component="main",
        fields={"Depends": "kmod"},
        # the folder is empty in Debian's package, and a package here is made of files
        files={**kept, "/var/lib/dkms/.folder": b""},
        links={path: to for path, to in links.items() if not path.startswith("/usr/share/")},
        scripts=scripts,
    )


def _read(what: str, deb: Path) -> bytes:
    return subprocess.run(
        ["dpkg-deb", what, str(deb)], capture_output=True, check=True, timeout=60
    ).stdout


def _contents(tarball: bytes) -> tuple[dict[str, bytes], dict[str, str]]:
    files: dict[str, bytes] = {}
    links: dict[str, str] = {}
    with tarfile.open(fileobj=io.BytesIO(tarball)) as tar:
        for member in tar:
            path = member.name.removeprefix(".")
            if member.issym():
                links[path] = member.linkname
            elif handle := tar.extractfile(member):
                files[path] = handle.read()
    return files, links
