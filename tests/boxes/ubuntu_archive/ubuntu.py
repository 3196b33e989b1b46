"""Drivers in Ubuntu's archive: server branches with modules that were built and signed for one kernel.

Dependencies of ``linux-modules-nvidia-*`` as the archive has them (restricted, linux-restricted-modules): objects and
signatures of exactly its version, and user space of exactly the driver's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ubuntu_archive import kernel
from ubuntu_archive.driver import FILES, FLAVOURS, Driver, kernel_parts, metapackages, user_space
from ubuntu_archive.module import NAMES, module
from ubuntu_archive.package import Package

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ubuntu_archive.module import Signer

FIRST = ("580.159.04", "595.58.03")
SECOND = ("580.173.02", "595.71.05")
"""One upload of the kernel's restricted modules holds every branch; each new one carries ``+1`` more."""
RENAMED = {"595": "590"}
"""Branch → the one whose packages are transitional to it."""


def driver(version: str) -> Driver:
    """One release, e.g. ``580.173.02``."""
    branch = version.partition(".")[0]
    return Driver(
        version=version,
        package_version=f"{version}-0ubuntu0.24.04.1",
        suffix=f"-{branch}-server",
        component="restricted" if int(branch) < 590 else "multiverse",
        # Canonical's unit of 595 begins so
        persistence="--no-persistence-mode" if branch == "595" else "",
    )


def packages(
    versions: Iterable[str], signer: Signer, abis: Iterable[int] = (kernel.FIRST,)
) -> Iterator[Package]:
    """Everything of these releases, with modules for these kernels."""
    drivers = [driver(version) for version in versions]
    for each in drivers:
        yield from user_space(each)
        for flavour in FLAVOURS:
            yield from kernel_parts(each, flavour)
            yield from metapackages(each, flavour)
        yield from _transitional(each)
    for upload, number in ((FIRST, 0), (SECOND, 1)):
        of = [each for each in drivers if each.version in upload]
        for abi in abis:
            yield from _upload(of, number, signer, abi) if of else ()


def modules_version(upload: int, abi: int = kernel.FIRST) -> str:
    """Version of linux-restricted-modules' packages."""
    return kernel.version(abi) + ("+1" if upload else "")


def _upload(drivers: list[Driver], number: int, signer: Signer, abi: int) -> Iterator[Package]:
    version, release = modules_version(number, abi), kernel.release(abi)
    signatures: dict[str, bytes] = {}
    for each in drivers:
        for flavour in FLAVOURS:
            objects, signed = _objects(each, flavour, signer, abi)
            signatures |= signed
            yield from _modules(each, flavour, version, abi, objects)
    yield _package(f"linux-signatures-nvidia-{release}", version, files=signatures)


def _objects(
    of: Driver, flavour: str, signer: Signer, abi: int
) -> tuple[dict[str, bytes], dict[str, bytes]]:
    release = kernel.release(abi)
    bits = f"/lib/modules/{release}/kernel/{_folder(of, flavour)}/bits"
    made = {name: module(name, of.version, flavour, release) for name in NAMES}
    signatures = {f"{bits}/{name}.ko.sig": signer.signature(data) for name, data in made.items()}
    return {f"{bits}/{name}.o": data for name, data in made.items()}, signatures


def _modules(
    of: Driver, flavour: str, version: str, abi: int, objects: dict[str, bytes]
) -> Iterator[Package]:
    release, stem = kernel.release(abi), f"nvidia{of.suffix}{FLAVOURS[flavour]}"
    yield _package(f"linux-objects-{stem}-{release}", version, files=objects)
    common = f"nvidia-kernel-common{of.suffix}"
    script = (FILES / "link-modules").read_text()
    script = script.replace("@KERNEL@", release).replace("@FOLDER@", _folder(of, flavour))
    yield _package(
        f"linux-modules-{stem}-{release}",
        version,
        f"linux-image-{release} | linux-image-unsigned-{release}, "
        f"linux-signatures-nvidia-{release} (= {version}), "
        f"linux-objects-{stem}-{release} (= {version}), "
        f"{common} (<= {of.version}-1), {common} (>= {of.version})",
        scripts={"postinst": script, "prerm": script},
    )
    depends = (
        f"linux-modules-{stem}-{release} (= {version}), "
        f"{common} (<= {of.version}-1), {common} (>= {of.version})"
    )
    yield _package(f"linux-modules-{stem}-generic", version, depends)


def _folder(of: Driver, flavour: str) -> str:
    return f"nvidia-{of.branch}srv{FLAVOURS[flavour]}"


def _package(name: str, version: str, depends: str = "", **more: object) -> Package:
    return Package(
        name=name,
        version=version,
        section="restricted/kernel",
        component="restricted",
        fields={"Depends": depends},
        **more,  # type: ignore[arg-type]
    )


def _transitional(to: Driver) -> Iterator[Package]:
    old = RENAMED.get(to.branch)
    if old is None:
        return
    suffix = f"-{old}-server"
    for tail in FLAVOURS.values():
        for stem in ("nvidia-driver", "nvidia-headless-no-dkms", "nvidia-dkms"):
            yield _renamed(to, f"{stem}{suffix}{tail}", f"{stem}{to.suffix}{tail}")
        modules = "linux-modules-nvidia{}{}-generic"
        yield _renamed(to, modules.format(suffix, tail), modules.format(to.suffix, tail))
    for stem in ("nvidia-utils", "nvidia-compute-utils", "libnvidia-compute"):
        yield _renamed(to, f"{stem}{suffix}", f"{stem}{to.suffix}")


def _renamed(to: Driver, name: str, new: str) -> Package:
    return msgspec.structs.replace(to.package(name, new), section="oldlibs")
