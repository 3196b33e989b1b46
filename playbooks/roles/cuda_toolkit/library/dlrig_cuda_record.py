#!/usr/bin/python
"""Write down which CUDA toolkits a rig has, and each change of them."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: dlrig_cuda_record
short_description: Write down which CUDA toolkits a rig has
description: Writes cuda.json with what dpkg says, and a line in changes.jsonl where it differs from before.
options:
  toolkits: {description: "Wanted ones: version, source, package.", type: list, elements: dict, required: true}
  default: {description: Version of the default one., type: str, required: true}
  folder: {description: Of the records., type: path, default: /var/lib/dlrig}
  plan: {description: Identity of the plan., type: str, default: ""}
  tool: {description: What runs this., type: str, default: ""}
author: [dlrig]
"""

FILE = "cuda.json"
CHANGES = "changes.jsonl"


def path_of(version: str, source: str) -> str:
    """Where the packages put a toolkit: Debian's has no folder of its own."""
    return "/usr" if source == "debian" else f"/usr/local/cuda-{version}"


def read(path: Path) -> dict[str, Any]:
    """The record; empty where there is none that can be read."""
    try:
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def merged(
    record: dict[str, Any], wanted: list[dict[str, str]], versions: dict[str, str]
) -> dict[str, Any]:
    """The toolkits of the new record: the wanted ones, and earlier ones that are still installed."""
    toolkits = {}
    for version, old in record.get("toolkits", {}).items():
        packages = {name: versions[name] for name in old.get("packages", {}) if versions.get(name)}
        if packages:
            toolkits[version] = {**old, "packages": packages}
    for one in wanted:
        version, source, package = one["version"], one["source"], one["package"]
        toolkits[version] = {
            "source": source,
            "packages": {package: versions.get(package, "")},
            "path": path_of(version, source),
        }
    return toolkits


def phrase(record: dict[str, Any]) -> str:
    """A record in words: ``12.4 (nvidia), 11.8 (debian), default 12.4``."""
    toolkits = [
        f"{version} ({one['source']})" for version, one in record.get("toolkits", {}).items()
    ]
    return ", ".join([*toolkits, f"default {record['default']}"]) if toolkits else ""


def how(before: dict[str, Any], after: dict[str, Any]) -> str:
    """What happened, in the words of the log."""
    if set(after["toolkits"]) - set(before.get("toolkits", {})):
        return "installed"
    if before.get("toolkits") != after["toolkits"]:
        return "changed from outside"
    return "default changed"


def write(path: Path, record: dict[str, Any]) -> None:
    """Write the record in one step: it is there whole, or not at all."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".dlrig-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(record, stream, indent=2)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    Path(temporary).chmod(0o644)
    Path(temporary).replace(path)


def installed(module: AnsibleModule) -> dict[str, str]:
    """Version by name of every installed package."""
    form = "${db:Status-Status} ${Package} ${Version}\n"
    _, out, _ = module.run_command(["dpkg-query", "--show", f"--showformat={form}"], check_rc=True)
    words = [line.split() for line in out.splitlines()]
    return {line[1]: line[2] for line in words if line[0] == "installed"}


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "toolkits": {"type": "list", "elements": "dict", "required": True},
            "default": {"type": "str", "required": True},
            "folder": {"type": "path", "default": "/var/lib/dlrig"},
            "plan": {"type": "str", "default": ""},
            "tool": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    parameters = module.params
    folder = Path(parameters["folder"])
    before = read(folder / FILE)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    toolkits = merged(before, parameters["toolkits"], installed(module))
    after = {"toolkits": toolkits, "default": parameters["default"], "installed": now}
    changed = any(before.get(key) != after[key] for key in ("toolkits", "default"))
    if changed and not module.check_mode:
        line = {
            "time": now,
            "what": "cuda",
            "how": how(before, after),
            "from": phrase(before),
            "to": phrase(after),
            "packages": {
                name: v for one in toolkits.values() for name, v in one["packages"].items()
            },
            "plan": parameters["plan"],
            "tool": parameters["tool"],
        }
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / CHANGES).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
        write(folder / FILE, after)
    module.exit_json(changed=changed, record=after if changed else before)


if __name__ == "__main__":
    main()
