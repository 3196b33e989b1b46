"""Room on the file systems that matter, and the disks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from provision.facts.reading import Reading, whole
from provision.layout import PREFIX

if TYPE_CHECKING:
    from provision.facts.reading import Transcript

# A path that does not exist yet lies on its nearest parent's file system. `df` on named paths, not on all
# mounts: a dead network mount elsewhere must not hang the reading.
_PATHS = f"/ /boot /tmp /var {PREFIX.rsplit('/', 1)[0]}"

READINGS = (
    Reading(name="df_bytes", command=f"df -PT -B1 {_PATHS}"),
    Reading(name="df_inodes", command=f"df -PTi {_PATHS}"),
    Reading(name="lsblk", command="lsblk -bdnPo NAME,SIZE,ROTA,TYPE,MODEL || true"),
)


class FileSystem(msgspec.Struct, frozen=True, kw_only=True):
    """One mounted file system; sizes in bytes, None where not read."""

    mount: str
    type: str
    size: int | None = None
    used: int | None = None
    free: int | None = None
    inodes: int | None = None
    inodes_free: int | None = None


class Disks(msgspec.Struct, frozen=True, kw_only=True):
    """File systems by mount point, and the lines of ``lsblk`` for people."""

    filesystems: tuple[FileSystem, ...] = ()
    devices: tuple[str, ...] = ()

    def holding(self, path: str) -> FileSystem | None:
        """The file system that ``path`` lies on: the one with the longest mount point above it."""
        above = [
            fs
            for fs in self.filesystems
            if path == fs.mount or path.startswith(fs.mount.rstrip("/") + "/")
        ]
        return max(above, key=lambda fs: len(fs.mount), default=None)


def parse(transcript: Transcript) -> Disks:
    """Make sense of ``df`` and ``lsblk``."""
    sizes = _rows(transcript.lines("df_bytes"))
    inodes = _rows(transcript.lines("df_inodes"))
    return Disks(
        filesystems=tuple(
            FileSystem(
                mount=mount,
                type=row[1],
                size=whole(row[2]),
                used=whole(row[3]),
                free=whole(row[4]),
                inodes=whole(inodes[mount][2]) if mount in inodes else None,
                inodes_free=whole(inodes[mount][4]) if mount in inodes else None,
            )
            for mount, row in sizes.items()
        ),
        devices=tuple(line for line in transcript.lines("lsblk") if 'TYPE="disk"' in line),
    )


def _rows(lines: list[str]) -> dict[str, list[str]]:
    """Columns by mount point: source, type, size, used, free, percent, mount (POSIX ``df -PT``)."""
    found: dict[str, list[str]] = {}
    for line in lines[1:]:
        columns = line.split(maxsplit=6)
        if len(columns) == 7:  # noqa: PLR2004 - see above
            found.setdefault(columns[6], columns)
    return found
