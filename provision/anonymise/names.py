"""The names in a transcript: of users, hosts, domains; and serial numbers, which have no form of their own."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.facts.reading import Transcript

NEUTRAL = frozenset(
    re.findall(
        r"\S+",
        """
        root user admin administrator local localhost debian ubuntu linux nvidia cuda gpu cpu python python3 tensorflow
        torch jax conda venv pip apt dpkg sudo ssh systemd kernel bin boot dev etc home lib lib64 media mnt opt proc
        run sbin srv sys tmp usr var log daemon nobody none unknown yes no on off http https port performance powersave
        default index true false
        """,
    )
)
"""Names of accounts and hosts that name nobody, or that would take a word away which the checks read."""

_PUBLIC = (
    *(
        "nvidia.com",
        "debian.org",
        "ubuntu.com",
        "canonical.com",
        "launchpad.net",
        "launchpadcontent.net",
    ),
    *(
        "python.org",
        "anaconda.org",
        "anaconda.com",
        "pytorch.org",
        "astral.sh",
    ),
    *("github.com", "githubusercontent.com", "googleapis.com", "kernel.org"),
)
"""Where packages come from: a mirror's name would tell whose rig it is, theirs tells nothing."""

_URL = re.compile(r"://(?:[^\s/@\"']*@)?([A-Za-z0-9][A-Za-z0-9.-]*)")
_USER_IN_URL = re.compile(r"://([^\s/@:\"']+)(?::[^\s/@\"']*)?@")
_HOME = re.compile(r"/(?:home|Users)/([^\s/\"':;,<>]+)")
_IN_ID = re.compile(r"\buid=\d+\(([^)\s]+)\)")
_SERVER = re.compile(
    r"(?:[Rr]esolve host:?|[Cc]onnect to|[Cc]onnected to|the name|server|host) "
    r"([A-Za-z0-9][A-Za-z0-9-]*(?:\.[A-Za-z0-9-]+)+)"
)
_REMOTE = re.compile(r"^(?://([\w.-]+)/|([A-Za-z][\w.-]*):/)", re.MULTILINE)
"""A file system of another machine's, in df."""

_SERIAL = re.compile(
    r"(?i)serial(?:[ _-]?(?:number|no\.?))?[\"']?\s*[:=>]\s*[\"']?([A-Z0-9][A-Z0-9._-]{4,})|<pdi>\s*([A-Z0-9]{5,})"
)
_SHORTEST_NUMBER = 7
"""Digits of a serial number; shorter ones stand for much else."""


def words(transcript: Transcript) -> Iterator[tuple[str, str]]:
    """Names to replace wherever they stand, in lower case, with their kind; first what matters least."""
    texts = [text for one in transcript.outcomes.values() for text in (one.out, one.err)]
    for text in texts:
        for match in _SERIAL.finditer(text):
            yield from _serial(match[1] or match[2])
        for kind, form in (
            ("host", _URL),
            ("host", _SERVER),
            ("user", _USER_IN_URL),
            ("user", _IN_ID),
            ("user", _HOME),
        ):
            for found in form.findall(text):
                yield from _named(kind, found)
    for name, outcome in transcript.outcomes.items():
        if name.startswith("df_"):
            for match in _REMOTE.finditer(outcome.out):
                yield from _named("host", match[1] or match[2])
    yield from _named("user", transcript.login)
    user, at, place = transcript.target.rpartition("@")
    if at:
        yield from _named("user", user.rpartition("/")[2])
    lines = transcript.lines("uname")
    for host in (re.sub(r"^ssh://|:\d+$", "", place), *lines[1:2]):
        yield from _host(host.strip("[]"))


def _host(name: str) -> Iterator[tuple[str, str]]:
    """A host's whole name, its short one, and the domain, which others have too."""
    if _is_address(name):
        return
    short, dot, domain = name.partition(".")
    if dot and "." in domain and not _is_public(domain):
        yield from _named("domain", domain)
    yield from _named("host", short)
    yield from _named("host", name)


def _named(kind: str, name: str) -> Iterator[tuple[str, str]]:
    name = name.strip().strip(".").lower()
    if not is_neutral(name) and not _is_address(name) and not (kind == "host" and _is_public(name)):
        yield name, kind


def _serial(text: str) -> Iterator[tuple[str, str]]:
    digits = text.isdigit()
    if any(c.isdigit() for c in text) and (not digits or len(text) >= _SHORTEST_NUMBER):
        yield text.lower(), "serial"


def is_neutral(name: str) -> bool:
    """Whether a login or a host of this name gives nobody away."""
    return len(name) < 2 or name.lower() in NEUTRAL or name.isdigit()  # noqa: PLR2004 - one letter names nobody


def _is_public(host: str) -> bool:
    return any(host == known or host.endswith(f".{known}") for known in _PUBLIC)


def _is_address(text: str) -> bool:
    """It has a form of its own."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
