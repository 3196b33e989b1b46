"""Removes boxes: one, those of a maker that died, and all of this process when it ends."""

from __future__ import annotations

import atexit
import shutil
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from provision.box import cgroup, disk, folders, network, record, supervisor
from provision.box.errors import BoxError

if TYPE_CHECKING:
    from types import FrameType

    from provision.box.machine import Box
    from provision.box.record import Record

_live: list[Box] = []


def remove(box: Record) -> None:
    """Remove every trace of a box; removes the rest where part of it is gone already.

    Raises:
        BoxError: its file system cannot be unmounted.
    """
    supervisor.kill_all(box)
    network.remove(box)
    cgroup.remove(box.machine)
    shutil.rmtree(Path("/run/systemd/nspawn/propagate") / box.machine, ignore_errors=True)
    disk.delete(box.folder)


def sweep() -> list[str]:
    """Remove the boxes whose makers died; returns their names."""
    with folders.locked("sweep"):
        orphans = [box for box in record.every() if not box.owner_lives]
        for box in orphans:
            remove(box)
    return [box.name for box in orphans]


def watch(box: Box) -> None:
    """Destroy ``box`` when this process ends."""
    if not _live:
        atexit.register(_destroy_live)
    _live.append(box)


def forget(box: Box) -> None:
    """``box`` was destroyed."""
    if box in _live:
        _live.remove(box)


def _destroy_live() -> None:
    for box in _live.copy():
        with suppress(BoxError):  # the next sweep tries again
            box.destroy()


def exit_on_sigterm() -> None:
    """By default SIGTERM ends Python without any cleaning up; a handler of the caller's own stays."""
    main = threading.current_thread() is threading.main_thread()
    if main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminated)


def _terminated(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
