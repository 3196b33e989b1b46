"""Rigs on which the driver role stops before harm, with what to do: Secure Boot, drivers of others, mixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ubuntu_archive import T4, UbuntuRig, kernel, nvidia, ubuntu
from ubuntu_archive.plays import play
from ubuntu_archive.states import record, works

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

NEW = ubuntu.SECOND[0]
LIBRARY = "/usr/lib/x86_64-linux-gnu/libcuda.so.1"
# What NVIDIA's .run installer leaves, and its own way back.
RUN_FILE = f"""
echo simulated >{LIBRARY}
printf '#!/bin/sh\\nexit 9\\n' >/usr/bin/nvidia-smi
printf '#!/bin/sh\\n# simulated\\nrm -f {LIBRARY} /usr/bin/nvidia-smi /usr/bin/nvidia-uninstall\\n' \
    >/usr/bin/nvidia-uninstall
chmod 755 /usr/bin/nvidia-smi /usr/bin/nvidia-uninstall
"""


@pytest.fixture(scope="module")
def rig(ubuntu_start: Callable[..., AbstractContextManager[UbuntuRig]]) -> Iterator[UbuntuRig]:
    """A rig with Secure Boot and no driver."""
    with ubuntu_start("refusals", gpus=(T4, T4), secure_boot=True) as made:
        yield made


def test_modules_built_here_are_refused_under_secure_boot(rig: UbuntuRig) -> None:
    printed = play(rig, code=2, **rig.variables("nvidia", 580))
    assert "Secure Boot is on" in printed
    assert "[secure-boot]" in printed
    assert rig.installed() == {}


def test_a_run_file_is_left_alone_until_somebody_says_what_to_do(rig: UbuntuRig) -> None:
    rig.shell(RUN_FILE)
    wish = rig.variables("ubuntu", 580)
    printed = play(rig, code=2, **wish)
    assert "--adopt" in printed
    assert "--purge-conflicts" in printed
    assert "[unmanaged-driver]" in printed
    assert rig.installed() == {}
    play(rig, **wish, nvidia_driver_existing="adopt")
    assert rig.installed() == {}
    assert record(rig)["how"] == "adopted"


def test_signed_modules_replace_it_and_pass_secure_boot(rig: UbuntuRig) -> None:
    play(rig, **rig.variables("ubuntu", 580, existing="purge"))
    rig.reboot()
    works(rig, NEW, "open")


def test_a_kernel_without_signed_modules_is_refused(rig: UbuntuRig) -> None:
    rig.archive.publish_kernel(61)
    rig.apt("update")
    rig.shell("apt-mark unhold linux-image-generic")
    rig.apt("install", "linux-image-generic")
    assert rig.look()["next_kernel"] == "6.8.0-61-generic"
    assert rig.look()["class"] != "missing"
    printed = play(rig, code=2, **rig.variables("ubuntu", 595))
    # that a signed module is loaded now says nothing of one that is built here
    assert "[secure-boot]" in printed
    assert rig.installed()["nvidia-utils-580-server"].startswith(NEW)
    rig.archive.ubuntu.withdraw(kernel.version(61))
    rig.apt("update")
    rig.apt("install", "--allow-downgrades", f"linux-image-generic={kernel.version(60)}")
    rig.apt("purge", "linux-image-6.8.0-61-generic", "linux-modules-6.8.0-61-generic")


def test_a_mixture_is_refused_and_can_be_purged(rig: UbuntuRig) -> None:
    rig.add_nvidia()
    version = nvidia.driver(nvidia.SECOND[0]).package_version
    rig.shell(
        f"cd /tmp && rm -f /etc/apt/preferences.d/dlrig* && apt-get -q download nvidia-utils-580={version} && "
        "dpkg --force-all --install nvidia-utils-580_*.deb"
    )
    assert rig.look()["class"] == "mixed"
    before = rig.installed()
    wish = rig.variables("ubuntu", 580)
    printed = play(rig, code=2, **wish)
    assert "from several sources: nvidia ubuntu" in printed
    assert "--purge-conflicts" in printed
    assert "[mixed-driver]" in printed
    assert rig.installed() == before
    play(rig, **wish, nvidia_driver_existing="purge")
    rig.reboot()
    works(rig, NEW, "open")
