"""Control groups for boxes where systemd, which would hand them out, is not this machine's init."""

from __future__ import annotations

import errno
import time
from pathlib import Path

from provision.box import host

_PATIENCE = 60.0
"""Seconds until a killed process must have left its group; a busy machine takes some to bury it."""


def hierarchies(mountinfo: str) -> list[Path]:
    """Mount points of the hierarchies that systemd uses to keep track of its processes.

    Those are version 2's, and version 1's hierarchy named ``systemd``
    (https://systemd.io/CGROUP_DELEGATION). Two boxes that shared a group would meddle with each other.
    """
    found = []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(maxsplit=2)
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            found.append(Path(before.split()[4]))
    return found


def groups(name: str) -> list[Path]:
    """The box's groups; none where systemd keeps them."""
    if host.systemd_runs_here():
        return []
    return [place / name for place in hierarchies(Path("/proc/self/mountinfo").read_text())]


def create(name: str) -> None:
    """Make the box's groups."""
    for group in groups(name):
        group.mkdir(exist_ok=True)


def remove(name: str) -> None:
    """Remove the box's groups, which no process is in any more."""
    for group in groups(name):
        inner = sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True)
        for folder in [*inner, group]:
            _remove(folder)


def _remove(folder: Path) -> None:
    """A process that was killed, and is in no other list any more, can still keep its group busy."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def joining(name: str, argv: list[str], boot: int) -> list[str]:
    """``argv``, run inside the box's groups or in a scope that systemd makes for this boot.

    A name of its own for every boot, because the last boot's scope may still be there.
    """
    if host.systemd_runs_here():
        scope = [
            "--scope",
            "--quiet",
            "--collect",
            f"--unit={name}-{boot}",
            "--property=Delegate=yes",
        ]
        return ["systemd-run", *scope, "--", *argv]
    files = [str(group / "cgroup.procs") for group in groups(name)]
    script = (
        'n=$1; shift; while [ "$n" -gt 0 ]; do echo $$ >"$1"; shift; n=$((n - 1)); done; exec "$@"'
    )
    return ["sh", "-c", script, "sh", str(len(files)), *files, *argv]
