"""Bring the images of a training check to the rig."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from checks.question import could_not_measure
from provision.layout import CACHE

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from checks.rigs import Rig

_LIMIT = 60.0
_KEYWORDS = {"auto", "synthetic"}

# Prints the folder, whether it stays, and the checksum of what may lie there from an earlier run.
_FIND = r"""
if mkdir -p "$1" 2>/dev/null && [ -w "$1" ]; then d=$1; s=stays; else d=$(mktemp -d /tmp/dlrig.XXXXXXXX); s=goes; fi
echo "$s"; echo "$d"; sha256sum <"$d/$2" 2>/dev/null | cut -d' ' -f1
"""
_ACCEPT = r"""[ "$(sha256sum <"$1.part" | cut -d' ' -f1)" = "$3" ] && mv -- "$1.part" "$1" && chmod 644 "$1" """


@contextlib.contextmanager
def on_rig(rig: Rig, data: str, here: Path) -> Iterator[str]:
    """What the workload's ``--data`` is to be; a file of this machine is copied to the rig, once.

    Args:
        rig: where training runs.
        data: the option ``--data``.
        here: the folder that a relative path starts from.
    """
    if data in _KEYWORDS:
        yield data
    elif data.startswith("rig:"):
        yield data.removeprefix("rig:")
    else:
        yield from _copied(rig, here / Path(data).expanduser())


def _copied(rig: Rig, file: Path) -> Iterator[str]:
    if not file.is_file():
        could_not_measure(
            f"--data {file}: there is no such file here (rig:PATH names one on the rig)"
        )
    if rig.known.target.local:
        yield str(file)
        return
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    name = f"{digest[:16]}-{file.name}"
    stays, folder, *there = _sh(rig, _FIND, f"{CACHE}/data", name)
    path = f"{folder}/{name}"
    try:
        if there != [digest]:
            rig.put(file, f"{path}.part")
            _sh(rig, _ACCEPT, path, name, digest)
        yield path
    finally:
        if stays == "goes":
            _sh(rig, 'rm -rf -- "$1"', folder)


def _sh(rig: Rig, script: str, *arguments: str) -> list[str]:
    done = rig.run(["sh", "-c", script, "sh", *arguments], limit=_LIMIT)
    if done.exit_code:
        reason = done.stderr.decode(errors="replace").strip() or f"exit code {done.exit_code}"
        could_not_measure(f"the images could not be brought to the rig: {reason}")
    return done.stdout.decode(errors="replace").splitlines()


def option(config: pytest.Config) -> tuple[str, Path]:
    """``--data``, and the folder that a relative path starts from."""
    return str(config.getoption("--data")), config.invocation_params.dir
