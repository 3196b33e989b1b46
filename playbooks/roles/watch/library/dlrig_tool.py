#!/usr/bin/python
"""Have dlrig itself in a venv on the rig: the wheel that was brought, its dependencies from the rig's own index."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from ansible.module_utils import dlrig_makers as makers
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dlrig_indexes import installer_environment
from ansible.module_utils.dlrig_processes import CommandFailedError, locked

DOCUMENTATION = r"""
module: dlrig_tool
short_description: Have dlrig itself on the rig
description:
  - Installs a wheel of dlrig into a venv of its own. The action of the same name brings the wheel and its digest.
options:
  path: {description: The venv., type: path, required: true}
  prefix: {description: Folder that uv lies in., type: path, required: true}
  rig_python: {description: Interpreter to prefer., type: path, default: /usr/bin/python3}
  wheel: {description: Wheel on the rig; empty only looks., type: str, default: ""}
  sha256: {description: Digest of the wheel., type: str, default: ""}
  version: {description: Version of dlrig., type: str, default: ""}
  minimum_python: {description: Oldest Python that dlrig runs on., type: str, default: "3.11"}
  index_url: {description: Package index; empty for the rig's own., type: str, default: ""}
  extra_index_urls: {description: Further ones., type: list, elements: str, default: []}
  ca_bundle: {description: Certificate authorities; empty for the rig's own., type: str, default: ""}
  timeout: {description: Seconds for each program., type: int, default: 1800}
author: [dlrig]
"""

RECORD = "dlrig-tool.json"
NEWER = ("3.13", "3.12", "3.11", "3.14")
"""Pythons that a system has beside its own, the best provided with wheels first."""

FETCHED = "3.12"
"""What uv fetches where no Python that is installed will do."""


def numbers(version: str) -> tuple[int, ...]:
    """``(3, 11)`` of ``3.11.2``; empty where it is no version."""
    try:
        return tuple(int(part) for part in version.split(".")[:2])
    except ValueError:
        return ()


def read(path: Path) -> dict[str, Any]:
    """The record of what was installed; empty where nothing was, or not to the end."""
    try:
        found = json.loads((path / RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def works(tools: makers.Tools, path: Path) -> bool:
    """Whether dlrig starts."""
    try:
        tools.run([path / "bin" / "dlrig", "--version"], doing="start dlrig")
    except CommandFailedError:
        return False
    return True


def why_not(tools: makers.Tools, path: Path, sha256: str) -> str:
    """Why what is there is not what is wanted; empty where it is."""
    record = read(path)
    if not record:
        return "was not complete" if path.exists() else "is not there"
    if record.get("sha256") != sha256:
        return f"is another dlrig ({record.get('version')})"
    return "" if works(tools, path) else "does not start"


def choose_python(tools: makers.Tools, minimum: str) -> str:
    """An interpreter that is new enough; a version for uv to fetch where none is installed.

    Raises:
        CommandFailedError: there is none, and no uv to fetch one.
    """
    named = [shutil.which(f"python{version}") for version in NEWER]
    conda = tools.prefix / "miniforge" / "bin" / "python"
    for python in (tools.rig_python, *filter(None, named), str(conda)):
        if numbers(makers.python_version(tools, python)) >= numbers(minimum):
            return str(python)
    if tools.use_uv:
        return FETCHED
    own = makers.python_version(tools, tools.rig_python) or "none"
    raise CommandFailedError("find a Python for dlrig", no_python(minimum, own))


def no_python(minimum: str, own: str) -> str:
    """What to do about an old Python."""
    return (
        f"dlrig needs Python {minimum} or newer, and this rig's own is {own}. Install one beside it, e.g. "
        f"apt install python{minimum} python{minimum}-venv, or name it in watch_python."
    )


def make(tools: makers.Tools, path: Path, minimum: str) -> None:
    """A new venv."""
    python = choose_python(tools, minimum)
    shutil.rmtree(path, ignore_errors=True)
    try:
        if python == FETCHED:
            makers.make_venv(tools, path, FETCHED)
        else:
            makers.make_venv(tools._replace(rig_python=python), path, "")
    except CommandFailedError as error:
        if python != FETCHED:
            raise
        own = makers.python_version(tools, tools.rig_python)
        raise CommandFailedError(
            "find a Python for dlrig", "\n".join([*error.lines, no_python(minimum, own)])
        ) from error


def install(tools: makers.Tools, path: Path, wheel: str, minimum: str) -> None:
    """From whatever is there; a venv that still works keeps its dependencies."""
    (path / RECORD).unlink(missing_ok=True)
    there = makers.python_version(tools, path / "bin" / "python")
    if numbers(there) >= numbers(minimum) and (path / "bin" / "dlrig").exists():
        # The same version may hold other files, which no installer would look for.
        makers.uninstall(tools, path, ["dlrig"])
    else:
        make(tools, path, minimum)
    makers.install(tools, path, (wheel,), pins={}, exact=False)


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "prefix": {"type": "path", "required": True},
            "rig_python": {"type": "path", "default": "/usr/bin/python3"},
            "wheel": {"type": "str", "default": ""},
            "sha256": {"type": "str", "default": ""},
            "version": {"type": "str", "default": ""},
            "minimum_python": {"type": "str", "default": "3.11"},
            "index_url": {"type": "str", "default": "", "no_log": True},
            "extra_index_urls": {"type": "list", "elements": "str", "default": [], "no_log": True},
            "ca_bundle": {"type": "str", "default": ""},
            "timeout": {"type": "int", "default": 1800},
        },
        supports_check_mode=True,
    )
    given = module.params
    path = Path(given["path"])
    tools = makers.Tools(
        prefix=Path(given["prefix"]),
        rig_python=given["rig_python"],
        channels=(),
        environment=installer_environment(
            index_url=given["index_url"],
            extra_index_urls=tuple(given["extra_index_urls"]),
            ca_bundle=given["ca_bundle"],
        )
        | {"UV_NO_CACHE": "1", "PIP_NO_CACHE_DIR": "1", "UV_LINK_MODE": "copy"},
        limit=given["timeout"],
    )
    reason = why_not(tools, path, given["sha256"])
    if not reason:
        module.exit_json(changed=False, action="unchanged", version=given["version"])
    before = read(path).get("version", "")
    diff = {
        "before": f"dlrig {before}\n" if before else "",
        "after": f"dlrig {given['version']} ({given['sha256'][:12]})\n",
    }
    if module.check_mode or not given["wheel"]:
        module.exit_json(changed=True, action="installed", reason=reason, diff=diff)
    tools.prefix.mkdir(parents=True, exist_ok=True)
    tools = tools._replace(use_uv=makers.uv_runs(tools))
    try:
        with locked(tools.prefix / ".tool.lock"):
            install(tools, path, given["wheel"], given["minimum_python"])
            tools.run([path / "bin" / "dlrig", "--version"], doing="start dlrig")
    except CommandFailedError as error:
        module.fail_json(msg=str(error))
    python = makers.python_version(tools, path / "bin" / "python")
    record = {"sha256": given["sha256"], "version": given["version"], "python": python}
    (path / RECORD).write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    module.exit_json(changed=True, action="installed", reason=reason, diff=diff, python=python)


if __name__ == "__main__":
    main()
