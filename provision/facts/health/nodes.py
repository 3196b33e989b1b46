"""The device nodes that programs open: /dev/nvidia*."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from provision.facts.reading import Reading, sections, whole

if TYPE_CHECKING:
    from provision.facts.reading import Transcript

NAME = "device_nodes"

# nvidia-smi runs beside this and makes missing nodes, where nvidia-modprobe may: so it is waited for. As root the
# login's access is tried by setpriv, which opens no session; opening a node itself would wake the card.
_READ = r"""
look() { for f in /dev/nvidia* /dev/nvidia-caps/*; do [ -e "$f" ] && [ ! -d "$f" ] && printf '%s\n' "$f"; done; }
count() { n=0; for f in "$@"; do [ ! -e "$f" ] || n=$((n + 1)); done; echo "$n"; }
taken=$(count /sys/bus/pci/drivers/nvidia/*:*) tries=0
while [ "$(count /dev/nvidia[0-9]*)" -lt "$taken" ] && [ "$tries" -lt 6 ]; do tries=$((tries + 1)); sleep 1; done
uid=$(id -u "$DLRIG_LOGIN" 2>/dev/null) gid=$(id -g "$DLRIG_LOGIN" 2>/dev/null)
printf 'uid=%s\ngids=%s\n' "$uid" "$(id -G "$DLRIG_LOGIN" 2>/dev/null)"
may() { # the login reads and writes $1: yes, no, or - where it could not be tried
  if [ "$(id -u)" = "$uid" ]; then as=
  elif [ "$(id -u)" = 0 ] && [ -n "$gid" ]; then as="setpriv --reuid=$uid --regid=$gid --init-groups"
  else echo -; return; fi
  $as true 2>/dev/null || { echo -; return; }
  $as sh -c '[ -r "$1" ] && [ -w "$1" ]' sh "$1" && echo yes || echo no
}
look | head -n 200 | while read -r f; do
  printf 'node %s %s %s\n' "$(stat -L -c '%f %a %u %g %t:%T' "$f")" "$(may "$f")" "$f"
done
helper=no
for f in /usr/bin/nvidia-modprobe /usr/sbin/nvidia-modprobe; do [ ! -u "$f" ] || helper=yes; done
uvm=no; [ ! -d /sys/module/nvidia_uvm ] || uvm=yes
set -- /proc/driver/nvidia/capabilities/gpu*/mig/gi*
mig=0; [ ! -e "$1" ] || mig=$#
printf 'helper=%s\nuvm=%s\nmig=%s\n' "$helper" "$uvm" "$mig"
"""

READINGS: tuple[Reading, ...] = (Reading(name=NAME, command=_READ, limit=12.0),)
MAY_FAIL: frozenset[str] = frozenset()

_ROW = re.compile(
    r"node ([0-9a-f]{1,8}) ([0-7]{1,5}) (\d{1,10}) (\d{1,10}) ([0-9a-f]{1,8}:[0-9a-f]{1,8}) (yes|no|-) (/dev/\S{1,200})"
)
_CHARACTER = 0o020000
_TYPE = 0o170000
_READ_WRITE = 0o6


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One node.

    Attributes:
        path: ``/dev/nvidia0``.
        character: it is a character device.
        mode: permissions, e.g. ``0o666``.
        owner, group: numeric.
        usable: the login may read and write it; None where not even its mode tells.
    """

    path: str
    character: bool
    mode: int
    owner: int
    group: int
    usable: bool | None = None

    @property
    def number(self) -> int | None:
        """Of a GPU: 0 of ``/dev/nvidia0``."""
        return whole(self.path.removeprefix("/dev/nvidia"))


class Nodes(msgspec.Struct, frozen=True, kw_only=True):
    """The nodes.

    Attributes:
        nodes: all of them.
        helper: nvidia-modprobe is there and may make missing ones at their first use.
        uvm: the module nvidia_uvm is loaded.
        mig: how many GPU instances MIG has made.
    """

    nodes: tuple[Node, ...] = ()
    helper: bool = False
    uvm: bool = False
    mig: int = 0

    def get(self, path: str) -> Node | None:
        """The node at a path."""
        return next((node for node in self.nodes if node.path == path), None)

    @property
    def gpus(self) -> tuple[Node, ...]:
        """One per GPU that the driver has taken."""
        return tuple(node for node in self.nodes if node.number is not None)

    @property
    def capabilities(self) -> tuple[Node, ...]:
        """Those of MIG."""
        return tuple(node for node in self.nodes if node.path.startswith("/dev/nvidia-caps/"))


def parse(transcript: Transcript) -> Nodes:
    """Make sense of the reading."""
    out = transcript[NAME].out
    keys = sections(out)
    uid = whole(keys.get("uid", ""))
    gids = {number for word in keys.get("gids", "").split() if (number := whole(word)) is not None}
    rows = (_ROW.fullmatch(line) for line in out.splitlines())
    return Nodes(
        nodes=tuple(_node(row, uid, gids) for row in rows if row),
        helper=keys.get("helper") == "yes",
        uvm=keys.get("uvm") == "yes",
        mig=whole(keys.get("mig", "")) or 0,
    )


def _node(row: re.Match[str], uid: int | None, gids: set[int]) -> Node:
    mode, owner, group = int(row[2], 8), int(row[3]), int(row[4])
    usable = {"yes": True, "no": False}.get(row[6])
    if usable is None and uid is not None:
        usable = _may(uid, gids, (mode, owner, group))
    return Node(
        path=row[7],
        character=int(row[1], 16) & _TYPE == _CHARACTER,
        mode=mode,
        owner=owner,
        group=group,
        usable=usable,
    )


def _may(uid: int, gids: set[int], node: tuple[int, int, int]) -> bool:
    """Whether the mode lets a user read and write: of owner, group and others, only the first that fits counts."""
    mode, owner, group = node
    if uid == 0:
        return True
    shift = 6 if uid == owner else 3 if group in gids else 0
    return (mode >> shift) & _READ_WRITE == _READ_WRITE
