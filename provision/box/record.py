"""What is written down about a box, so that another process can remove it if its maker died."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import msgspec

from provision import decode
from provision.box import folders


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One box. Every name it takes on this machine follows from ``id``.

    Attributes:
        id: eight hexadecimal digits.
        name: what its user calls it.
        owner: process that made it.
        owner_started: start of that process in clock ticks after boot (proc(5), ``starttime``); a number
            that was given out again belongs to another process.
        network: as in ``Settings``.
        subnet: its /30, e.g. ``10.77.12.4/30``.
    """

    id: str
    name: str
    owner: int
    owner_started: int
    network: Literal["nat", "none"]
    subnet: str

    @property
    def folder(self) -> Path:
        """Everything on disk that belongs to the box."""
        return folders.running() / self.id

    @property
    def root(self) -> Path:
        """Where its root file system is mounted."""
        return self.folder / "root"

    @property
    def machine(self) -> str:
        """The name of its machine, network namespace, scope and control group."""
        return f"dlrig-box-{self.id}"

    @property
    def link(self) -> str:
        """The network interface on this machine; at most 15 characters (IFNAMSIZ)."""
        return f"dlbox{self.id}"

    @property
    def owner_lives(self) -> bool:
        """Whether the process that made it still runs."""
        return started(self.owner) == self.owner_started

    def write(self) -> None:
        """Keep it in the box's folder."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        path = self.folder / "record.json"
        scratch = path.with_suffix(".new")
        scratch.write_bytes(msgspec.json.encode(self))
        scratch.replace(path)


def every() -> list[Record]:
    """The boxes that exist now, whoever made them."""
    found = []
    for path in sorted(folders.running().glob("*/record.json")):
        try:
            found.append(decode.json(path.read_bytes(), Record))
        except FileNotFoundError:  # its owner removes it at this moment
            continue
    return found


def started(pid: int) -> int:
    """Start of a process in clock ticks after boot; 0 where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    # the name, in parentheses, may hold spaces; starttime is field 22, the 20th after it
    return int(text.rpartition(")")[2].split()[19])


def own(box_id: str, name: str, network: Literal["nat", "none"], subnet: str) -> Record:
    """A record of a box of this process."""
    pid = os.getpid()
    return Record(
        id=box_id, name=name, owner=pid, owner_started=started(pid), network=network, subnet=subnet
    )
