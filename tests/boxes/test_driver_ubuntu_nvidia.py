"""The driver from NVIDIA's repository: exact versions, the renaming at 590 there and back, one source at a time."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from plain_ansible import changes
from ubuntu_archive import T4, UbuntuRig, nvidia, ubuntu
from ubuntu_archive.plays import begin, play
from ubuntu_archive.states import record, works

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

EXACT, NEWEST, RENAMED = nvidia.FIRST[0], nvidia.SECOND[0], nvidia.SECOND[1]
LEGACY = "/etc/apt/sources.list.d/cuda.list"
HELD_LOCK = (
    "import fcntl, time; lock = open('/var/lib/dpkg/lock-frontend', 'w'); "
    "fcntl.lockf(lock, fcntl.LOCK_EX); print('locked', flush=True); time.sleep({seconds})"
)


@pytest.fixture(scope="module")
def rig(ubuntu_start: Callable[..., AbstractContextManager[UbuntuRig]]) -> Iterator[UbuntuRig]:
    """A rig with an exact older version of 580 from NVIDIA's repository, by the role."""
    with ubuntu_start("nvidia", gpus=(T4, T4)) as made:
        # what an old guide left: a list without a key, which breaks apt beside the keyring's
        made.shell(f"echo 'deb {made.archive.nvidia_url} /' >{LEGACY}")
        made.builds_fail()
        wish = made.variables("nvidia", 580, version=EXACT)
        printed = play(made, code=2, **wish)
        assert "unrecognized command-line option '-ftrivial-auto-var-init=zero'" in printed
        made.builds_fail(yes=False)
        made.archive.nvidia.mid_sync(requests=2)
        play(made, **wish)
        made.reboot()
        yield made


def test_the_exact_version_is_installed(rig: UbuntuRig) -> None:
    works(rig, EXACT, "open")
    found = record(rig)
    assert (found["source"], found["branch"], found["modules"]) == ("nvidia", 580, "dkms")
    # it floats in the repository, and would have been 595's
    assert rig.installed()["nvidia-modprobe"].startswith(EXACT)
    assert rig.shell(f"ls {LEGACY}", check=False).returncode != 0
    again = play(rig, **rig.variables("nvidia", 580, version=EXACT))
    assert changes(again) == 0


def test_neither_an_upgrade_nor_cuda_replaces_it(rig: UbuntuRig) -> None:
    before = rig.installed()
    rig.apt("dist-upgrade")
    rig.apt("install", "cuda-toolkit-12-9")
    rig.apt("install", "cuda", check=False)
    assert rig.installed() == before
    assert "V12.9" in rig.shell("/usr/local/cuda-12.9/bin/nvcc --version").stdout


def test_the_renamed_packages_of_595(rig: UbuntuRig) -> None:
    play(rig, **rig.variables("nvidia", 595))
    assert not [name for name in rig.installed() if "580" in name]
    assert rig.installed()["nvidia-open"].startswith(RENAMED)
    assert rig.smi().returncode == 18
    rig.reboot()
    works(rig, RENAMED, "open")


def test_back_to_the_suffixed_packages_of_580(rig: UbuntuRig) -> None:
    play(rig, **rig.variables("nvidia", 580, "proprietary"))
    assert not [name for name, version in rig.installed().items() if "595" in name + version]
    rig.reboot()
    works(rig, NEWEST, "proprietary")


def test_another_source_while_the_package_manager_is_busy(rig: UbuntuRig) -> None:
    ssh = ("ssh", "-F", str(rig.box.ssh_config), rig.box.target)
    seconds = 20
    command = (*ssh, "python3", "-c", f'"{HELD_LOCK.format(seconds=seconds)}"')
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "locked\n"
        player = begin(rig, **rig.variables("ubuntu", 580))
        printed, _ = player.communicate(timeout=900)
        assert player.returncode == 0, printed[-4000:]
        assert holder.wait(60) == 0
    assert all("ubuntu0.24.04" in v or v.startswith("6.8.0") for v in rig.installed().values())
    rig.reboot()
    works(rig, ubuntu.SECOND[0], "open")
