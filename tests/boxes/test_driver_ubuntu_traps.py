"""What happens to a rig without dlrig: the traps that the driver roles guard against are real in the simulation too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ubuntu_archive import GTX_1060, UbuntuRig, ubuntu

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

OLD, NEW = ubuntu.FIRST[0], ubuntu.SECOND[0]
BY_HAND = (
    "linux-modules-nvidia-580-server-generic",
    "nvidia-headless-no-dkms-580-server",
    "nvidia-utils-580-server",
)


@pytest.fixture(scope="module")
def rig(ubuntu_start: Callable[..., AbstractContextManager[UbuntuRig]]) -> Iterator[UbuntuRig]:
    """A rig with an older driver, installed by hand."""
    with ubuntu_start("traps", ubuntu=ubuntu.FIRST) as made:
        made.apt("install", *BY_HAND)
        made.reboot()
        yield made


def test_a_driver_by_hand_works_after_a_reboot(rig: UbuntuRig) -> None:
    assert (rig.loaded, rig.flavour) == (OLD, "proprietary")
    assert rig.smi().stdout == f"0, {OLD}\n1, {OLD}\n"
    seen = rig.look()
    assert (seen["class"], seen["version"], seen["loaded"]) == ("managed", OLD, OLD)


def test_unattended_upgrades_break_it_until_the_reboot(rig: UbuntuRig) -> None:
    rig.archive.publish_ubuntu(*ubuntu.SECOND)
    printed = rig.unattended_upgrade()
    assert rig.installed()["nvidia-utils-580-server"].startswith(NEW), printed[-3000:]
    smi = rig.smi()
    assert smi.returncode == 18
    assert "Failed to initialize NVML: Driver/library version mismatch" in smi.stdout
    assert rig.loaded == OLD
    rig.reboot()
    assert rig.smi().stdout == f"0, {NEW}\n1, {NEW}\n"


def test_a_renamed_branch_brings_its_successor(rig: UbuntuRig) -> None:
    rig.apt("install", *(name.replace("580", "590") for name in BY_HAND))
    assert rig.installed()["nvidia-utils-595-server"].startswith("595.71.05")


def test_the_wrong_metapackage_of_cuda_pulls_a_driver(rig: UbuntuRig) -> None:
    rig.add_nvidia()
    assert "cuda-drivers" not in rig.apt("install", "--simulate", "cuda-toolkit-13-0")
    assert "Inst cuda-drivers " in rig.apt("install", "--simulate", "cuda")


def test_open_modules_find_no_pascal(ubuntu_rig: Callable[..., UbuntuRig]) -> None:
    rig = ubuntu_rig(gpus=(GTX_1060,))
    rig.apt("install", *(name.replace("580-server", "580-server-open", 1) for name in BY_HAND[:2]))
    rig.apt("install", BY_HAND[2])
    rig.reboot()
    assert (rig.loaded, rig.smi().stdout, rig.smi().returncode) == (
        NEW,
        "No devices were found\n",
        6,
    )


def test_modules_built_on_the_rig_are_rejected_under_secure_boot(
    ubuntu_rig: Callable[..., UbuntuRig],
) -> None:
    rig = ubuntu_rig(secure_boot=True)
    assert rig.look()["secure_boot"] == "on"
    rig.apt("install", "linux-headers-generic", "nvidia-headless-580-server-open", BY_HAND[2])
    assert "installed" in rig.shell("dkms status").stdout
    rig.reboot()
    assert (rig.loaded, rig.smi().returncode) == ("", 9)
    rig.apt(
        "install", "nvidia-dkms-580-server-open-", "linux-modules-nvidia-580-server-open-generic"
    )
    rig.reboot()
    assert rig.loaded == NEW


def test_without_headers_dkms_builds_nothing_and_says_nothing_is_wrong(
    ubuntu_rig: Callable[..., UbuntuRig],
) -> None:
    rig = ubuntu_rig()
    printed = rig.apt("install", "nvidia-headless-580-server-open", BY_HAND[2])
    assert "skipped since the" in printed
    seen = rig.look()
    assert (seen["headers"], seen["module_next"], seen["class"]) == ("no", "", "broken")
    rig.builds_fail()
    printed = rig.apt("install", "linux-headers-generic", check=False)
    assert "Bad return status for module build" in printed
    rig.builds_fail(yes=False)
    rig.shell("dkms autoinstall -k $(uname -r)")
    assert rig.look()["class"] == "managed"


def test_a_mirror_in_the_middle_of_a_synchronisation(ubuntu_rig: Callable[..., UbuntuRig]) -> None:
    rig = ubuntu_rig()
    rig.archive.publish_kernel(61)
    rig.archive.ubuntu.mid_sync(requests=2)
    assert "File has unexpected size" in rig.apt("update", check=False)
    rig.archive.ubuntu.mid_sync(requests=0)
    rig.apt("update")
    rig.apt("dist-upgrade")
    rig.reboot()
    assert rig.shell("uname -r").stdout == "6.8.0-61-generic\n"
    rig.boot_kernel(60)
    rig.reboot()
    assert rig.shell("uname -r").stdout == "6.8.0-60-generic\n"


def test_a_change_of_driver_can_make_a_rig_worse(rig: UbuntuRig) -> None:
    rig.hide("595.*", 1)
    rig.reboot()
    assert rig.smi().stdout == "0, 595.71.05\n"
