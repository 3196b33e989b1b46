"""One qemu process: started with a disk, watched, ended by its own pid."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import msgspec

from provision.box import BoxError
from provision.box.process import environment

_PATIENCE = 10.0
"""Seconds that qemu may take to write its disk out when it is ended."""


class Qemu(msgspec.Struct, frozen=True, kw_only=True):
    """The machine's hardware.

    Attributes:
        disk: raw image; also where the machine boots from, unless ``direct`` names a kernel.
        console: file that what the machine writes on its serial line is added to.
        port: on 127.0.0.1; leads to the machine's SSH. 0: it has no network.
        direct: kernel, initial RAM disk and command line for a boot without a boot loader.
        memory: MiB.
    """

    disk: Path
    console: Path
    port: int = 0
    direct: tuple[Path, Path, str] | None = None
    memory: int = 2048

    def argv(self) -> list[str]:
        # Emulation is the same on every host; a host with KVM of its own may be told so.
        accelerator = os.environ.get("DLRIG_VM_ACCELERATOR", "tcg,thread=multi")
        argv = ["qemu-system-x86_64", "-machine", "pc", "-accel", accelerator, "-cpu", "max"]
        argv += ["-smp", "2", "-m", str(self.memory), "-nodefaults", "-display", "none"]
        # nobody looks, but GRUB does not get past a missing screen
        argv += ["-vga", "std"]
        # append: the console of every boot in one file
        argv += ["-chardev", f"file,id=console,append=on,path={self.console}"]
        argv += ["-serial", "chardev:console", "-device", "virtio-rng-pci"]
        # the image lives as long as one test: nobody needs it after this host lost its power
        drive = f"file={self.disk},format=raw,if=virtio,cache=unsafe,discard=unmap"
        argv += ["-drive", drive]
        if self.port:
            forward = f"ipv6=off,hostfwd=tcp:127.0.0.1:{self.port}-:22"
            argv += ["-nic", f"user,model=virtio-net-pci,{forward}"]
        else:
            argv += ["-nic", "none"]
        if self.direct:
            kernel, ramdisk, line = self.direct
            argv += ["-kernel", str(kernel), "-initrd", str(ramdisk), "-append", line, "-no-reboot"]
        return argv

    def start(self) -> subprocess.Popen[bytes]:
        """Switch it on; it dies with this process, however that ends."""
        words = self.console.with_suffix(".qemu.log").open("ab")
        with words:
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "--", *self.argv()],
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                env=environment(),
                start_new_session=True,
            )

    def run(self, limit: float) -> None:
        """Switch it on and wait until it switches itself off.

        Raises:
            BoxError: it did not within ``limit`` seconds, or qemu failed.
        """
        process = self.start()
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired as error:
            raise BoxError(
                f"a machine did not switch itself off within {limit:g} s",
                hint=self.said(),
                reference="vm-not-off",
            ) from error
        finally:
            end(process)
        if code:
            raise BoxError(
                f"qemu ended with exit code {code}", hint=self.said(), reference="vm-failed"
            )

    def said(self) -> str:
        """The end of what the machine and qemu wrote."""
        files = (self.console, self.console.with_suffix(".qemu.log"))
        texts = [file.read_text(errors="replace")[-1500:] for file in files if file.exists()]
        return "\n".join(texts)


def end(process: subprocess.Popen[bytes]) -> None:
    """End qemu: asked, so that it writes its disk out, then killed; nothing where it ended before."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
