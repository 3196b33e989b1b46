"""The parts of a driver that Ubuntu's archive and NVIDIA's repository name alike, but for a suffix.

Known: the names; that a branch's parts exclude another branch's through a virtual name without the suffix; exact
versions among the parts of one source (``Depends: libnvidia-gl-535 (= …0ubuntu0.22.04.1) but …0ubuntu1 is to be
installed``). Not known in every case, so plausible only: which dependency is exact and which is not, and the
libraries for X, which are left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ubuntu_archive import kernel
from ubuntu_archive.library import library
from ubuntu_archive.module import NAMES, module
from ubuntu_archive.package import Package

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILES = Path(__file__).with_name("files")
LIBRARIES = "/usr/lib/x86_64-linux-gnu"
FLAVOURS = {"proprietary": "", "open": "-open"}
_DKMS_CONF = """PACKAGE_NAME="nvidia"
PACKAGE_VERSION="{version}"
MAKE[0]="./build-module ${{kernelver}}"
CLEAN="true"
AUTOINSTALL="yes"
"""
_DKMS_POSTINST = """#!/bin/sh
set -e
[ "$1" != configure ] || /usr/lib/dkms/common.postinst nvidia {version} /usr/share/nvidia-dkms amd64 "$2"
"""
_DKMS_PRERM = """#!/bin/sh
set -e
dkms remove -m nvidia -v {version} --all >/dev/null 2>&1 || true
"""
_PERSISTENCED = """[Unit]
Description=NVIDIA Persistence Daemon (simulated)
ConditionPathExists=/sys/module/nvidia/version

[Service]
Type=forking
ExecStart=/usr/bin/nvidia-persistenced --verbose{options}
{install}"""
_FABRIC_MANAGER = """[Unit]
Description=NVIDIA fabric manager service (simulated)

[Service]
ExecStart=/bin/sleep infinity

[Install]
WantedBy=multi-user.target
"""


class Driver(msgspec.Struct, frozen=True, kw_only=True):
    """One release of a driver in one repository.

    Attributes:
        version: upstream's, e.g. 580.95.05.
        package_version: the archive's.
        suffix: of the packages' names, e.g. ``-580-server``; empty in NVIDIA's repository from 590 on.
        persistence: options of the daemon in the unit.
        enabled: the unit can be enabled by itself; Ubuntu's is started by a rule of udev.
    """

    version: str
    package_version: str
    suffix: str
    component: str = ""
    origin: str = "Ubuntu"
    persistence: str = ""
    enabled: bool = False

    @property
    def branch(self) -> str:
        """E.g. 580."""
        return self.version.partition(".")[0]

    def package(
        self,
        name: str,
        depends: str = "",
        *,
        files: Mapping[str, bytes] | None = None,
        **more: object,
    ) -> Package:
        """A package of this release, of exactly this version."""
        return Package(
            name=name,
            version=self.package_version,
            section=f"{self.component}/libs" if self.component else "NVIDIA",
            component=self.component,
            origin=self.origin,
            files=files or {},
            fields={"Depends": depends},
            **more,  # type: ignore[arg-type]
        )

    def part(
        self,
        virtual: str,
        depends: str = "",
        files: Mapping[str, bytes] | None = None,
        **more: object,
    ) -> Package:
        """A package ``virtual`` + suffix that excludes those of other branches."""
        made = self.package(f"{virtual}{self.suffix}", depends, files=files, **more)
        return alone(made, virtual)

    def exactly(self, *names: str) -> str:
        """A dependency on packages of the same release; ``@`` stands for the suffix."""
        return ", ".join(f"{n.replace('@', self.suffix)} (= {self.package_version})" for n in names)


def alone(package: Package, virtual: str) -> Package:
    """The package, so that no other that provides ``virtual`` can be installed beside it."""
    provides = "" if package.name == virtual else f"{virtual} (= {package.version})"
    more = {"Provides": provides, "Conflicts": virtual, "Replaces": virtual}
    return msgspec.structs.replace(package, fields={**package.fields, **more})


def user_space(driver: Driver) -> Iterator[Package]:
    """Libraries, programs and firmware."""
    version = driver.version
    yield _libraries(driver, "libnvidia-compute", "libcuda", "libnvidia-ml")
    yield _libraries(driver, "libnvidia-cfg1", "libnvidia-cfg")
    yield driver.part("libnvidia-decode", driver.exactly("libnvidia-compute@"))
    smi = (FILES / "nvidia-smi").read_bytes()
    yield driver.part(
        "nvidia-utils", f"libnvidia-compute{driver.suffix}", files={"/usr/bin/nvidia-smi": smi}
    )
    yield _compute_utils(driver)
    firmware = f"nvidia-firmware{driver.suffix}-{version}"
    yield driver.package(
        firmware, files={f"/lib/firmware/nvidia/{version}/gsp_tu10x.bin": b"simulated\n"}
    )
    options = f"# simulated {version}\n".encode()
    yield driver.part(
        "nvidia-kernel-common",
        driver.exactly(firmware),
        files={"/usr/lib/modprobe.d/nvidia-kernel-common.conf": options},
    )
    yield fabric_manager(driver)


def _libraries(driver: Driver, package: str, *names: str) -> Package:
    """A package of libraries, after which the dynamic linker's cache is made anew."""
    return driver.part(
        package,
        files={
            f"{LIBRARIES}/{name}.so.{driver.version}": library(f"{name}.so.1") for name in names
        },
        links={f"{LIBRARIES}/{name}.so.1": f"{name}.so.{driver.version}" for name in names},
        scripts={"triggers": "activate-noawait ldconfig\n"},
    )


