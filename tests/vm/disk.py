"""A disk image with a boot loader, made from the root of a box that was switched off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qemu import Qemu

from provision.box import BoxError
from provision.box.process import run

if TYPE_CHECKING:
    from pathlib import Path

LABEL = "dlrig-vm"
_GAP = 1 << 20
"""Bytes before the first partition: GRUB's core lies there (the usual alignment of 1 MiB)."""
_SIZE = 32 << 30
"""Bytes: room for the environments of a rig with GPUs, or there is no plan for it; the file is sparse."""
_LOADER_LIMIT = 900.0
"""Seconds to boot, install GRUB and switch off: 40 in emulation on an idle host, many times that on a busy one."""
# As the first process: there is no systemd to boot, and nothing else writes to the disk.
_INSTALLER = """#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
entry="Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux $(uname -r)"
if grub-install --target=i386-pc /dev/vda && update-grub && grub-set-default "$entry"; then
    echo "boot loader: installed"
fi
rm -f /boot/install-loader
sync
# proc(5), sysrq: every file system read-only, as this script's own file keeps / busy; then the power off
echo u > /proc/sysrq-trigger
sleep 1
echo o > /proc/sysrq-trigger
sleep 60
"""


def make(root: Path, folder: Path, release: str) -> Path:
    """Copy ``root`` into an image in ``folder`` that boots the kernel ``release``; about a minute.

    Raises:
        BoxError: a tool failed.
    """
    installer = root / "boot/install-loader"
    installer.write_text(_INSTALLER)
    installer.chmod(0o755)
    (root / "etc/fstab").write_text(f"LABEL={LABEL} / ext4 errors=remount-ro 0 1\n")
    disk = folder / "disk.img"
    with disk.open("wb") as handle:
        handle.truncate(_SIZE)
    run(["sfdisk", "--quiet", str(disk)], stdin=f"label: dos\nstart={_GAP // 512}, bootable\n")
    blocks = (_SIZE - _GAP) // 4096
    argv = ["mke2fs", "-q", "-t", "ext4", "-L", LABEL, "-b", "4096", "-d", str(root)]
    run([*argv, "-E", f"offset={_GAP}", str(disk), str(blocks)], limit=900)
    _install_loader(disk, root / "boot", release, folder / "loader.log")
    return disk


def _install_loader(disk: Path, boot: Path, release: str, console: Path) -> None:
    line = f"root=LABEL={LABEL} rw console=ttyS0 panic=1 init=/boot/install-loader"
    direct = (boot / f"vmlinuz-{release}", boot / f"initrd.img-{release}", line)
    qemu = Qemu(disk=disk, console=console, direct=direct)
    qemu.run(_LOADER_LIMIT)
    if "boot loader: installed" not in console.read_text(errors="replace"):
        raise BoxError(
            "GRUB could not be installed on the machine's disk",
            hint=qemu.said(),
            reference="vm-no-loader",
        )
