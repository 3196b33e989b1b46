"""What makes a box's root into a machine's: a kernel, a boot loader, a network card's settings."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from provision.box import BoxError

if TYPE_CHECKING:
    from provision.box import Box

# What Debian's own cloud image has and a container does not need; headers, because DKMS builds with them.
PACKAGES = "linux-image-cloud-amd64 linux-headers-cloud-amd64 grub-pc udev kmod e2fsprogs"
_NETWORK = "[Match]\nType=ether\n\n[Network]\nDHCP=ipv4\n"
# The timeout is for people at a screen; the serial line is what the tests keep. On a busy host emulated
# processors stand still for seconds, which the kernel would take for a fault of its own.
_GRUB = """GRUB_DISTRIBUTOR=Debian
GRUB_DEFAULT=saved
GRUB_TIMEOUT=0
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0 loglevel=4 rcupdate.rcu_cpu_stall_suppress=1"
"""
_RESOLVER = "10.0.2.3"
"""Of qemu's user network (qemu(1), -netdev user)."""
_INSTALL = "DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends"
_LIMIT = 3600.0
_OFF_LIMIT = 300.0


def install_kernel(box: Box) -> str:
    """Install Debian's cloud kernel with its headers and GRUB; returns the kernel's release."""
    # there is no disk to put GRUB on yet
    answers = "grub-pc grub-pc/install_devices_empty boolean true\n"
    box.shell("debconf-set-selections", stdin=answers)
    box.shell(f"apt-get -qq update && {_INSTALL} {PACKAGES}", limit=_LIMIT)
    return box.shell("ls /lib/modules").stdout.split()[-1]


def install_other_kernel(box: Box) -> str:
    """Install Debian's common kernel, without headers; returns its release.

    It is the kernel of an update that nobody built modules for.
    """
    before = set(box.shell("ls /lib/modules").stdout.split())
    box.shell(f"{_INSTALL} linux-image-amd64", limit=_LIMIT)
    (release,) = set(box.shell("ls /lib/modules").stdout.split()) - before
    return release


def pretend_kernel(box: Box, release: str) -> None:
    """Let ``uname -r`` name the machine's kernel while this host's runs; the machine gets rid of it."""
    script = f'#!/bin/sh\n[ "$*" = -r ] && echo {release} && exit\nexec /usr/bin/uname "$@"\n'
    box.shell("cat >/usr/local/bin/uname && chmod 0755 /usr/local/bin/uname", stdin=script)


def become_machine(box: Box) -> None:
    """Give the root a machine's settings and switch the box off.

    Raises:
        BoxError: it did not switch off.
    """
    for path, text in {
        "/etc/systemd/network/20-wired.network": _NETWORK,
        "/etc/default/grub": _GRUB,
        "/etc/resolv.conf": f"nameserver {_RESOLVER}\n",
    }.items():
        box.shell(f"cat >{path}", stdin=text)
    box.shell("rm -f /usr/local/bin/uname; systemctl enable systemd-networkd; apt-get clean")
    box.shell("systemctl poweroff", check=False)
    deadline = time.monotonic() + _OFF_LIMIT
    while box.on and time.monotonic() < deadline:
        time.sleep(0.1)
    if box.on:
        raise BoxError("the box did not switch off", where=box.name, reference="vm-box-not-off")
