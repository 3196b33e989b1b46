from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from provision.box import BoxError, cgroup, disk, host, record, systems
from provision.errors import UsageError

DEBIAN = systems.system("debian-12")
SETUP = Path(__file__).parents[1] / "bootstrap/boxes.sh"


def test_not_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(BoxError, match="boxes need root") as caught:
        host.check(DEBIAN)
    assert "sudo " in caught.value.hint


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(host, "found", lambda program: program != "ip")
    monkeypatch.setattr(Path, "exists", lambda _: True)
    with pytest.raises(BoxError, match="are not installed") as caught:
        host.check(DEBIAN)
    assert caught.value.hint == "install them: sudo apt-get install --yes iproute2"


def test_any_firewall_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda _: True)
    monkeypatch.setattr(host, "found", lambda program: program != "iptables")
    assert host.missing_packages(DEBIAN) == []
    monkeypatch.setattr(host, "found", lambda program: program not in {"iptables", "nft"})
    assert host.missing_packages(DEBIAN) == ["iptables"]


def test_the_set_up_installs_the_same_packages() -> None:
    pairs = re.search(r'pairs="([^"]+)"', SETUP.read_text())
    assert pairs
    installed = dict(pair.split(":") for pair in pairs[1].split())
    assert installed == systems.table().host.programs


def test_unknown_system_suggests_a_near_one() -> None:
    with pytest.raises(UsageError, match="no box can have") as caught:
        systems.system("debian-21")
    assert caught.value.hint.startswith("did you mean debian-1")


def test_every_system_has_a_distribution() -> None:
    for name, system in systems.table().systems.items():
        assert system.distribution in systems.table().distributions, name
        assert bool(system.os_release) == name.endswith("-flavour"), name


def test_hierarchies_of_systemd() -> None:
    mountinfo = (
        "30 1 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "31 1 0:27 / /sys/fs/cgroup/systemd rw,relatime shared:5 - cgroup cgroup rw,name=systemd\n"
        "32 1 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup rw\n"
    )
    expected = [Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified")]
    assert cgroup.hierarchies(mountinfo) == expected


def test_an_owner_is_its_pid_and_its_start() -> None:
    mine = record.own("0123abcd", "rig", "nat", "10.0.0.0/30")
    assert mine.owner_lives
    assert len(mine.link) <= 15
    reused = record.Record(
        id=mine.id,
        name=mine.name,
        owner=mine.owner,
        owner_started=mine.owner_started - 1,
        network=mine.network,
        subnet=mine.subnet,
    )
    assert not reused.owner_lives


def test_no_process_has_no_start() -> None:
    assert record.started(2**22 + 1) == 0


def test_mounts_below_root_are_found() -> None:
    assert Path("/proc") in disk.mounts_below(Path("/"))
    assert disk.mounts_below(Path("/nowhere/at/all")) == []