def fabric_manager(driver: Driver) -> Package:
    """Its version must be the driver's to the last digit; Ubuntu's and NVIDIA's names have no ``-server``."""
    program = f"#!/bin/sh\necho 'Fabric Manager version is : {driver.version} (simulated)'\n"
    files = {
        "/usr/bin/nv-fabricmanager": program.encode(),
        "/lib/systemd/system/nvidia-fabricmanager.service": _FABRIC_MANAGER.encode(),
    }
    name = f"nvidia-fabricmanager{driver.suffix.removesuffix('-server')}"
    return alone(driver.package(name, files=files), "nvidia-fabricmanager")


def _compute_utils(driver: Driver) -> Package:
    install = "\n[Install]\nWantedBy=multi-user.target\n" if driver.enabled else ""
    options = f" {driver.persistence}" if driver.persistence else ""
    unit = _PERSISTENCED.format(options=options, install=install)
    return driver.part(
        "nvidia-compute-utils",
        f"libnvidia-compute{driver.suffix}",
        files={
            "/usr/bin/nvidia-persistenced": (FILES / "nvidia-persistenced").read_bytes(),
            "/lib/systemd/system/nvidia-persistenced.service": unit.encode(),
        },
        scripts={"postinst": "#!/bin/sh\nsystemctl daemon-reload\n"},
    )


def kernel_parts(driver: Driver, flavour: str) -> Iterator[Package]:
    """The modules' source and what builds it, in one flavour."""
    tail, folder = FLAVOURS[flavour], f"/usr/src/nvidia-{driver.version}"
    sources = {
        f"{folder}/{name}.ko.in": module(name, driver.version, flavour, kernel.release())
        for name in NAMES
    }
    source = driver.package(f"nvidia-kernel-source{driver.suffix}{tail}", files=sources)
    yield alone(source, "nvidia-kernel-source")
    conf = _DKMS_CONF.format(version=driver.version) + "".join(
        f'BUILT_MODULE_NAME[{n}]="{name}"\nDEST_MODULE_LOCATION[{n}]="/kernel/drivers/char/drm"\nSTRIP[{n}]="no"\n'
        for n, name in enumerate(NAMES)
    )
    needs = driver.exactly(f"nvidia-kernel-source@{tail}", "nvidia-kernel-common@")
    dkms = driver.package(
        f"nvidia-dkms{driver.suffix}{tail}",
        f"dkms, {needs}",
        files={
            f"{folder}/dkms.conf": conf.encode(),
            f"{folder}/build-module": (FILES / "build-module").read_bytes(),
        },
        scripts={
            "postinst": _DKMS_POSTINST.format(version=driver.version),
            "prerm": _DKMS_PRERM.format(version=driver.version),
        },
    )
    yield alone(dkms, "nvidia-dkms")


def metapackages(driver: Driver, flavour: str) -> Iterator[Package]:
    """What people ask for."""
    tail = FLAVOURS[flavour]
    common = driver.exactly(
        "libnvidia-cfg1@",
        "libnvidia-compute@",
        "libnvidia-decode@",
        "nvidia-compute-utils@",
        "nvidia-kernel-common@",
        f"nvidia-kernel-source@{tail}",
    )
    dkms = driver.exactly(f"nvidia-dkms@{tail}")
    bare = driver.package(f"nvidia-headless-no-dkms{driver.suffix}{tail}", common)
    yield alone(bare, "nvidia-headless-no-dkms")
    whole = driver.package(
        f"nvidia-headless{driver.suffix}{tail}",
        f"{driver.exactly(f'nvidia-headless-no-dkms@{tail}')}, {dkms}",
    )
    yield alone(whole, "nvidia-headless")
    yield driver.package(
        f"nvidia-driver{driver.suffix}{tail}",
        f"{common}, {dkms}, {driver.exactly('nvidia-utils@')}",
    )
