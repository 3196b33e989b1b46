from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import pytest

from provision.box import BoxError, network, subnet

if TYPE_CHECKING:
    from pathlib import Path


def test_pick_avoids_what_is_used() -> None:
    everything_but_one = ["10.0.0.0/9", "10.128.0.0/10", "10.192.0.0/11"]
    found = subnet.pick([*everything_but_one, "10.255.255.1"], "seed")
    assert found.subnet_of(ipaddress.IPv4Network("10.224.0.0/11"))
    assert found.prefixlen == 30


def test_pick_differs_by_seed_and_repeats() -> None:
    assert subnet.pick([], "a") == subnet.pick([], "a") != subnet.pick([], "b")


def test_pick_leaves_a_full_pool() -> None:
    assert subnet.pick(["10.0.0.0/8"], "a").subnet_of(ipaddress.IPv4Network("172.16.0.0/12"))


def test_pick_says_when_all_is_taken() -> None:
    with pytest.raises(BoxError, match="no private address range"):
        subnet.pick(["0.0.0.0/0"], "a")


def test_addresses() -> None:
    assert network.addresses("10.1.2.4/30") == ("10.1.2.5", "10.1.2.6")


def test_resolver_behind_a_stub(tmp_path: Path) -> None:
    stub, real = tmp_path / "stub", tmp_path / "real"
    stub.write_text("# systemd-resolved\nnameserver 127.0.0.53\noptions edns0\n")
    real.write_text("nameserver 192.0.2.1\nnameserver fe80::1%eth0\nsearch example\n")
    assert subnet.resolv_conf([stub, real]) == real.read_text()


def test_only_loopback_resolvers(tmp_path: Path) -> None:
    stub = tmp_path / "stub"
    stub.write_text("nameserver 127.0.0.1\n")
    with pytest.raises(BoxError, match="on its loopback"):
        subnet.resolv_conf([stub, tmp_path / "none"])
