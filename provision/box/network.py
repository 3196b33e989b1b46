"""A box's network: a namespace, a link to this machine, and address translation for the way out."""

from __future__ import annotations

import ipaddress
import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from provision.box import folders, record
from provision.box.errors import BoxError
from provision.box.process import found, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.box.record import Record

_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
_MOST_RULES = 5
"""A rule is deleted at most so often, so that a tool that lies cannot keep us here."""


def addresses(subnet: str) -> tuple[str, str]:
    """This machine's and the box's address in the box's /30."""
    here, there = ipaddress.IPv4Network(subnet).hosts()
    return str(here), str(there)


def create(box: Record) -> None:
    """Make the network; ``box`` is on record already, so that a crash leaves nothing unknown."""
    here, there = addresses(box.subnet)
    name, link = box.machine, box.link
    mtu = _uplink_mtu()
    run(["ip", "netns", "add", name])
    peer = ["peer", "name", "eth0", "mtu", mtu, "netns", name]
    run(["ip", "link", "add", link, "mtu", mtu, "type", "veth", *peer])
    run(["ip", "address", "add", f"{here}/30", "dev", link])
    run(["ip", "link", "set", link, "up"])
    for words in (
        ["address", "add", f"{there}/30", "dev", "eth0"],
        ["link", "set", "eth0", "up"],
        ["link", "set", "lo", "up"],
    ):
        run(["ip", "-netns", name, *words])
    if box.network == "nat":
        run(["ip", "-netns", name, "route", "add", "default", "via", here])
        _forward()
        _translate(box)


def remove(box: Record) -> None:
    """Remove whatever of the network exists."""
    if box.network == "nat":
        _stop_translating(box)
        _stop_forwarding(box)
    run(["ip", "link", "delete", box.link], check=False)
    run(["ip", "netns", "delete", box.machine], check=False)


def processes(box: Record) -> list[int]:
    """Every process in the box's network namespace, which are the box's."""
    done = run(["ip", "netns", "pids", box.machine], check=False)
    return [int(word) for word in done.stdout.split()]


def _uplink_mtu() -> str:
    """The way out may carry less than Ethernet's 1500 bytes; a box that sends more loses packets."""
    routes = json.loads(run(["ip", "-json", "route", "show", "default"]).stdout or "[]")
    if not routes:
        return "1500"
    return Path(f"/sys/class/net/{routes[0]['dev']}/mtu").read_text().strip()


def _forward() -> None:
    before = folders.running() / "ip_forward"
    value = _FORWARD.read_text().strip()
    if value == "0":
        before.write_text(value)
        _FORWARD.write_text("1")


def _stop_forwarding(box: Record) -> None:
    """The last box that needed forwarding puts this machine's setting back."""
    with folders.locked("network"):
        before = folders.running() / "ip_forward"
        others = [r for r in record.every() if r.network == "nat" and r.id != box.id]
        if before.exists() and not others:
            if not _others_translate():
                _FORWARD.write_text(before.read_text())
            before.unlink()


def _others_translate() -> bool:
    """Whether somebody else, e.g. Docker, began to need forwarding while boxes had it switched on."""
    for argv in (["iptables", "-w", "10", "-t", "nat", "-S"], ["nft", "list", "ruleset"]):
        if found(argv[0]) and "masquerade" in run(argv, check=False).stdout.lower():
            return True
    return False


def _translate(box: Record) -> None:
    if found("iptables"):
        for rule in _iptables_rules(box):
            run(["iptables", "-w", "10", "-t", rule[0], "-I", *rule[1:]])
    else:
        run(["nft", "-f", "-"], stdin=_nft_table(box))


def _stop_translating(box: Record) -> None:
    if found("iptables"):
        for rule in _iptables_rules(box):
            for _ in range(_MOST_RULES):
                if run(
                    ["iptables", "-w", "10", "-t", rule[0], "-D", *rule[1:]], check=False
                ).returncode:
                    break
    if found("nft"):
        with suppress(BoxError):
            run(["nft", "delete", "table", "ip", _nft_name(box)])


def _iptables_rules(box: Record) -> list[Sequence[str]]:
    """Table, chain and the rule; a firewall that forwards nothing by itself lets the box through."""
    tag = ["-m", "comment", "--comment", box.machine]
    known = ["-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED"]
    leaving = ["-s", box.subnet, "!", "-o", box.link]
    return [
        ["nat", "POSTROUTING", *leaving, *tag, "-j", "MASQUERADE"],
        ["filter", "FORWARD", "-i", box.link, *tag, "-j", "ACCEPT"],
        ["filter", "FORWARD", "-o", box.link, *known, *tag, "-j", "ACCEPT"],
    ]


def _nft_name(box: Record) -> str:
    return box.machine.replace("-", "_")


def _nft_table(box: Record) -> str:
    return f"""table ip {_nft_name(box)} {{
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr {box.subnet} oifname != "{box.link}" masquerade
    }}
}}
"""
