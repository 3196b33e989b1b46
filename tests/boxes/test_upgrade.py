"""Upgrade, restart and rollback on rigs with simulated GPUs: real packages, real reboots, real power cuts.

The tests of the first rig go in order, each on what the one before left.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rigs import Ran, dlrig, reach, start
from test_interrupted import end, runs, wait_for
from ubuntu_archive import UbuntuRig, ubuntu
from wheels import INSIDE, offer, wheelhouse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from provision.box import Box

OLD, NEW = ubuntu.FIRST
WISHES = ("--env", "tensorflow", "--cuda", "none")
"""One small environment, for speed; the driver is what is tested."""
AGREED = ("--yes", "--reboot", "--reboot-limit", "120")
JUDGED = ("-m", "hardware or driver")
NOTE = "/var/lib/dlrig/upgrade.json"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def rig(
    ubuntu_start: Callable[..., AbstractContextManager[UbuntuRig]],
) -> Iterator[UbuntuRig]:
    binds = {INSIDE: wheelhouse(), "/opt/dlrig-here": ROOT, "/opt/dlrig-site": _site()}
    with ubuntu_start("upgraded", ubuntu=ubuntu.FIRST, binds=binds) as made:
        offer(made.box)
        yield made


def _site() -> Path:
    return next(Path(word) for word in sys.path if word.endswith("site-packages"))


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("upgrade-state")


def upgrade(rig: UbuntuRig, state: Path, *more: str, user: str = "rigger") -> Ran:
    return dlrig(
        state, "upgrade", *reach(rig.box, user), *WISHES, *AGREED, *JUDGED, *more, limit=900
    )


def noted(rig: UbuntuRig) -> dict[str, str]:
    """The upgrade that the rig says has begun; empty for none."""
    text = rig.shell(f"cat {NOTE} 2>/dev/null || true").stdout
    found: dict[str, str] = json.loads(text) if text else {}
    return found


def recorded(rig: UbuntuRig) -> dict[str, object]:
    found: dict[str, object] = json.loads(rig.shell("cat /var/lib/dlrig/driver.json").stdout)
    return found


def test_up_stops_before_the_restart_that_nobody_allowed(rig: UbuntuRig, state: Path) -> None:
    up = ("up", *reach(rig.box), "--driver", "580", *WISHES, "--yes", "--no-check")
    ran = dlrig(state, *up, limit=900)
    assert ran.code == 3, ran.text[-3000:]
    assert "(reboot-needed)" in ran.text
    assert "--yes does not restart a rig" in " ".join(ran.text.split())
    assert rig.loaded == ""
    assert recorded(rig)["version"] == OLD
    again = dlrig(state, *up)
    assert again.code == 3
    assert "nothing to do: the rig is as planned" in again.text, "only the restart is missing"


def test_on_the_rig_itself_it_says_how_to_go_on(rig: UbuntuRig, state: Path) -> None:
    local = (
        "cd /opt/dlrig-here && PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=.:/opt/dlrig-site LC_ALL=C.UTF-8 "
        "DLRIG_STATE=/root/state python3 -m provision up local --driver 580 "
        f"{' '.join(WISHES)} --yes --no-check --reboot"
    )
    ran = rig.shell(local, check=False)
    said = " ".join((ran.stdout + ran.stderr).split())
    assert ran.returncode == 3, said[-3000:]
    assert "Restart it: sudo reboot. Then run the same command again" in said
    boot = rig.box.boot_id()
    ran = dlrig(state, "up", *reach(rig.box), "--driver", "580", *WISHES, *AGREED, "--no-check")
    assert ran.code == 0, ran.text[-3000:]
    assert "back after" in ran.text
    assert rig.box.boot_id() != boot
    assert rig.loaded == OLD
    ran = rig.shell(local, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "nothing to do" in ran.stdout


def test_an_upgrade_that_does_stays(rig: UbuntuRig, state: Path) -> None:
    ran = upgrade(rig, state, "--driver", "595", "--json")
    assert ran.code == 0, ran.text[-3000:]
    told = ran.document
    assert (told["outcome"], told["to"]) == ("kept", NEW)
    assert told["grade"] == "same", [each for each in told["checks"] if each["grade"] != "same"]
    grades = {each["check"]: each for each in told["checks"]}
    assert grades["driver/gpu_count"]["before"] == grades["driver/gpu_count"]["after"] == "passed"
    assert rig.loaded == NEW
    assert noted(rig) == {}
    assert recorded(rig)["how"] == "upgraded"
    assert (state / "runs" / str(recorded(rig)["plan"])).is_dir(), "the run that did it"
    assert told["before"] < told["after"], "ids sort by time"
    compared = dlrig(state, "compare", told["before"], told["after"])
    assert compared.code == 0
    assert "driver/driver_loaded" in compared.out


def test_a_second_upgrade_has_nothing_to_do(rig: UbuntuRig, state: Path) -> None:
    ran = upgrade(rig, state)
    assert ran.code == 0, ran.text[-3000:]
    assert "nothing to upgrade" in ran.text


def test_the_way_back_needs_no_network(rig: UbuntuRig, state: Path) -> None:
    listed = dlrig(state, "rollback", *reach(rig.box), "--list", "--json").document["sets"]
    assert [name.partition("-")[0] for name in listed] == [NEW, OLD]
    rig.archive.server.down = True
    # By name and by address: only what comes from this machine is answered.
    # The way out belongs to the box's network, which a restart of the box leaves as it is.
    way_out = rig.shell("ip route show default").stdout.strip()
    rig.shell("mv /etc/resolv.conf /etc/resolv.conf.away; ip route del default")
    try:
        ran = dlrig(state, "rollback", *reach(rig.box), *AGREED, *JUDGED, limit=600)
    finally:
        rig.shell("mv /etc/resolv.conf.away /etc/resolv.conf", check=False)
        rig.shell(f"ip route add {way_out}", check=False)
        rig.archive.server.down = False
    assert ran.code == 0, ran.text[-3000:]
    assert rig.loaded == OLD
    assert recorded(rig)["how"] == "rolled back"
    utils = rig.installed("nvidia-utils-*")
    assert set(utils) == {"nvidia-utils-580-server"}
    assert utils["nvidia-utils-580-server"].startswith(OLD)


def test_a_driver_that_loses_a_gpu_is_rolled_back(rig: UbuntuRig, state: Path) -> None:
    rig.hide("595.*", 1)
    ran = upgrade(rig, state, "--driver", "595", "--json", user="rigger")
    assert ran.code == 1, ran.text[-3000:]
    told = ran.document
    assert told["outcome"] == "rolled back"
    assert told["error"]["reference"] == "rolled-back"
    worse = {each["check"] for each in told["checks"] if each["grade"] == "worse"}
    assert "driver/gpu_count" in worse
    assert "driver/gpu_count" in told["error"]["what"]
    assert rig.loaded == OLD
    assert noted(rig) == {}
    listed = {entry["id"] for entry in dlrig(state, "history", "--json").document}
    assert {told["before"], told["after"], told["acceptance"]["id"]} <= listed


def test_keep_stays_with_it(rig: UbuntuRig, state: Path) -> None:
    ran = upgrade(rig, state, "--driver", "595", "--keep")
    assert ran.code == 1, ran.text[-3000:]
    assert rig.loaded == NEW
    assert "and stays" in ran.text
    assert noted(rig) == {}
    rig.hide("none")
    rig.reboot()


def test_a_power_cut_while_packages_are_unpacked(rig: UbuntuRig, state: Path) -> None:
    """From the new branch to the old one: a downgrade, with sudo's password, cut and gone on with."""
    password = state / "password"
    password.write_text(rig.box.password)
    command = (
        *("upgrade", *reach(rig.box, "typist"), "--become-password-file", str(password)),
        *("--driver", "580", *WISHES, *AGREED, *JUDGED),
    )
    with tempfile.TemporaryDirectory(prefix="cut-") as scratch:
        run = start(state, *command, TMPDIR=scratch)
        wait_for(lambda: runs(rig.box, "dpkg .*(--unpack|--configure)"), "apt begins to unpack")
        rig.box.power_cut()
        os.killpg(run.pid, signal.SIGTERM)
        end(run)
    rig.box.power_on()
    began = noted(rig)
    assert began["wish"] == "580"
    assert began["from_set"].startswith(NEW)
    ran = dlrig(state, *command, "--json", limit=900)
    assert ran.code == 0, ran.text[-3000:]
    assert ran.document["before"] == began["baseline"], "a half changed rig is no baseline"
    assert ran.document["outcome"] == "kept"
    assert rig.loaded == OLD
    assert noted(rig) == {}
    assert rig.shell("dpkg --audit").stdout == ""
    assert rig.box.password not in ran.text


