"""Debian packages that were downloaded once, for boxes: every test would fetch the driver's 300 MB anew otherwise.

They go into apt's own cache in the box before a test, and what apt added is taken out of it afterwards. apt
compares each with its package lists' checksums before use.
"""

from __future__ import annotations

import fcntl
import shutil
from typing import TYPE_CHECKING

import platformdirs

if TYPE_CHECKING:
    from pathlib import Path

    from provision.box import Box

ARCHIVES = "/var/cache/apt/archives"


def folder(system: str) -> Path:
    """Where those of one system are kept, outside the repository."""
    kept = platformdirs.user_cache_path("dlrig", appauthor=False) / "test-debs" / system
    kept.mkdir(parents=True, exist_ok=True)
    return kept


def fill(box: Box, system: str) -> None:
    """Put them into the box's cache."""
    inside = box.path(ARCHIVES)
    for deb in folder(system).glob("*.deb"):
        shutil.copy2(deb, inside / deb.name)


def collect(box: Box, system: str) -> None:
    """Take over what apt downloaded there."""
    kept = folder(system)
    with (kept / "lock").open("w") as lock:
        # Workers of one run share it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        for deb in box.path(ARCHIVES).glob("*.deb"):
            if not (kept / deb.name).exists():
                shutil.copy2(deb, kept / f".{deb.name}")
                (kept / f".{deb.name}").rename(kept / deb.name)
