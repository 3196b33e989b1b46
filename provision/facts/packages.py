"""Debian packages: what is installed, whether dpkg is whole, and who holds its lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from provision.facts.reading import Reading

if TYPE_CHECKING:
    from provision.facts.reading import Transcript

# The lock is a POSIX record lock: /proc/locks has its holder's pid beside the inode.
_LOCK = r"""
for f in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock; do
  [ -e "$f" ] || continue
  i=$(stat -c %i "$f")
  while read -r _ kind _ _ pid place _; do
    case "$place" in *:"$i") [ "$kind" = POSIX ] || continue
      printf '%s %s\n' "$pid" "$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | cut -d' ' -f1)"; exit 0;;
    esac
  done </proc/locks
done
"""

READINGS = (
    Reading(
        name="dpkg",
        command=r"dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version}\n'",
        limit=10.0,
    ),
    Reading(name="dpkg_audit", command="dpkg --audit", limit=10.0),
    Reading(name="dpkg_lock", command=_LOCK),
)


class Packages(msgspec.Struct, frozen=True, kw_only=True):
    """The package manager's state.

    Attributes:
        installed: package → version, of those that are fully installed.
        broken: dpkg was interrupted, or packages are half installed.
        lock_holder: ``apt-get (process 412)``; empty where nobody holds the lock.
        manager: the rig has dpkg at all.
    """

    installed: dict[str, str] = {}
    broken: bool = False
    lock_holder: str = ""
    manager: bool = False


def parse(transcript: Transcript) -> Packages:
    """Make sense of dpkg's answers."""
    installed = {}
    for line in transcript.lines("dpkg"):
        words = line.split()
        if len(words) == 3 and words[0] in {"ii", "hi"}:  # noqa: PLR2004 - status, package, version
            installed[words[1]] = words[2]
    holder = transcript["dpkg_lock"].out.split()
    return Packages(
        installed=installed,
        broken=bool(transcript.text("dpkg_audit")),
        lock_holder=f"{holder[1].rsplit('/', 1)[-1] if len(holder) > 1 else 'a process'} (process {holder[0]})"
        if holder
        else "",
        manager=transcript["dpkg"].ok,
    )
