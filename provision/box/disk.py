"""A box's disk: what it writes lies over the shared root, which stays as it is."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from provision.box.errors import BoxError
from provision.box.process import run

if TYPE_CHECKING:
    from provision.box.record import Record
    from provision.box.settings import Settings

_PATIENCE = 5.0
"""Seconds that a file system may stay busy after the last process that used it was killed."""


def create(box: Record, lower: Path, settings: Settings) -> None:
    """Mount the box's root at ``box.root``.

    Raises:
        BoxError: a mount failed.
    """
    sizes = dict(settings.disk_sizes)
    box.root.mkdir()
    written = box.folder / "disk"
    written.mkdir()
    whole = sizes.pop("/", "")
    if whole:
        _mount_memory(written, whole)
    upper, work = written / "upper", written / "work"
    upper.mkdir()
    work.mkdir()
    upper.chmod(0o755)
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    done = run(["mount", "-t", "overlay", box.machine, "-o", options, str(box.root)], check=False)
    if done.returncode:
        _copy(box, lower, whole)
    for inside, size in sizes.items():
        place = box.root / inside.lstrip("/")
        place.mkdir(parents=True, exist_ok=True)
        _mount_memory(place, size)


def delete(folder: Path) -> None:
    """Unmount everything in ``folder`` and delete it; nothing happens where it does not exist.

    Raises:
        BoxError: something stayed mounted; nothing below it was deleted.
    """
    deadline = time.monotonic() + _PATIENCE
    while left := mounts_below(folder):
        lazy = ["--lazy"] if time.monotonic() > deadline else []
        for place in reversed(left):
            run(["umount", *lazy, str(place)], check=False)
        if lazy:
            break
        if mounts_below(folder):
            time.sleep(0.1)
    if left := mounts_below(folder):
        raise BoxError(
            "a box's file system cannot be unmounted",
            where=str(left[0]),
            hint=f"see who uses it with `fuser -m {left[0]}`, then run `umount {left[0]}`",
            reference="box-still-mounted",
        )
    if folder.exists():
        shutil.rmtree(folder)


def mounts_below(folder: Path) -> list[Path]:
    """Mount points in ``folder``, outermost first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    # proc(5): the fifth field; a space in a path is written \040
    places = [Path(line.split()[4].encode().decode("unicode_escape")) for line in lines]
    return sorted(place for place in places if place.is_relative_to(folder))


def _mount_memory(place: Path, size: str) -> None:
    run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", str(place)])


def _copy(box: Record, lower: Path, size: str) -> None:
    """Where overlayfs is not available, e.g. when the folder itself is on one."""
    if size:
        _mount_memory(box.root, size)
    run(["cp", "--archive", "--reflink=auto", f"{lower}/.", str(box.root)], limit=300)
