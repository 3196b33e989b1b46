"""NVIDIA's repository for Ubuntu 24.04: never pruned, modules built on the machine, names without branch from 590 on.

Names, the pin's priority of 1000 and its conflicts as the repository has them; its file and patterns are
plausible only. ``nvidia-driver-cuda`` and ``nvidia-kernel-open-dkms``, which its Debian repositories have, are left
out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ubuntu_archive.driver import FLAVOURS, Driver, alone, kernel_parts, metapackages, user_space
from ubuntu_archive.package import Package

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FIRST = ("580.95.05", "595.58.03")
SECOND = ("580.126.20", "595.71.05")
REVISIONS = {"580.95.05": "0ubuntu1"}
"""Debian revision where it is not 1ubuntu1."""
LAST_SUFFIXED = 580
TOOLKITS = {"12.9": "12.9.1-1", "13.0": "13.0.2-1"}
KEYRING = "cuda-keyring_1.1-1_all.deb"
_PIN = """# simulated: APT driver pinning file
Package: cuda-drivers* nvidia-* libnvidia-*
Pin: version {pattern}
Pin-Priority: 1000
"""
_REPOSITORY_PIN = """Package: *
Pin: release l=NVIDIA CUDA
Pin-Priority: 600
"""
_NVCC = """#!/bin/sh
# simulated nvcc
echo "nvcc: NVIDIA (R) Cuda compiler driver"
echo "Cuda compilation tools, release {version}, V{full} (simulated)"
"""


def driver(version: str) -> Driver:
    """One release, e.g. ``580.95.05``."""
    branch = version.partition(".")[0]
    return Driver(
        version=version,
        package_version=f"{version}-{REVISIONS.get(version, '1ubuntu1')}",
        suffix=f"-{branch}" if int(branch) <= LAST_SUFFIXED else "",
        origin="NVIDIA",
        enabled=True,
    )


def drivers(versions: Iterable[str]) -> Iterator[Package]:
    """Everything of these releases."""
    for each in map(driver, versions):
        yield from user_space(each)
        yield each.package("nvidia-modprobe")
        for flavour in FLAVOURS:
            yield from kernel_parts(each, flavour)
            yield from metapackages(each, flavour)
        yield from _wished(each)
        for pin in (each.branch, each.version):
            yield _pinning(pin)


def _wished(of: Driver) -> Iterator[Package]:
    """cuda-drivers and nvidia-open; their dependencies have no upper end."""
    for name, tail in (("cuda-drivers", ""), ("nvidia-open", "-open")):
        real = f"{name}{of.suffix}"
        at_least = (
            f"nvidia-driver{of.suffix}{tail} (>= {of.version}), nvidia-modprobe (>= {of.version})"
        )
        other = "cuda-drivers" if tail else "nvidia-open"
        made = of.package(real, at_least)
        yield msgspec.structs.replace(
            made, fields={**made.fields, "Conflicts": f"{other}, {other}{of.suffix}"}
        )
        if of.suffix:
            yield of.package(name, of.exactly(real))


def _pinning(pin: str) -> Package:
    pattern = f"{pin}-*" if "." in pin else f"{pin}.*"
    path = "/etc/apt/preferences.d/nvidia-driver-pinning"
    package = Package(
        name=f"nvidia-driver-pinning-{pin}",
        version=f"{pin}-1ubuntu1",
        architecture="all",
        section="NVIDIA",
        origin="NVIDIA",
        files={path: _PIN.format(pattern=pattern).encode()},
    )
    return alone(package, "nvidia-driver-pinning")


def toolkits() -> Iterator[Package]:
    """CUDA toolkits side by side, and the metapackages that pull a driver."""
    for version, package_version in TOOLKITS.items():
        yield from _toolkit(version, package_version)
    newest = max(TOOLKITS, key=lambda text: [int(part) for part in text.split(".")])
    yield _cuda("cuda", TOOLKITS[newest], f"cuda-{newest.replace('.', '-')}")


def _toolkit(version: str, package_version: str) -> Iterator[Package]:
    dashed, place = version.replace(".", "-"), f"/usr/local/cuda-{version}"
    full = package_version.partition("-")[0]
    nvcc = _NVCC.format(version=version, full=full).encode()
    yield _cuda(f"cuda-nvcc-{dashed}", package_version, files={f"{place}/bin/nvcc": nvcc})
    header = f"/* simulated */\n#define CUDART_VERSION {version.replace('.', '0')}0\n".encode()
    files = {f"{place}/include/cuda_runtime_api.h": header, f"{place}/lib64/README": b"simulated\n"}
    yield _cuda(f"cuda-cudart-dev-{dashed}", package_version, files=files)
    major, minor = version.split(".")
    number = f"{major}{minor}"
    alternative = (
        f"#!/bin/sh\nupdate-alternatives --install /usr/local/cuda cuda {place} {number}\n"
        f"update-alternatives --install /usr/local/cuda-{major} cuda-{major} {place} {number}\n"
    )
    undo = (
        f"#!/bin/sh\nfor n in cuda cuda-{major}; do update-alternatives --remove $n {place}; done\n"
    )
    config = f"cuda-toolkit-{dashed}-config-common"
    yield _cuda(config, package_version, scripts={"postinst": alternative, "prerm": undo})
    yield _cuda(
        f"cuda-toolkit-{dashed}",
        package_version,
        f"cuda-nvcc-{dashed} (>= {full}), cuda-cudart-dev-{dashed} (>= {full}), {config}",
    )
    yield _cuda(f"cuda-runtime-{dashed}", package_version, "cuda-drivers")
    yield _cuda(f"cuda-{dashed}", package_version, f"cuda-toolkit-{dashed}, cuda-runtime-{dashed}")


def _cuda(name: str, version: str, depends: str = "", **more: object) -> Package:
    return Package(
        name=name,
        version=version,
        section="devel",
        origin="NVIDIA",
        fields={"Depends": depends},
        **more,  # type: ignore[arg-type]
    )


def keyring(url: str, public: bytes) -> Package:
    """The package that brings the key, a list of sources with it, and the repository's pin."""
    place = "/usr/share/keyrings/cuda-archive-keyring.gpg"
    return Package(
        name="cuda-keyring",
        version="1.1-1",
        architecture="all",
        section="NVIDIA",
        origin="NVIDIA",
        files={
            place: public,
            "/etc/apt/sources.list.d/cuda-ubuntu2404-x86_64.list": f"deb [signed-by={place}] {url} /\n".encode(),
            "/etc/apt/preferences.d/cuda-repository-pin-600": _REPOSITORY_PIN.encode(),
        },
    )
