"""Packages of Ubuntu's kernel, and of dkms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ubuntu_archive.package import Package

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST = 60
"""ABI of the kernel that a rig begins with."""
_CONFIG = """# simulated
CONFIG_CC_VERSION_TEXT="x86_64-linux-gnu-gcc-13 (Ubuntu 13.3.0-6ubuntu2~24.04) 13.3.0"
CONFIG_MODULE_SIG=y
"""
_IMAGE_POSTINST = """#!/bin/sh
set -e
depmod {release}
[ ! -d /etc/kernel/postinst.d ] ||
    run-parts --report --exit-on-error --arg={release} --arg=/boot/vmlinuz-{release} /etc/kernel/postinst.d
"""
_HEADERS_POSTINST = """#!/bin/sh
set -e
[ ! -d /etc/kernel/header_postinst.d ] ||
    run-parts --report --exit-on-error --arg={release} /etc/kernel/header_postinst.d
"""


def release(abi: int = FIRST) -> str:
    """What ``uname -r`` says."""
    return f"6.8.0-{abi}-generic"


def version(abi: int = FIRST) -> str:
    """Version of the kernel's packages; the number after the dot is plausible, nothing more."""
    return f"6.8.0-{abi}.{abi + 3}"


def kernel(abi: int = FIRST) -> Iterator[Package]:
    """Image, headers and metapackages; dependencies from the archive, without initramfs and firmware."""
    name, of = release(abi), version(abi)

    def package(title: str, depends: str = "", **more: object) -> Package:
        fields = {"Depends": depends}
        return Package(
            name=title,
            version=of,
            section="kernel",
            component="main",
            fields=fields,
            **more,  # type: ignore[arg-type]
        )

    image = {f"/boot/vmlinuz-{name}": b"simulated\n"}
    modules = {
        f"/boot/config-{name}": _CONFIG.encode(),
        f"/lib/modules/{name}/modules.builtin": b"",
        f"/lib/modules/{name}/modules.builtin.modinfo": b"",
        f"/lib/modules/{name}/modules.order": b"",
    }
    source = f"/usr/src/linux-headers-{name}"
    headers = {
        f"{source}/.config": _CONFIG.encode(),
        f"{source}/include/generated/utsrelease.h": f'#define UTS_RELEASE "{name}"\n'.encode(),
        f"{source}/Makefile": b"# simulated\n",
    }
    yield package(
        f"linux-image-{name}",
        f"kmod, linux-modules-{name}",
        files=image,
        scripts={"postinst": _IMAGE_POSTINST.format(release=name)},
    )
    yield package(f"linux-modules-{name}", files=modules)
    yield package(
        f"linux-headers-6.8.0-{abi}",
        files={f"/usr/src/linux-headers-6.8.0-{abi}/README": b"simulated\n"},
    )
    yield package(
        f"linux-headers-{name}",
        f"linux-headers-6.8.0-{abi}",
        files=headers,
        links={f"/lib/modules/{name}/build": source},
        scripts={"postinst": _HEADERS_POSTINST.format(release=name)},
    )
    yield package("linux-image-generic", f"linux-image-{name}")
    yield package("linux-headers-generic", f"linux-headers-{name}")
    yield package("linux-generic", f"linux-image-generic (= {of}), linux-headers-generic (= {of})")


def compiler() -> Package:
    """The gcc that the kernel says it was built with; it compiles nothing."""
    script = b"#!/bin/sh\necho 'x86_64-linux-gnu-gcc-13 (simulated) 13.3.0'\n"
    path = "/usr/bin/x86_64-linux-gnu-gcc-13"
    return Package(
        name="gcc-13",
        version="13.3.0-6ubuntu2~24.04",
        section="devel",
        component="main",
        files={path: script},
        links={"/usr/bin/gcc-13": path},
    )
