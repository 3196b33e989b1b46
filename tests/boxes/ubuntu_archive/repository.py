"""An apt repository in memory: what it holds can change between two steps of a test."""

from __future__ import annotations

import fnmatch
import hashlib
from email.utils import formatdate
from typing import TYPE_CHECKING

import msgspec

from ubuntu_archive.package import Deb, Package, build

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ubuntu_archive.signing import Key

ARCHITECTURE = "amd64"


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """What a repository says of itself; without components it is flat (suite ``/``)."""

    origin: str
    label: str
    suite: str = ""
    components: tuple[str, ...] = ()


class Repository:
    """Packages below ``prefix``, signed with ``key``.

    Attributes:
        prefix: path on the server, with slashes at both ends.
        signed: without it there is a Release file and no signature.
    """

    def __init__(self, prefix: str, release: Release, key: Key) -> None:
        self.prefix = prefix
        self.release = release
        self.key = key
        self.signed = True
        self._debs: dict[str, Deb] = {}
        self._rendered: dict[str, bytes] = {}
        self._stale: dict[str, bytes] = {}
        self._requests_until_synced = 0

    @property
    def packages(self) -> list[Package]:
        """What it holds now."""
        return [deb.package for deb in self._debs.values()]

    def publish(self, packages: Iterable[Package]) -> None:
        """Add packages; one of the same name and version is replaced."""
        for package in packages:
            self._debs[package.file_name] = build(package)
        self._rendered.clear()

    def withdraw(self, version: str = "*", name: str = "*") -> list[str]:
        """Remove the packages whose version and name match the patterns; returns their file names."""
        gone = [
            deb.package.file_name
            for deb in self._debs.values()
            if fnmatch.fnmatch(deb.package.version, version)
            and fnmatch.fnmatch(deb.package.name, name)
        ]
        for file_name in gone:
            del self._debs[file_name]
        self._rendered.clear()
        return gone

    def mid_sync(self, requests: int) -> None:
        """For so many requests of an index, it is not the one that the signed file names."""
        self._stale = {
            path: content + b"\n"
            for path, content in self._files().items()
            if path.endswith("/Packages")
        }
        self._requests_until_synced = requests

    def get(self, path: str) -> bytes | None:
        """The file at ``path`` on the server; None for 404."""
        if self._requests_until_synced and path in self._stale:
            self._requests_until_synced -= 1
            return self._stale[path]
        return self._files().get(path)

    def _files(self) -> dict[str, bytes]:
        if not self._rendered:
            self._rendered = self._render()
        return self._rendered

    def _render(self) -> dict[str, bytes]:
        release = self.release
        top = f"{self.prefix}dists/{release.suite}/" if release.components else self.prefix
        pool = "pool/" if release.components else "./"
        files = {
            f"{self.prefix}{pool.removeprefix('./')}{name}": deb.content
            for name, deb in self._debs.items()
        }
        indexes: dict[str, bytes] = {}
        for component in release.components or ("",):
            stanzas = [
                d.stanza(pool) for d in self._debs.values() if d.package.component == component
            ]
            where = f"{component}/binary-{ARCHITECTURE}/" if component else ""
            indexes[f"{where}Packages"] = "".join(stanzas).encode()
        statement = self._statement(indexes)
        files |= {f"{top}{path}": content for path, content in indexes.items()}
        files[f"{top}Release"] = statement
        if self.signed:
            files[f"{top}InRelease"] = self.key.clear_sign(statement)
            files[f"{top}Release.gpg"] = self.key.detached(statement)
        return files

    def _statement(self, indexes: dict[str, bytes]) -> bytes:
        release = self.release
        fields = {
            "Origin": release.origin,
            "Label": release.label,
            "Suite": release.suite,
            "Codename": release.suite,
            "Architectures": ARCHITECTURE,
            "Components": " ".join(release.components),
            "Date": formatdate(usegmt=True),
        }
        lines = [f"{name}: {value}" for name, value in fields.items() if value]
        sums = [
            f" {hashlib.sha256(content).hexdigest()} {len(content)} {path}"
            for path, content in indexes.items()
        ]
        return "\n".join([*lines, "SHA256:", *sums, ""]).encode()
