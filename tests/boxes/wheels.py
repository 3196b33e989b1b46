"""Wheels that were downloaded once, for boxes: every test would fetch TensorFlow's 270 MB anew otherwise.

pip and uv in a box look into the folder first (``find-links``); what is not there comes from the index.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
from typing import TYPE_CHECKING

import platformdirs

if TYPE_CHECKING:
    from pathlib import Path

    from provision.box import Box

INSIDE = "/var/cache/wheels"
WANTED = (
    ("tensorflow-cpu==2.21.0", "pip", "uv==0.13.9"),
    ("tensorflow-cpu==2.20.0",),
    ("jax==0.10.2",),
)
"""What tests install; each set fits together."""
PYTHON = "3.11"
"""Debian 12's, which most boxes run; others go to the index."""
PLATFORMS = (
    "manylinux_2_28_x86_64",
    "manylinux_2_27_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
)


def wheelhouse() -> Path:
    """The folder, outside the repository; filled the first time."""
    folder = platformdirs.user_cache_path("dlrig", appauthor=False) / "test-wheels" / PYTHON
    folder.mkdir(parents=True, exist_ok=True)
    complete = folder / "complete"
    with (folder / "lock").open("w") as lock:
        # Workers of one run share it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists() or complete.read_text() != str(WANTED):
            where = [word for platform in PLATFORMS for word in ("--platform", platform)]
            choice = (
                "--only-binary=:all:",
                "--python-version",
                PYTHON,
                *where,
                "--dest",
                str(folder),
            )
            for wanted in WANTED:
                subprocess.run(
                    [sys.executable, "-m", "pip", "download", "--quiet", *choice, *wanted],
                    check=True,
                    timeout=900,
                )
            complete.write_text(str(WANTED))
    return folder


def offer(box: Box) -> None:
    """Tell pip in the box, which was started with the folder bound to ``INSIDE``."""
    box.shell(
        "grep -q '^.global' /etc/pip.conf 2>/dev/null || echo '[global]' >>/etc/pip.conf; "
        f"echo 'find-links = {INSIDE}' >>/etc/pip.conf"
    )
