"""Which package archive a box uses: this machine's mirror of it where it has one.

Of this machine's apt sources only the addresses of the distribution's own archive are read; a box may have
another release than this machine, so its sources are written anew around those addresses.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from provision.box.systems import Distribution, System

_HOST_AND_PORT = re.compile(r"[\w.-]+:\d+")
"""A proxy's address may be written so."""


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses of a distribution's packages and of its security updates; may hold a password.

    Empty where this machine has none: then it is the one that mmdebstrap knows.
    """

    packages: str = ""
    security: str = ""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line or paragraph of apt's sources."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""


def find(distribution: Distribution, etc_apt: Path = Path("/etc/apt")) -> Archive:
    """The archive by this machine's sources."""
    packages = security = ""
    for entry in _entries(etc_apt):
        for uri in entry.uris:
            if not _serves(uri, entry, distribution):
                continue
            if any(suite.endswith("-security") for suite in entry.suites):
                security = security or uri
            if any("-" not in suite for suite in entry.suites):
                packages = packages or uri
    return Archive(packages=packages, security=security)


def one_line_sources(system: System, distribution: Distribution, archive: Archive) -> list[str]:
    """Sources in the one-line form, which mmdebstrap takes."""
    components = " ".join(distribution.components)
    return [
        f"deb [signed-by={distribution.keyring}] {uri} {suite} {components}\n"
        for uri, suites in _suites(system, archive)
        for suite in suites
    ]


def deb822_sources(system: System, distribution: Distribution, archive: Archive) -> str:
    """Sources in the form that current installers write."""
    return "\n".join(
        f"Types: deb\nURIs: {uri}\nSuites: {' '.join(suites)}\n"
        f"Components: {' '.join(distribution.components)}\nSigned-By: {distribution.keyring}\n"
        for uri, suites in _suites(system, archive)
    )


def reachable_from_box(address: str) -> bool:
    """Whether a box can use an address: not a file, and not this machine's loopback."""
    bare = _HOST_AND_PORT.fullmatch(address)
    parts = urlsplit(f"http://{address}" if bare else address)
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not host or host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


def _suites(system: System, archive: Archive) -> tuple[tuple[str, tuple[str, ...]], ...]:
    name = system.codename
    places = (
        (archive.packages, (name, f"{name}-updates")),
        (archive.security, (f"{name}-security",)),
    )
    # Security updates alone make no system.
    return tuple(place for place in places if place[0] and archive.packages)


def _serves(uri: str, entry: Entry, distribution: Distribution) -> bool:
    """Third parties use the folder ``debian`` too; their key and their components tell them apart."""
    folder = urlsplit(uri).path.rstrip("/").rpartition("/")[2]
    own_key = not entry.signed_by or Path(entry.signed_by) == Path(distribution.keyring)
    main = "main" in entry.components
    return folder in distribution.folders and own_key and main and reachable_from_box(uri)


def _entries(etc_apt: Path) -> Iterator[Entry]:
    folder = etc_apt / "sources.list.d"
    for path in (etc_apt / "sources.list", *sorted(folder.glob("*.list"))):
        if path.is_file():
            yield from _one_line_entries(path.read_text(errors="replace").splitlines())
    for path in sorted(folder.glob("*.sources")):
        yield from _deb822_entries(path.read_text(errors="replace"))


def _one_line_entries(lines: Iterable[str]) -> Iterator[Entry]:
    for line in lines:
        words = line.partition("#")[0].split()
        if not words or words[0] != "deb":
            continue
        words = words[1:]
        options: list[str] = []
        if words and words[0].startswith("["):
            end = next((i for i, word in enumerate(words) if word.endswith("]")), len(words) - 1)
            options = " ".join(words[: end + 1]).strip("[] ").split()
            words = words[end + 1 :]
        if len(words) < 2:  # noqa: PLR2004 - apt.sources(5): an address and a suite
            continue
        signed_by = next((o.partition("=")[2] for o in options if o.startswith("signed-by=")), "")
        yield Entry(
            uris=(words[0],), suites=(words[1],), components=tuple(words[2:]), signed_by=signed_by
        )


def _deb822_entries(text: str) -> Iterator[Entry]:
    for paragraph in _paragraphs(text):
        if paragraph.get("enabled", "yes").strip().lower() in {"no", "false", "0"}:
            continue
        if "deb" not in paragraph.get("types", "").split():
            continue
        yield Entry(
            uris=tuple(paragraph.get("uris", "").split()),
            suites=tuple(paragraph.get("suites", "").split()),
            components=tuple(paragraph.get("components", "").split()),
            signed_by=paragraph.get("signed-by", "").strip(),
        )


def _paragraphs(text: str) -> Iterator[dict[str, str]]:
    fields: dict[str, str] = {}
    name = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields
            fields, name = {}, ""
        elif line[0].isspace():
            fields[name] = f"{fields.get(name, '')}\n{line.strip()}"
        else:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
