"""Keeps a box's machine running: started again when it reboots, left alone when it is switched off."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from provision.box import cgroup, network
from provision.box.process import environment

if TYPE_CHECKING:
    from provision.box.record import Record
    from provision.box.settings import Settings

_REBOOT = 133
"""systemd-nspawn's exit code with --keep-unit for 'start me again' (src/nspawn/nspawn.c)."""
_PATIENCE = 60.0
"""Seconds that killed processes may take to vanish."""


class Supervisor:
    """The power button of one box."""

    def __init__(self, box: Record, settings: Settings) -> None:
        self._box = box
        self._nspawn = _nspawn_argv(box, settings)
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._off = threading.Event()
        self.boots = 0

    @property
    def on(self) -> bool:
        """Whether the machine runs, or is between two boots."""
        return self._thread is not None and self._thread.is_alive()

    def power_on(self) -> None:
        """Boot; does nothing where the machine is on."""
        if self.on:
            return
        self._off.clear()
        # The kernel kills nspawn when the thread that started it ends, so the thread stays for it.
        self._thread = threading.Thread(target=self._keep, name=self._box.machine, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Take the power away: nothing in the box is told."""
        self._off.set()
        if self._process is not None:
            self._process.kill()
        kill_all(self._box)
        if self._thread is not None:
            self._thread.join(_PATIENCE)

    def _keep(self) -> None:
        while not self._off.is_set():
            self.boots += 1
            with (self._box.folder / "console.log").open("ab") as log:
                self._process = subprocess.Popen(  # noqa: S603 - argv is built by this package
                    cgroup.joining(self._box.machine, self._nspawn, self.boots),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    # a real disk keeps /tmp in no more memory than a rig does
                    env={**environment(), "SYSTEMD_NSPAWN_TMPFS_TMP": "0"},
                    start_new_session=True,
                )
            if self._off.is_set():
                self._process.kill()
            if self._process.wait() != _REBOOT:
                return


def leader(box: Record) -> int:
    """The process that is number 1 inside the box; 0 where it is off."""
    for pid in network.processes(box):
        with suppress(FileNotFoundError, ProcessLookupError):
            status = Path(f"/proc/{pid}/status").read_text()
            numbers = next(line for line in status.splitlines() if line.startswith("NSpid:"))
            if numbers.split()[2:] == ["1"]:
                return pid
    return 0


def kill_all(box: Record) -> None:
    """Kill what runs for the box, and wait until it is gone: all of its processes, and its nspawn."""
    deadline = time.monotonic() + _PATIENCE
    while pids := [*network.processes(box), *_nspawn(box)]:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            return
        time.sleep(0.02)


def _nspawn(box: Record) -> list[int]:
    """The box's nspawn by its unique machine name; this finds it after its maker died too."""
    wanted = f"--machine={box.machine}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(FileNotFoundError, ProcessLookupError):
            words = path.read_bytes().split(b"\0")
            if wanted in words and words[0].endswith(b"systemd-nspawn"):
                found.append(int(path.parent.name))
    return found


def _nspawn_argv(box: Record, settings: Settings) -> list[str]:
    return [
        *("setpriv", "--pdeathsig", "KILL", "--", "systemd-nspawn"),
        *("--quiet", "--boot", "--keep-unit", "--register=no"),
        *(f"--directory={box.root}", f"--machine={box.machine}", f"--hostname={box.name}"),
        *("--resolv-conf=off", "--timezone=off", "--link-journal=no"),
        f"--network-namespace-path=/run/netns/{box.machine}",
        # a rig's root rules over its network, and the box's is its own
        "--capability=CAP_NET_ADMIN",
        *(f"--bind-ro={path}:{inside}" for inside, path in settings.binds.items()),
    ]
