"""Where boxes live on this machine: outside of any repository, readable by root alone."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING

import platformdirs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def home() -> Path:
    """The folder of all boxes; ``XDG_CACHE_HOME`` moves it."""
    return _private(platformdirs.user_cache_path("dlrig") / "boxes")


def roots() -> Path:
    """Root file systems, made once and reused by every box."""
    return _private(home() / "roots")


def running() -> Path:
    """One folder per box that exists now."""
    return _private(home() / "running")


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock ``name`` against every other process that makes boxes; waits for it."""
    with (home() / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _private(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.chmod(0o700)
    return path
