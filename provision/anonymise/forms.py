"""What can be told by its form: UUIDs, addresses, ids. And how a replacement is written."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_HEX = "[0-9a-fA-F]"
_QUAD = r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}"
_LEFT, _RIGHT = r"(?<![0-9A-Za-z])", r"(?![0-9A-Za-z])"
_FORMS = {
    "card": rf"(?<=GPU-){_HEX}[0-9a-fA-F-]{{6,}}|(?<=MIG-){_HEX}[0-9a-fA-F-]{{6,}}",
    "uuid": rf"{_LEFT}{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}{_RIGHT}",
    "wwn": rf"(?<=wwn-0x){_HEX}{{16,32}}",
    "hash": rf"{_LEFT}{_HEX}{{32}}{_RIGHT}",
    "mac": rf"(?<![0-9A-Za-z:.]){_HEX}{{2}}(?::{_HEX}{{2}}){{5}}(?![0-9A-Za-z:.])",
    "guid": rf"(?<=(?i:guid)[:= ]){_HEX}{{4}}(?::{_HEX}{{4}}){{3}}(?![0-9A-Za-z:.])",
    "ipv6": rf"(?<![0-9A-Za-z:.]){_HEX}{{0,4}}(?::{_HEX}{{0,4}}){{2,7}}(?:(?<=:){_QUAD})?(?![0-9A-Za-z:])",
    "ipv4": rf"(?<![\w.-]){_QUAD}(?![\w-]|\.\w)",
}
"""In the order in which they are tried at one place."""

_IN_URLS = rf"(?:(?<=://)|(?<=@)){_QUAD}(?![\w-]|\.\w)|(?<![\w.-]){_QUAD}(?=:\d{{2,5}}\b)"
"""An address in a URL, or one with a port."""

_UUID_LENGTH = 36
_NOBODYS = int(ipaddress.IPv4Address("198.18.0.0"))
"""RFC 2544: for tests of devices, never anybody's."""


def _uuid(number: int, text: str) -> str:
    made = f"{number:08x}-0000-4000-8000-{number:012x}"
    return made[: max(len(text), 8)] if len(text) < _UUID_LENGTH else made


def _mac(number: int, _: str) -> str:
    # The bit 0x02 of the first byte: given locally, no maker's.
    return "02:" + ":".join(f"{number:010x}"[place : place + 2] for place in range(0, 10, 2))


MADE: dict[str, Callable[[int, str], str]] = {
    "rig": lambda number, _: f"rig-{number}",
    "user": lambda number, _: f"user-{number}",
    "host": lambda number, text: f"host-{number}.example" if "." in text else f"host-{number}",
    "domain": lambda number, _: f"domain-{number}.example",
    "serial": lambda number, _: f"SERIAL{number:06}",
    "machine": lambda number, _: f"{number:016x}",
    "card": _uuid,
    "uuid": _uuid,
    "wwn": lambda number, text: f"{number:0{len(text)}x}",
    "hash": lambda number, _: f"{number:032x}",
    "mac": _mac,
    "guid": lambda number, _: f"0000:0000:0000:{number & 0xFFFF:04x}",
    "ipv4": lambda number, _: str(ipaddress.IPv4Address(_NOBODYS + number)),
    "ipv6": lambda number, _: f"2001:db8::{number:x}",
}
"""Kind → how the n-th of them is written."""


def pattern(words: Iterable[str], *, with_versions: bool) -> re.Pattern[str]:
    """Everything that is replaced, in one pass: a replacement is never replaced again.

    Args:
        words: names, in lower case.
        with_versions: the text lists versions: four numbers are an address only inside a URL.
    """
    forms = {**_FORMS, "ipv4": _IN_URLS} if with_versions else _FORMS
    named = [f"(?P<{kind}>{form})" for kind, form in forms.items()]
    longest_first = sorted(words, key=len, reverse=True)
    if longest_first:
        every = "|".join(re.escape(word) for word in longest_first)
        named.append(f"(?P<word>{_LEFT}(?i:{every}){_RIGHT})")
    return re.compile("|".join(named))


def means_nobody(kind: str, text: str) -> bool:
    """Not an address after all, or one that every machine has."""
    if kind not in {"ipv4", "ipv6"}:
        return False
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return True
    return address.is_loopback or address.is_unspecified or text == "255.255.255.255"
