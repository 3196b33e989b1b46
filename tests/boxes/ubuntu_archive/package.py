"""A Debian package, written without any tool: deb(5) is an ar archive of two tar archives."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import PurePosixPath

import msgspec

_TIME = 1735689600
"""2025-01-01: the same package gets the same bytes whenever it is written."""


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """What goes into one .deb.

    Attributes:
        component: of the archive that it belongs to; empty in a flat repository.
        fields: further control fields, e.g. ``{"Depends": "dkms"}``; empty ones are left out.
        files: absolute path → content; what begins with ``#!`` is executable.
        links: absolute path → where the symbolic link leads.
        scripts: maintainer script, or another control file as ``triggers`` → text.
    """

    name: str
    version: str
    architecture: str = "amd64"
    section: str = "restricted/misc"
    component: str = ""
    origin: str = "Ubuntu"
    fields: Mapping[str, str] = {}
    files: Mapping[str, bytes] = {}
    links: Mapping[str, str] = {}
    scripts: Mapping[str, str] = {}

    @property
    def file_name(self) -> str:
        """As dpkg-name(1) has it."""
        return f"{self.name}_{self.version}_{self.architecture}.deb"

    @property
    def control(self) -> str:
        """The control file, without what only an archive's index says."""
        always = {
            "Package": self.name,
            "Version": self.version,
            "Architecture": self.architecture,
            "Maintainer": "Simulated <simulated@example.org>",
            "Installed-Size": "16",
            "Section": self.section,
            "Priority": "optional",
        }
        more = {name: value for name, value in self.fields.items() if value}
        text = f"simulated {self.name}\n Stands for {self.origin}'s package of this name in tests."
        return "".join(f"{k}: {v}\n" for k, v in {**always, **more, "Description": text}.items())


class Deb(msgspec.Struct, frozen=True, kw_only=True):
    """A package and its bytes."""

    package: Package
    content: bytes

    def stanza(self, folder: str) -> str:
        """Its paragraph in an index, with the file at ``folder``."""
        digest = hashlib.sha256(self.content).hexdigest()
        where = f"Filename: {folder}{self.package.file_name}\nSize: {len(self.content)}\n"
        return f"{self.package.control}{where}SHA256: {digest}\n\n"


def build(package: Package) -> Deb:
    """Write the package."""
    sums = "".join(
        f"{hashlib.md5(content, usedforsecurity=False).hexdigest()}  {path.lstrip('/')}\n"
        for path, content in sorted(package.files.items())
    )
    control = {"/control": package.control.encode(), "/md5sums": sums.encode()}
    control |= {f"/{name}": text.encode() for name, text in package.scripts.items()}
    members = (
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", _tar(control, {})),
        ("data.tar.gz", _tar(package.files, package.links)),
    )
    content = b"!<arch>\n" + b"".join(_member(name, data) for name, data in members)
    return Deb(package=package, content=content)


def _member(name: str, data: bytes) -> bytes:
    header = f"{name:<16}{_TIME:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n"
    return header.encode() + data + b"\n" * (len(data) % 2)


def _tar(files: Mapping[str, bytes], links: Mapping[str, str]) -> bytes:
    paths = [PurePosixPath(path) for path in (*files, *links)]
    folders = sorted({parent for path in paths for parent in path.parents} - {PurePosixPath("/")})
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for folder in (PurePosixPath("/"), *folders):
            tar.addfile(_entry(str(folder), tarfile.DIRTYPE, 0o755))
        for path, content in sorted(files.items()):
            entry = _entry(path, tarfile.REGTYPE, 0o755 if content.startswith(b"#!") else 0o644)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        for path, target in sorted(links.items()):
            entry = _entry(path, tarfile.SYMTYPE, 0o777)
            entry.linkname = target
            tar.addfile(entry)
    return gzip.compress(raw.getvalue(), compresslevel=1, mtime=_TIME)


def _entry(path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(f".{path}")
    entry.type, entry.mode, entry.mtime = kind, mode, _TIME
    entry.uname = entry.gname = "root"
    return entry
