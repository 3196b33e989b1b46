"""`dlrig up`, `upgrade` and `rollback` with NVIDIA's real packages of Debian.

The GPUs are pretended (ids on the PCI bus), and so is the kernel that runs: Debian's is installed, but a box runs
this machine's. So the real driver is installed, and truthfully never loaded, which the acceptance must say. The
modules are stand-ins (``QUICK``); test_driver_debian.py builds real ones.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import debs
import pytest
from rigs import Ran, dlrig, reach
from test_driver_debian import NEW, OLD, QUICK
from test_gpu_profile import pretend
from wheels import INSIDE, offer, wheelhouse

from provision.box import Box, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WISHES = ("--env", "tensorflow", "--cuda", "none")
AGREED = ("--yes", "--reboot", "--reboot-limit", "120")
JUDGED = ("-m", "hardware or driver")
KERNEL = """
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update && apt-get -qq install --no-install-recommends linux-image-cloud-amd64 >/dev/null
kernel=$(ls /lib/modules)
printf '#!/bin/sh\\n[ "$*" = -r ] && echo %s && exit\\nexec /usr/bin/uname "$@"\\n' "$kernel" >/usr/local/bin/uname
chmod 0755 /usr/local/bin/uname
"""


@pytest.fixture(scope="module")
def rig(
    boxes_possible: None,  # noqa: ARG001 - only says whether
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Box]:
    devices = tmp_path_factory.mktemp("bus") / "devices"
    devices.mkdir()
    for slot in ("01", "02"):
        pretend(devices, f"0000:{slot}:00.0", "0x030000", "0x1c03")
    binds = {INSIDE: wheelhouse(), "/sys/bus/pci/devices": devices}
    with Box.start("line12", "debian-12", Settings(python=True, binds=binds)) as box:
        offer(box)
        debs.fill(box, "debian-12")
        box.shell(KERNEL, limit=600)
        box.shell(QUICK)
        yield box
        debs.collect(box, "debian-12")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("debian-line-state")


def version(box: Box) -> str:
    recorded: dict[str, str] = json.loads(box.shell("cat /var/lib/dlrig/driver.json").stdout)
    return recorded["version"]


def says_that_nothing_is_loaded(ran: Ran) -> None:
    said = " ".join(ran.text.split())
    assert ran.code == 1, ran.text[-3000:]
    assert "no NVIDIA driver is loaded, with 2 NVIDIA GPUs on the bus" in said
    assert "the driver is not loaded" in said


def test_up_installs_debians_driver_and_does_not_accept_it(rig: Box, state: Path) -> None:
    boot = rig.boot_id()
    wanted = ("--driver", OLD, *WISHES, *AGREED, "--no-check")
    ran = dlrig(state, "up", *reach(rig), *wanted, limit=1800)
    assert "back after" in ran.text, ran.text[-3000:]
    assert rig.boot_id() != boot
    assert version(rig) == OLD
    says_that_nothing_is_loaded(dlrig(state, "check", *reach(rig), *JUDGED))


def test_an_upgrade_that_makes_nothing_worse_stays(rig: Box, state: Path) -> None:
    wanted = ("--driver", NEW, *WISHES, *AGREED, *JUDGED)
    says_that_nothing_is_loaded(dlrig(state, "upgrade", *reach(rig), *wanted, limit=1800))
    assert version(rig) == NEW


def test_the_rollback_brings_the_old_one_back(rig: Box, state: Path) -> None:
    says_that_nothing_is_loaded(dlrig(state, "rollback", *reach(rig), *AGREED, *JUDGED, limit=1200))
    assert version(rig) == OLD
    assert rig.shell("dpkg --audit").stdout == ""
