"""Kept driver sets on the rig: folders with the packages of one driver, what they are, and the records."""

# ruff: noqa: INP001 - Ansible puts this file into a package of its own on the rig

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

RECORDS = Path("/var/lib/dlrig")
SETS = RECORDS / "sets"
RECORD = RECORDS / "driver.json"
CHANGES = RECORDS / "changes.jsonl"
SUMS = "SHA256SUMS"
PIN = Path("/etc/apt/preferences.d/00dlrig-driver")
TOLD = ("time", "installed", "plan", "tool", "how")
"""Keys that differ between two records of the same driver."""


def now() -> str:
    """UTC, ISO 8601."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def read(path: Path) -> dict[str, Any]:
    """A JSON file; empty where it is missing or was cut off."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file in one step that a power cut does not tear."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".dlrig-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    os.replace(temporary, path)  # noqa: PTH105 - a str from mkstemp


def document(content: dict[str, Any]) -> str:
    """Its text in a record's file."""
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two records say the same of the driver itself."""
    return {k: v for k, v in one.items() if k not in TOLD} == {
        k: v for k, v in other.items() if k not in TOLD
    }


def files(folder: Path) -> dict[str, str]:
    """File → SHA-256 of a kept set; empty where it was not finished."""
    try:
        lines = (folder / SUMS).read_text("utf-8").splitlines()
    except OSError:
        return {}
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def complete(folder: Path) -> bool:
    """Whether every file of a kept set is there."""
    listed = files(folder)
    return bool(listed) and all((folder / name).is_file() for name in listed)


def every() -> list[Path]:
    """The complete sets, the one that was written last first."""
    found = [path.parent for path in SETS.glob("*/set.json") if complete(path.parent)]
    return sorted(found, key=lambda folder: (folder / "set.json").stat().st_mtime, reverse=True)


def holding(packages: dict[str, str]) -> Path | None:
    """The complete set of exactly these packages."""
    return next((f for f in every() if read(f / "set.json").get("packages") == packages), None)


def described(record: dict[str, Any]) -> str:
    """A driver in words: ``535.261.03 proprietary (debian)``."""
    if not record.get("version"):
        return ""
    words = [str(record["version"]), str(record.get("flavour", ""))]
    where = record.get("source")
    return " ".join(word for word in words if word) + (f" ({where})" if where else "")