def test_a_killed_controller_before_the_restart(rig: UbuntuRig, state: Path) -> None:
    command = ("upgrade", *reach(rig.box), "--driver", "595", *WISHES, *AGREED, *JUDGED)
    with tempfile.TemporaryDirectory(prefix="cut-") as scratch:
        run = start(state, *command, TMPDIR=scratch)
        wait_for(lambda: _has(rig.box, NEW), "the new driver is recorded")
        os.killpg(run.pid, signal.SIGKILL)
        end(run)
    baseline = noted(rig)["baseline"]
    ran = dlrig(state, *command, "--json", limit=900)
    assert ran.code == 0, ran.text[-3000:]
    assert ran.document["before"] == baseline
    assert rig.loaded == NEW
    assert noted(rig) == {}


def _has(box: Box, version: str) -> bool:
    grep = f'grep -q \'"version": *"{version}"\' /var/lib/dlrig/driver.json'
    return not box.shell(grep, check=False).returncode


def test_a_rig_without_gpu_has_nothing_to_upgrade(
    tmp_path: Path, fresh_box: Callable[..., Box]
) -> None:
    ran = dlrig(tmp_path, "upgrade", *reach(fresh_box()), *AGREED)
    assert ran.code == 3
    assert "(no-gpu)" in ran.text
