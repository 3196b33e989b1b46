"""What a plan's driver and toolkits are called in each repository, for every flavour of kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from situations import (
    CATALOGUE,
    GTX_1060,
    H100,
    JAMMY,
    K80,
    NOBLE,
    NVIDIA_UNREACHED,
    RTX_3090,
    SYSTEMS,
    T4,
    situation,
    solved,
)

from provision import catalogue
from provision.planner import packages

if TYPE_CHECKING:
    from provision.plan import DriverPlan


def planned(*devices: str, **changes: Any) -> DriverPlan:  # noqa: ANN401 - as a Situation has them
    found = solved(*devices, **changes)
    assert found.driver is not None
    return packages.driver(found.driver, situation(*devices, **changes), CATALOGUE)


@pytest.mark.parametrize(
    ("system", "kernel", "suffix"),
    [
        (NOBLE, "6.8.0-60-generic", "generic"),
        (NOBLE, "", "generic"),
        (NOBLE, "6.11.0-21-generic", "generic-hwe-24.04"),
        (NOBLE, "6.14.0-33-generic", "generic-hwe-24.04"),
        (NOBLE, "6.8.0-1021-aws", "aws"),
        (NOBLE, "6.8.0-1020-nvidia", "nvidia"),
        (JAMMY, "5.15.0-140-generic", "generic"),
        (JAMMY, "6.8.0-60-generic", "generic-hwe-22.04"),
        (JAMMY, "5.15.0-1080-gcp", "gcp"),
        ("ubuntu-26.04", "7.0.0-14-generic", "generic"),
        ("ubuntu-26.04", "7.1.0-5-generic", "generic-hwe-26.04"),
    ],
)
def test_ubuntus_modules_are_built_for_the_kernel(system: str, kernel: str, suffix: str) -> None:
    found = planned(T4, system=system, kernel=kernel)
    assert found.modules == "precompiled"
    assert found.packages == (
        f"linux-modules-nvidia-580-server-open-{suffix}",
        "nvidia-headless-no-dkms-580-server-open",
        "nvidia-utils-580-server",
    )
    assert found.dkms_packages == (
        f"linux-headers-{suffix}",
        "nvidia-dkms-580-server-open",
        "nvidia-headless-no-dkms-580-server-open",
        "nvidia-utils-580-server",
    )


@pytest.mark.parametrize("kernel", ["6.12.9-xanmod1", "6.8.0-custom", "6.8.0-60-genericx"])
def test_a_kernel_of_somebodys_own_has_its_modules_built(kernel: str) -> None:
    found = planned(GTX_1060, kernel=kernel)
    assert found.modules == "dkms"
    assert found.packages == (
        f"linux-headers-{kernel}",
        "nvidia-dkms-580-server",
        "nvidia-headless-no-dkms-580-server",
        "nvidia-utils-580-server",
    )
    assert found.dkms_packages == ()


def test_a_kernel_that_ubuntu_builds_no_modules_for_has_them_built() -> None:
    found = planned(GTX_1060, kernel="6.8.0-60-lowlatency")
    assert found.modules == "dkms"
    assert found.packages[:2] == ("linux-headers-lowlatency", "nvidia-dkms-580-server")


def test_ubuntus_proprietary_modules_have_no_suffix() -> None:
    assert planned(GTX_1060).packages[0] == "linux-modules-nvidia-580-server-generic"
    assert planned(K80, system=JAMMY).packages[0] == "linux-modules-nvidia-470-generic"


@pytest.mark.parametrize(
    ("system", "kernel", "headers"),
    [
        ("debian-12", "6.1.0-40-amd64", "linux-headers-amd64"),
        ("debian-12", "6.1.0-40-cloud-amd64", "linux-headers-cloud-amd64"),
        ("debian-12", "6.1.0-40-rt-amd64", "linux-headers-rt-amd64"),
        ("debian-12", "6.6.1-own", "linux-headers-6.6.1-own"),
        ("debian-13", "6.12.41+deb13-amd64", "linux-headers-amd64"),
    ],
)
def test_headers_of_the_kernel_come_first(system: str, kernel: str, headers: str) -> None:
    assert planned(T4, system=system, kernel=kernel).packages[0] == headers


def test_nvidias_names_up_to_580_have_the_branch_and_a_pin_before_it() -> None:
    """cuda-drivers-580 alone pulled 590 in on a GTX 1070 Ti (NVIDIA's forum, thread 353805)."""
    own = {"system": "debian-12", "driver_source": "nvidia", "driver": "580"}
    assert planned(GTX_1060, **own).packages == (
        "linux-headers-amd64",
        "nvidia-driver-pinning-580",
        "cuda-drivers-580",
    )
    assert planned(T4, **own).packages == (
        "linux-headers-amd64",
        "nvidia-driver-pinning-580",
        "nvidia-open-580",
    )


def test_nvidias_names_from_590_on_have_no_branch_and_a_pin_before_them() -> None:
    own = {"system": "debian-13", "driver": "595"}
    assert planned(T4, **own).packages == (
        "linux-headers-amd64",
        "nvidia-driver-pinning-595",
        "nvidia-open",
    )
    assert planned(T4, **own, modules="proprietary").packages[1:] == (
        "nvidia-driver-pinning-595",
        "cuda-drivers",
    )


def test_an_exact_release_is_pinned() -> None:
    found = planned(T4, driver="580.95.05")
    assert (found.source, found.version) == ("nvidia", "580.95.05")
    assert "nvidia-driver-pinning-580.95.05" in found.packages
    assert "nvidia-open-580" in found.packages


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "nvidia-fabricmanager-580"),
        ({"system": "debian-12"}, "nvidia-fabricmanager-580"),
        ({"system": "debian-13"}, "nvidia-fabricmanager"),
        ({"driver": "595"}, "nvidia-fabricmanager-595"),
    ],
)
def test_a_rig_with_an_nvswitch_gets_the_fabric_manager(changes: dict[str, Any], name: str) -> None:
    eight = (H100,) * 8
    found = planned(*eight, nvswitch=True, **changes)
    assert found.packages[-1] == name
    assert not found.dkms_packages or found.dkms_packages[-1] == name
    without = planned(*eight, **changes)
    assert not [one for one in without.packages if "fabric" in one]
    assert without.packages == found.packages[:-1]


