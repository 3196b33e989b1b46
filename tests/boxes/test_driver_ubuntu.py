"""The driver from Ubuntu's archive: installed, held against every upgrade, changed, rolled back, changed in flavour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from plain_ansible import changes
from ubuntu_archive import T4, UbuntuRig, ubuntu
from ubuntu_archive.plays import TAGS, play
from ubuntu_archive.states import record, works

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

OLD, NEW, LATER = ubuntu.FIRST[0], ubuntu.SECOND[0], ubuntu.SECOND[1]

KERNELS = ("linux-*",)
METAPACKAGE = "linux-modules-nvidia-595-server-open-generic"


@pytest.fixture(scope="module")
def rig(ubuntu_start: Callable[..., AbstractContextManager[UbuntuRig]]) -> Iterator[UbuntuRig]:
    """A rig with the older driver of 580 from Ubuntu's archive, by the role."""
    with ubuntu_start("driver", gpus=(T4, T4), ubuntu=ubuntu.FIRST) as made:
        printed = play(made, **made.variables("ubuntu", 580))
        assert "works after a reboot: none is loaded" in printed
        assert made.smi().returncode == 9
        made.reboot()
        yield made


def test_it_is_installed(rig: UbuntuRig) -> None:
    works(rig, OLD, "open")
    found = record(rig)
    assert (found["source"], found["branch"], found["how"]) == ("ubuntu", 580, "installed")
    assert (found["modules"], found["kernels"]) == ("precompiled", ["6.8.0-60-generic"])
    kept = rig.shell(f"ls /var/lib/dlrig/sets/{found['set']}/*.deb | wc -l").stdout
    assert int(kept) == len(found["packages"])


def test_a_second_run_changes_nothing(rig: UbuntuRig) -> None:
    assert changes(play(rig, **rig.variables("ubuntu", 580))) == 0


def test_no_upgrade_reaches_it(rig: UbuntuRig) -> None:
    before = rig.installed()
    rig.archive.publish_ubuntu(*ubuntu.SECOND)
    rig.add_nvidia()
    rig.apt("upgrade")
    rig.apt("dist-upgrade")
    printed = rig.unattended_upgrade()
    assert rig.installed() == before, printed[-3000:]
    assert rig.smi().returncode == 0


def test_an_upgrade_works_after_the_reboot(rig: UbuntuRig) -> None:
    # The archive's metapackages of modules belong to this newer kernel from now on.
    rig.archive.publish_kernel(61, NEW, LATER)
    rig.apt("update")
    assert "6.8.0-61" in rig.shell(f"apt-cache depends {METAPACKAGE}").stdout
    printed = play(rig, **rig.variables("ubuntu", 595))
    assert f"the loaded one is {OLD}" in printed
    assert "580" not in " ".join(rig.installed())
    assert (rig.smi().returncode, rig.loaded) == (18, OLD)
    rig.reboot()
    works(rig, LATER, "open")
    assert record(rig)["how"] == "upgraded"
    mode = rig.shell("nvidia-smi --query-gpu=persistence_mode --format=csv,noheader").stdout
    assert mode == "Enabled\nEnabled\n"


def test_a_change_of_driver_brings_no_newer_kernel(rig: UbuntuRig) -> None:
    before = rig.installed(*KERNELS)
    rig.apt("dist-upgrade")
    assert rig.installed(*KERNELS) == before
    assert not [name for name in before if "-61-" in name]
    assert rig.look()["next_kernel"] == "6.8.0-60-generic"
    assert changes(play(rig, **rig.variables("ubuntu", 595))) == 0


def test_rollback_needs_no_archive(rig: UbuntuRig) -> None:
    rig.archive.withdraw_ubuntu(OLD)
    rig.archive.server.down = True
    rig.archive.server.requests.clear()
    try:
        play(rig, "rollback.yml")
        assert rig.archive.server.requests == []
    finally:
        rig.archive.server.down = False
    rig.reboot()
    works(rig, OLD, "open")
    assert record(rig)["how"] == "rolled back"
    assert set(rig.shell("apt-mark showhold").stdout.split()) >= set(rig.installed())


def test_a_version_that_no_archive_has_is_refused(rig: UbuntuRig) -> None:
    before = rig.installed()
    rig.archive.withdraw_ubuntu(ubuntu.FIRST[1])
    rig.apt("update")
    printed = play(rig, code=2, **rig.variables("ubuntu", 595, version=ubuntu.FIRST[1]))
    assert f"no longer has {ubuntu.FIRST[1]}" in printed, printed[-1500:]
    assert f"it has {LATER}" in printed
    assert rig.installed() == before
    works(rig, OLD, "open")


def test_a_newer_release_of_the_branch_brings_no_newer_kernel_either(rig: UbuntuRig) -> None:
    rig.archive.publish_ubuntu(*ubuntu.SECOND)
    rig.archive.publish_kernel(61, NEW, LATER)
    rig.apt("update")
    play(rig, **rig.variables("ubuntu", 580, upgrade=True))
    assert rig.installed()["nvidia-utils-580-server"].startswith(NEW)
    assert not [name for name in rig.installed(*KERNELS) if "-61-" in name]
    seen = rig.look()
    assert (seen["next_kernel"], seen["module_next"]) == ("6.8.0-60-generic", NEW)


def test_the_flavour_changes_there_and_back(rig: UbuntuRig) -> None:
    play(rig, **rig.variables("ubuntu", 580, "proprietary"))
    assert not any("-open" in name for name in rig.installed())
    rig.reboot()
    works(rig, NEW, "proprietary")
    play(rig, **rig.variables("ubuntu", 580, "open"))
    rig.reboot()
    works(rig, NEW, "open")


def test_a_half_unpacked_package_of_a_version_that_is_gone_is_replaced(rig: UbuntuRig) -> None:
    """As a power cut leaves it; apt refuses everything until that package is removed by force."""
    rig.archive.withdraw_ubuntu(NEW)
    rig.apt("update")
    stanza = "/^Package: nvidia-utils-580-server$/,/^$/"
    torn = "Status: hold reinstreq half-installed"
    rig.shell(f"sed -i '{stanza}s/^Status: .*/{torn}/' /var/lib/dpkg/status")
    said = rig.shell("apt-get check", check=False)
    assert "needs to be reinstalled, but I can't find an archive" in said.stdout + said.stderr
    play(rig, tags=("base", *TAGS), **rig.variables("ubuntu", 595))
    assert rig.shell("dpkg --audit").stdout == ""
    rig.reboot()
    works(rig, LATER, "open")
