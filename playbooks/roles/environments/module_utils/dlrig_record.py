"""What an environment on the rig is now, what was recorded of it, and what is to be done about it."""

# ruff: noqa: INP001 - Ansible puts this file into a package of its own on the rig

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

FILE = "dlrig-environment.json"


class Wish(NamedTuple):
    """An environment as it is wanted; ``python`` is empty or a version such as ``3.12``."""

    name: str
    maker: str
    python: str
    requirements: tuple[str, ...]


class Found(NamedTuple):
    """What lies at the environment's path.

    Attributes:
        exists: there is something.
        ours: this role made it, or began to.
        record: of the last run that completed; empty where none did.
        python: the full version of its interpreter; empty where it does not run.
        expected_python: the version that a new environment would get, as far as it is known before.
        installed: version by distribution.
    """

    exists: bool = False
    ours: bool = False
    record: dict[str, Any] = {}  # noqa: RUF012 - a NamedTuple's default; never changed
    python: str = ""
    expected_python: str = ""
    installed: dict[str, str] = {}  # noqa: RUF012 - as above


class Action(NamedTuple):
    """``what`` is one of create, finish, rebuild, repair, record, nothing, refuse."""

    what: str
    reason: str


def valid_name(name: str) -> bool:
    """True for a name that is a plain folder name and needs no quoting anywhere."""
    return bool(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name))


def installed(environment: Path) -> dict[str, str]:
    """Version by distribution, from the names of ``lib/python*/site-packages/*.dist-info``.

    The key is what stands before the first hyphen, as it is; a distribution that is there twice has both
    versions, joined by `` and ``. Whoever looks for drift does the same.
    """
    found = {}
    for folder in sorted(environment.glob("lib/python*/site-packages/*.dist-info")):
        name, _, version = folder.name[: -len(".dist-info")].partition("-")
        found[name] = f"{found[name]} and {version}" if name in found else version
    return found


def read(environment: Path) -> dict[str, Any]:
    """The record; empty where there is none that can be read."""
    try:
        record = json.loads((environment / FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def write(environment: Path, record: dict[str, Any]) -> None:
    """Write the record in one step: it is there whole, or not at all."""
    descriptor, temporary = tempfile.mkstemp(dir=environment, prefix=".dlrig-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(record, stream, indent=2, sort_keys=True)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    path = Path(temporary)
    path.chmod(0o644)
    path.replace(environment / FILE)


def minor(version: str) -> str:
    """``3.11`` of ``3.11.2``."""
    return ".".join(version.split(".")[:2])


def differences(recorded: dict[str, str], present: dict[str, str]) -> str:
    """What is missing, changed or added, in words; empty where nothing is."""
    parts = []
    missing = sorted(set(recorded) - set(present))
    added = sorted(set(present) - set(recorded))
    changed = sorted(n for n in set(recorded) & set(present) if recorded[n] != present[n])
    for word, names in (("missing", missing), ("changed", changed), ("added", added)):
        if names:
            shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")  # noqa: PLR2004 - enough to recognise what happened
            parts.append(f"{word}: {shown}")
    return "; ".join(parts)


def _outdated(wish: Wish, found: Found) -> str:
    """Why the environment must be made anew; empty where it need not."""
    record = found.record
    if record.get("maker") != wish.maker:
        return f"was made with {record.get('maker')}, wanted is {wish.maker}"
    if not found.python:
        return "its Python does not run"
    if minor(found.python) != minor(str(record.get("python", ""))):
        return f"its Python became {found.python}, it was made for {record.get('python')}"
    wanted = wish.python or minor(found.expected_python)
    if wanted and not f"{found.python}.".startswith(f"{wanted}."):
        return f"its Python is {found.python}, wanted is {wanted}"
    if wish.maker == "conda" and record.get("requirements") != list(wish.requirements):
        # What conda installed and what pip installed cannot be told apart later.
        return "other requirements are wanted"
    return ""


def _drifted(wish: Wish, found: Found) -> str:
    """Why the environment must be repaired in place; empty where it need not."""
    if found.record.get("requirements") != list(wish.requirements):
        return "other requirements are wanted"
    drift = differences(found.record.get("installed", {}), found.installed)
    return f"differs from what was installed ({drift})" if drift else ""


def decide(wish: Wish, found: Found) -> Action:
    """What is to be done so that ``found`` becomes ``wish``; pure."""
    if not found.exists:
        return Action("create", "is not there")
    if not found.ours:
        return Action("refuse", "exists, and dlrig did not make it")
    if not found.record:
        return Action("finish", "a run before this one did not complete it")
    for what, why in (("rebuild", _outdated), ("repair", _drifted)):
        if reason := why(wish, found):
            return Action(what, reason)
    noted = (found.record.get("python"), found.record.get("wished_python"))
    if noted != (found.python, wish.python):
        return Action("record", f"runs Python {found.python}")
    return Action("nothing", "is as wanted")
