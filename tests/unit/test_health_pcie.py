"""PCI Express as sysfs has it: the form of the answer, and the script on a tree like the kernel's."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provision.facts.health import pcie
from provision.facts.reading import Outcome, Transcript

if TYPE_CHECKING:
    from pathlib import Path

    from provision.facts.health.pcie import Pcie

QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=150)


def read(text: str) -> Pcie:
    outcome = Outcome(exit_code=0, out=text)
    return pcie.parse(Transcript(target="rig", taken="", outcomes={"pcie": outcome}))


def test_links_are_numbers_or_not_known() -> None:
    found = read(
        "device 0000:01:00.0 class 0x030000\n"
        "device 0000:01:00.0 speed 2.5 GT/s PCIe\ndevice 0000:01:00.0 max_speed 32.0 GT/s PCIe\n"
        "device 0000:01:00.0 width 8\ndevice 0000:01:00.0 max_width 16\ndevice 0000:01:00.0 numa -1\n"
        "device 0000:02:00.0 speed Unknown\ndevice 0000:02:00.0 width 63\ndevice 0000:02:00.0 max_width 255\n"
        "device 0000:02:00.0 numa 1\n"
    ).devices
    one, two = found["0000:01:00.0"], found["0000:02:00.0"]
    assert (one.cls, one.generation, one.max_generation, one.width, one.max_width) == (
        "030000",
        1,
        5,
        8,
        16,
    )
    assert (two.speed, two.generation, two.width, two.max_width) == (None, None, None, None)
    assert (one.numa, two.numa) == (None, 1)


def test_ports_stand_nearest_first() -> None:
    found = read(
        "device 0000:03:00.0 there yes\ndevice 0000:03:00.0 above 0000:02:01.0\nport 0000:02:01.0 acs 29\n"
        "device 0000:03:00.0 above 0000:00:01.0\nport 0000:00:01.0 acs unreadable\nsystem - nodes 2\n"
        "system - iommus 1\n"
    )
    assert found.devices["0000:03:00.0"].ports == ("0000:02:01.0", "0000:00:01.0")
    port = found.port_of("0000:03:00.0")
    assert port is not None
    assert (port.address, port.acs, port.acs_unreadable) == ("0000:02:01.0", 29, False)
    assert (found.ports["0000:00:01.0"].acs, found.ports["0000:00:01.0"].acs_unreadable) == (
        None,
        True,
    )
    assert (found.read, found.nodes, found.iommus) == (True, 2, 1)
    assert found.port_of("0000:ff:00.0") is None


def test_an_answer_that_was_cut_is_not_taken_for_one() -> None:
    assert not read("device 0000:03:00.0 there yes\n").read
    assert not pcie.parse(Transcript(target="rig", taken="", outcomes={})).read


LINES = st.sampled_from(
    [
        "device 0000:01:00.0 width ²",
        "device 0000:01:00.0 above ../../etc",
        "device 0000:01:00.0 above 0000:01:00.0",
        "port - x y",
        "system - nodes 99999999999999999999",
        "device 0000:01:00.0 speed 999.9 GT/s",
        "port 0000:00:01.0 acs -5",
        "device 0000:01:00.0 there yes",
    ]
)


@QUICK
@given(st.lists(st.one_of(LINES, st.text(max_size=40)), max_size=14).map("\n".join))
def test_any_text_is_read_without_an_exception(text: str) -> None:
    found = read(text)
    for address in found.devices:
        found.port_of(address)


# --- the script ------------------------------------------------------------------------------------------------------


def function(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(f"{text}\n")
    return folder


def config(acs: int | None) -> bytes:
    """Configuration space whose list of extended capabilities has AER and then, or not, ACS."""
    space = bytearray(4096)
    last = 0 if acs is None else 0x148
    space[0x100:0x104] = (0x0001 | 0x2 << 16 | last << 20).to_bytes(4, "little")
    if acs is not None:
        space[0x148:0x14C] = (0x000D | 0x1 << 16).to_bytes(4, "little")
        space[0x14C:0x150] = (0x001F | acs << 16).to_bytes(4, "little")
    return bytes(space)


@pytest.fixture
def sysfs(tmp_path: Path) -> Path:
    """A card behind a switch behind a root port, and a device of another maker."""
    link = {"current_link_speed": "2.5 GT/s PCIe", "current_link_width": "16"}
    link |= {"max_link_speed": "16.0 GT/s PCIe", "max_link_width": "16"}
    errors = "RxErr 1\nBadTLP 0\nTOTAL_ERR_COR 7"
    root = function(
        tmp_path / "devices/pci0000:00/0000:00:01.0",
        vendor="0x8086",
        **{"class": "0x060400"},
        **link,
    )
    (root / "config").write_bytes(config(0x1D))
    down = function(root / "0000:02:00.0", vendor="0x10b5", **link)
    (down / "config").write_bytes(config(None))
    card = function(
        down / "0000:03:00.0",
        vendor="0x10de",
        numa_node="1",
        aer_dev_correctable=errors,
        **{"class": "0x030200"},
        **link,
    )
    function(card / "iommu_group", type="DMA-FQ")
    other = function(tmp_path / "devices/pci0000:00/0000:00:02.0", vendor="0x1af4")
    bus = tmp_path / "bus/pci/devices"
    bus.mkdir(parents=True)
    for one in (root, down, card, other):
        (bus / one.name).symlink_to(one)
    for n in (0, 1):
        (tmp_path / f"devices/system/node/node{n}").mkdir(parents=True)
    (tmp_path / "class/iommu/dmar0").mkdir(parents=True)
    return tmp_path


def run(sysfs: Path, *, user: int = 0) -> Pcie:
    """What the script tells as that user; only the answer of ``id`` is made up."""
    (sysfs / "id").write_text(f"#!/bin/sh\necho {user}\n")
    (sysfs / "id").chmod(0o755)
    command = pcie.READINGS[0].command.replace("/sys/", f"{sysfs}/")
    done = subprocess.run(
        ["sh", "-c", command],
        env={**os.environ, "LC_ALL": "C", "PATH": f"{sysfs}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert done.stderr == ""
    return read(done.stdout)


@pytest.mark.subprocess
def test_the_script_follows_a_card_up_to_its_root(sysfs: Path) -> None:
    found = run(sysfs)
    (card,) = found.devices.values()
    assert card.ports == ("0000:02:00.0", "0000:00:01.0")
    assert (card.cls, card.numa, card.correctable, card.nonfatal) == ("030200", 1, 7, None)
    assert (card.iommu, card.max_generation) == ("DMA-FQ", 4)
    assert (found.nodes, found.iommus, sorted(found.ports)) == (
        2,
        1,
        ["0000:00:01.0", "0000:02:00.0"],
    )


@pytest.mark.subprocess
def test_the_script_reads_acs_as_root_only(sysfs: Path) -> None:
    ports = run(sysfs).ports
    assert [(one.acs, one.acs_unreadable) for one in ports.values()] == [
        (None, False),
        (0x1D, False),
    ]
    ports = run(sysfs, user=1000).ports
    assert [(one.acs, one.acs_unreadable) for one in ports.values()] == [(None, True), (None, True)]


@pytest.mark.subprocess
def test_a_list_of_capabilities_that_goes_round_ends(sysfs: Path) -> None:
    space = bytearray(config(None))
    space[0x100:0x104] = (0x0001 | 0x2 << 16 | 0x100 << 20).to_bytes(4, "little")
    (sysfs / "devices/pci0000:00/0000:00:01.0/config").write_bytes(bytes(space))
    assert run(sysfs).ports["0000:00:01.0"].acs is None


@pytest.mark.subprocess
def test_the_script_finds_nothing_where_there_is_nothing(tmp_path: Path) -> None:
    found = run(tmp_path)
    assert (found.read, found.devices, found.ports, found.nodes) == (True, {}, {}, 0)