def test_debians_own_names() -> None:
    own = {"system": "debian-12", "unreached": NVIDIA_UNREACHED}
    assert "nvidia-kernel-dkms" in planned(T4, **own).packages
    assert "nvidia-tesla-470-kernel-dkms" in planned(K80, **own).packages
    trixie = {"system": "debian-13", "unreached": NVIDIA_UNREACHED}
    assert "nvidia-open-kernel-dkms" in planned(T4, **trixie, modules="open").packages


@pytest.mark.parametrize("system", SYSTEMS)
def test_no_toolkit_pulls_a_driver(system: str) -> None:
    """``cuda`` and ``cuda-12-9`` would; ``cuda-toolkit-12-9`` does not."""
    found = packages.cuda(solved(RTX_3090, system=system))
    (version,) = found.toolkits
    assert found.sources == {version: "nvidia"}
    assert found.packages == (f"cuda-toolkit-{version.replace('.', '-')}",)


def test_debians_toolkit() -> None:
    found = packages.cuda(solved(RTX_3090, system="debian-12", unreached=NVIDIA_UNREACHED))
    assert found.sources == {"11.8": "debian"}
    assert found.packages == ("nvidia-cuda-toolkit",)


def test_toolkits_side_by_side() -> None:
    found = packages.cuda(solved(RTX_3090, cuda=("12.9", "13.0")))
    assert found.toolkits == ("13.0", "12.9")
    assert found.packages == ("cuda-toolkit-13-0", "cuda-toolkit-12-9")
    assert packages.cuda(solved(RTX_3090, cuda="none")).packages == ()


def test_a_later_lowlatency_kernel_has_headers_of_its_own() -> None:
    noble = catalogue.load().system("ubuntu-24.04")
    assert noble.kernel_suffix("6.11.0-1018-lowlatency") == "lowlatency-hwe-24.04"
    assert noble.kernel_suffix("6.8.0-60-lowlatency") == "lowlatency"
    assert not noble.has_modules("lowlatency-hwe-24.04")
    assert noble.has_modules("generic-hwe-24.04")
