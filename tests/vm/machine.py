"""A virtual machine: a kernel, boot loader, disk and network of its own, reached by SSH alone."""

from __future__ import annotations

import shutil
import socket
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import disk
from qemu import Qemu, end

from provision.box import Box, BoxError
from provision.box.process import run

if TYPE_CHECKING:
    import subprocess
    from types import TracebackType

BOOT_LIMIT = 900.0
"""Seconds from power to a root's login: 45 in emulation on an idle host, many times that on a busy one."""
_POLL = 0.5
_TRIES = 3
"""Of finding a port: another program may take it between the look and qemu's start."""


class Machine:
    """A machine whose disk began as the root of a box; gone after the ``with`` block.

    Attributes:
        name: its host name and SSH alias.
        ssh_config: OpenSSH configuration file that reaches and trusts it, and nothing else.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.ssh_config = folder / "ssh" / "config"
        self.console = folder / "console.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @classmethod
    def from_box(cls, box: Box, release: str) -> Self:
        """Take over the disk, name and keys of a box, which must be off, and boot its kernel ``release``.

        Raises:
            BoxError: no disk could be made, or the machine did not come up.
        """
        if box.on:
            raise BoxError(
                "a box that runs cannot be copied", where=box.name, reference="vm-box-on"
            )
        made = Path(tempfile.mkdtemp(prefix="dlrig-vm-"))
        machine = cls(box.name, made)
        try:
            disk.make(box.path("/"), made, release)
            machine._take_keys(box)
            machine.power_on()
        except BaseException:
            machine.destroy()
            raise
        return machine

    def target_for(self, user: str) -> str:
        """The machine as an SSH target for a user of boxes."""
        return f"{user}@{self.name}"

    @property
    def pid(self) -> int:
        """The process that is the machine; 0 while it is off."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if running and self._process else 0

    def shell(
        self, command: str, *, stdin: str = "", limit: float = 300, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command as root over SSH; limit in seconds.

        Raises:
            BoxError: (with ``check``) it failed, or took longer than ``limit``.
        """
        argv = ["ssh", "-F", str(self.ssh_config), "-o", "BatchMode=yes", "-o", "ConnectTimeout=60"]
        return run([*argv, self.name, command], stdin=stdin, limit=limit, check=check)

    def boot_id(self) -> str:
        """The identity of the present boot."""
        return self.shell("cat /proc/sys/kernel/random/boot_id").stdout.strip()

    def power_on(self) -> None:
        """Switch it on and wait until it lets root in.

        Raises:
            BoxError: it did not within ``BOOT_LIMIT``.
        """
        for _ in range(_TRIES):
            self._start()
            time.sleep(1)
            if self.pid:
                break
        self.wait()

    def power_off(self) -> None:
        """Shut it down in an orderly way; ended after the time that a boot may take."""
        if not self.pid or self._process is None:
            return
        self._order("systemctl poweroff")
        deadline = time.monotonic() + BOOT_LIMIT
        while self.pid and time.monotonic() < deadline:
            time.sleep(_POLL)
        end(self._process)

    def reboot(self) -> None:
        """Reboot in an orderly way, and wait until it is back."""
        before = self.boot_id()
        self._order("systemctl reboot")
        self.wait(not_boot=before)

    def wait(self, *, not_boot: str = "") -> None:
        """Wait until root can log in, in another boot than ``not_boot``.

        Raises:
            BoxError: it switched itself off, or took longer than ``BOOT_LIMIT``.
        """
        deadline = time.monotonic() + BOOT_LIMIT
        while time.monotonic() < deadline and self.pid:
            if self._greets():
                # it may go down at this moment, or be too busy to let anyone in
                with suppress(BoxError):
                    if self.boot_id() != not_boot:
                        return
            time.sleep(_POLL)
        state = "did not come up in time" if self.pid else "switched itself off"
        raise BoxError(
            f"the machine {state}",
            where=self.name,
            hint=self._qemu().said(),
            reference="vm-not-up",
        )

    def save_logs(self, folder: Path) -> None:
        """Keep the console and the journal in ``folder``, for whoever finds out what went wrong."""
        folder.mkdir(parents=True, exist_ok=True)
        for log in self.folder.glob("*.log"):
            shutil.copy(log, folder)
        if self.pid:
            journal = self.shell("journalctl --no-pager --merge", check=False).stdout
            (folder / "journal.log").write_text(journal)

    def destroy(self) -> None:
        """Take its power away and delete all of it; does nothing a second time."""
        if self._process is not None:
            end(self._process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.destroy()

    def _order(self, command: str) -> None:
        """Give an order that ends the connection it comes by, in whatever way."""
        with suppress(BoxError):
            self.shell(command, check=False)

    def _start(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._write_ssh_config()
        self._process = self._qemu().start()

    def _qemu(self) -> Qemu:
        return Qemu(disk=self.folder / "disk.img", console=self.console, port=self._port)

    def _greets(self) -> bool:
        """Whether sshd answers; qemu itself takes the connection at any time."""
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=5) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def _take_keys(self, box: Box) -> None:
        self.ssh_config.parent.mkdir(mode=0o700)
        shutil.copy(box.ssh_config.parent / "id_ed25519", self.ssh_config.parent)
        shutil.copy(box.path("/etc/ssh/ssh_host_ed25519_key.pub"), self.ssh_config.parent / "host")

    def _write_ssh_config(self) -> None:
        folder = self.ssh_config.parent
        kind, key = (folder / "host").read_text().split()[:2]
        names = f"[127.0.0.1]:{self._port},[{self.name}]:{self._port}"
        (folder / "known_hosts").write_text(f"{names} {kind} {key}\n")
        self.ssh_config.write_text(f"""Host {self.name}
    HostName 127.0.0.1
    Port {self._port}
    User root
    IdentityFile "{folder}/id_ed25519"
    IdentitiesOnly yes
    UserKnownHostsFile "{folder}/known_hosts"
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    UpdateHostKeys no
""")
