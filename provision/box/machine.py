"""A box: a throwaway rig on this machine, booted, with SSH, users and a network of its own."""

from __future__ import annotations

import re
import secrets
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from provision.box import (
    cgroup,
    disk,
    folders,
    host,
    inherit,
    network,
    prepare,
    record,
    root,
    subnet,
    supervisor,
    sweep,
    systems,
    trust,
)
from provision.box.errors import BoxError
from provision.box.process import run
from provision.box.settings import Settings
from provision.errors import UsageError

if TYPE_CHECKING:
    import subprocess
    from types import TracebackType

_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""RFC 1123, lower case: it is an SSH alias and a file name too."""
_POLL = 0.05


class Box:
    """One throwaway rig; made by ``Box.start``, gone after ``destroy`` or the ``with`` block.

    Attributes:
        name: its host name and SSH alias.
        settings: what it was asked to be.
        address: its IPv4 address; SSH listens on ``port``.
        ssh_config: OpenSSH configuration file that reaches and trusts it, and nothing else.
        password: of the user ``typist``, for sudo.
    """

    port = 22

    def __init__(self, name: str, settings: Settings, kept: record.Record) -> None:
        self.name = name
        self.settings = settings
        self.password = secrets.token_urlsafe(12)
        self.address = network.addresses(kept.subnet)[1]
        self.ssh_config = kept.folder / "ssh" / "config"
        self._record = kept
        self._power = supervisor.Supervisor(kept, settings)

    @classmethod
    def start(
        cls, name: str = "box", system: str = "debian-12", settings: Settings | None = None
    ) -> Self:
        """Make a box and boot it: seconds, and a minute more for the first of its kind.

        Raises:
            UsageError: no such system, or a name that is no host name.
            BoxError: this machine cannot run boxes, or this one did not come up.
        """
        settings = settings or Settings()
        if not _HOST_NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} cannot be a box's name",
                hint="use lower-case letters, digits and inner hyphens",
                reference="box-name-invalid",
            )
        wanted = systems.system(system)
        host.check(wanted)
        sweep.exit_on_sigterm()
        sweep.sweep()
        distribution = systems.table().distributions[wanted.distribution]
        inheritance = inherit.from_host(distribution) if settings.inherit else inherit.nothing()
        lower = root.root(wanted, inheritance, python=settings.python)
        box = cls(name, settings, _reserve(name, settings))
        sweep.watch(box)
        try:
            box._assemble(lower, wanted, inheritance)
            box.power_on()
        except BaseException:
            box.destroy()
            raise
        return box

    @property
    def target(self) -> str:
        """The box as an SSH target, as root."""
        return self.target_for("root")

    def target_for(self, user: str) -> str:
        """The box as an SSH target for ``root``, ``rigger``, ``typist`` or ``guest``.

        ``rigger`` may use sudo without a password, ``typist`` with ``password``, ``guest`` not at all.
        """
        return f"{user}@{self.name}"

    @property
    def console(self) -> Path:
        """What the machine wrote on its console, over all boots."""
        return self._record.folder / "console.log"

    @property
    def on(self) -> bool:
        """Whether it runs; a machine that shut itself down does not."""
        return self._power.on

    @property
    def boots(self) -> int:
        """How often it was booted."""
        return self._power.boots

    def path(self, inside: str) -> Path:
        """Where a file of the box lies on this machine; not for links that lead out of its folder."""
        return self._record.root / inside.lstrip("/")

    def shell(
        self, command: str, *, stdin: str = "", limit: float = 120, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command in the box as root, not by way of its network; limit in seconds.

        Raises:
            BoxError: the box is off, or (with ``check``) the command failed.
        """
        leader = supervisor.leader(self._record)
        if not leader:
            raise BoxError("the box is off", where=self.name, reference="box-off")
        argv = ["nsenter", f"--target={leader}", "--mount", "--uts", "--ipc", "--net", "--pid"]
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        clean = ["env", "-i", f"PATH={path}", "HOME=/root", "LANG=C.UTF-8", "TERM=dumb"]
        argv += ["--root", "--wd", "--", *clean, "sh", "-c", command]
        return run(argv, stdin=stdin, limit=limit, check=check)

    def boot_id(self) -> str:
        """The identity of the present boot; empty while the box is off."""
        leader = supervisor.leader(self._record)
        try:
            return Path(f"/proc/{leader}/root/proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            return ""

    def power_on(self) -> None:
        """Boot, and wait for SSH to let everyone in.

        Raises:
            BoxError: it did not come up within ``settings.boot_limit``.
        """
        self._power.power_on()
        self.wait()

    def power_cut(self) -> None:
        """Take the power away; ``power_on`` gives it back. What was written to its disk stays."""
        self._power.cut()

    def reboot(self) -> None:
        """Reboot in an orderly way, and wait until it is back."""
        before = self.boot_id()
        self.shell("systemctl reboot", check=False)
        self.wait(not_boot=before)

    def wait(self, *, not_boot: str = "") -> None:
        """Wait until the box is up, in another boot than ``not_boot``.

        Raises:
            BoxError: it switched itself off, or took longer than ``settings.boot_limit``.
        """
        deadline = time.monotonic() + self.settings.boot_limit
        while time.monotonic() < deadline and self.on:
            if self._lets_in() and self.boot_id() != not_boot:
                return
            time.sleep(_POLL)
        state = "did not come up in time" if self.on else "switched itself off"
        tail = self.console.read_text(errors="replace")[-1500:] if self.console.exists() else ""
        raise BoxError(
            f"the box {state}",
            where=self.name,
            hint=f"the end of its console:\n{tail}",
            reference="box-not-up",
        )

    def save_logs(self, folder: Path) -> None:
        """Keep the console and the journal in ``folder``, for whoever finds out what went wrong."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.console.exists():
            (folder / f"{self.name}.console.log").write_bytes(self.console.read_bytes())
        if supervisor.leader(self._record):
            journal = self.shell("journalctl --no-pager --merge", check=False).stdout
            (folder / f"{self.name}.journal.log").write_text(journal)

    def destroy(self) -> None:
        """Remove every trace of the box from this machine; does nothing a second time.

        Raises:
            BoxError: its file system cannot be unmounted.
        """
        self._power.cut()
        sweep.remove(self._record)
        sweep.forget(self)

    @staticmethod
    def sweep() -> list[str]:
        """Remove the boxes whose makers died without removing them; returns their names."""
        return sweep.sweep()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Destroy the box."""
        self.destroy()

    def _assemble(
        self, lower: Path, system: systems.System, inheritance: inherit.Inheritance
    ) -> None:
        kept = self._record
        with folders.locked("network"):
            network.create(kept)
        cgroup.create(kept.machine)
        disk.create(kept, lower, self.settings)
        prepare.prepare(kept.root, self.name, system, self.settings, inheritance)
        prepare.set_password(kept.root, "typist", self.password)
        first = self.settings.first_contact
        trust.create(
            self.ssh_config.parent, kept.root, self.name, self.address, first_contact=first
        )

    def _lets_in(self) -> bool:
        """Whether sshd answers and no longer turns away all but root (pam_nologin(8))."""
        try:
            with socket.create_connection((self.address, self.port), timeout=1) as connection:
                greeted = connection.recv(4) == b"SSH-"
        except OSError:
            return False
        nologin = Path(f"/proc/{supervisor.leader(self._record)}/root/run/nologin")
        return greeted and not nologin.exists()


def _reserve(name: str, settings: Settings) -> record.Record:
    """Put the box on record, with an address range that no box and no route uses."""
    box_id = secrets.token_hex(4)
    with folders.locked("network"):
        used = subnet.used_here() + [other.subnet for other in record.every()]
        kept = record.own(box_id, name, settings.network, str(subnet.pick(used, box_id)))
        kept.write()
    return kept
