"""A private address range for a box that nothing on this machine uses."""

from __future__ import annotations

import ipaddress
import json
import random
from pathlib import Path
from typing import TYPE_CHECKING

from provision.box.errors import BoxError
from provision.box.process import run

if TYPE_CHECKING:
    from collections.abc import Iterable

_POOLS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
"""Private ranges (RFC 1918), tried in this order."""
_TRIES = 200
RESOLVERS = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
"""The second names the real servers where the first names systemd-resolved's own address."""


def pick(used: Iterable[str], seed: str) -> ipaddress.IPv4Network:
    """A /30 that overlaps none of ``used``, found by random tries that ``seed`` repeats.

    Raises:
        BoxError: everything private is taken.
    """
    taken = [ipaddress.IPv4Network(item) for item in used]
    chance = random.Random(seed)  # noqa: S311 - spreads addresses; no secret
    for pool in map(ipaddress.IPv4Network, _POOLS):
        for _ in range(_TRIES):
            start = int(pool.network_address) + 4 * chance.randrange(pool.num_addresses // 4)
            candidate = ipaddress.IPv4Network((start, 30))
            if not any(candidate.overlaps(other) for other in taken):
                return candidate
    raise BoxError(
        "no private address range is free for the box's network",
        hint="this machine has routes for all of 10/8, 172.16/12 and 192.168/16: see `ip route`",
        reference="box-no-subnet",
    )


def used_here() -> list[str]:
    """Networks that this machine has a route to (the default one aside), and its name servers."""
    routes = json.loads(run(["ip", "-json", "-4", "route", "show", "table", "all"]).stdout or "[]")
    networks = [str(route["dst"]) for route in routes if route.get("dst", "default") != "default"]
    servers = [server for path in RESOLVERS for server in nameservers(path)]
    return [*networks, *(server for server in servers if ":" not in server)]


def nameservers(path: Path) -> list[str]:
    """The name servers of a resolv.conf(5); none where the file does not exist."""
    if not path.is_file():
        return []
    lines = (line.split() for line in path.read_text().splitlines())
    return [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]


def resolv_conf(paths: Iterable[Path] = RESOLVERS) -> str:
    """The text of a resolv.conf whose name servers a box can reach.

    Raises:
        BoxError: this machine only knows servers on its own loopback.
    """
    for path in paths:
        servers = nameservers(path)
        if servers and not any(ipaddress.ip_address(s.split("%")[0]).is_loopback for s in servers):
            return path.read_text()
    raise BoxError(
        "this machine's name servers cannot be reached from a box: they are on its loopback",
        where="/etc/resolv.conf",
        hint="name a server that the network knows there, or start the box without a network",
        reference="box-no-nameserver",
    )
