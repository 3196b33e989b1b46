#!/usr/bin/python
"""Record which driver a rig has, since when and by what; forget kept sets that are too old."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dlrig_sets import (
    CHANGES,
    RECORD,
    SETS,
    described,
    document,
    every,
    now,
    read,
    same,
    write,
)

DOCUMENTATION = r"""
module: dlrig_driver_record
short_description: Record which driver a rig has
description: Writes /var/lib/dlrig/driver.json last, the set's own record and a line of changes.jsonl before it.
options:
  record: {description: All of it but the time., type: dict, required: true}
  before: {description: The driver before in words, where no record of it is there., type: str, default: ""}
  keep_sets: {description: How many sets to keep., type: int, default: 2}
author: [dlrig]
"""


def append(line: dict[str, Any]) -> None:
    """Add a line to the provenance, after mending one that a power cut tore."""
    CHANGES.parent.mkdir(parents=True, exist_ok=True)
    torn = CHANGES.is_file() and not CHANGES.read_bytes().endswith(b"\n") and CHANGES.stat().st_size
    with CHANGES.open("a", encoding="utf-8") as stream:
        stream.write(("\n" if torn else "") + json.dumps(line, sort_keys=True) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    CHANGES.chmod(0o644)


def prune(current: str, keep: int) -> list[str]:
    """Remove the oldest sets, never the current one; returns their names."""
    others = [folder for folder in every() if folder.name != current]
    # A set that never got installed is worth less than any that was; sorting is stable.
    others.sort(key=lambda folder: not read(folder / "set.json").get("installed"))
    gone = others[max(keep - 1, 0) :]
    unfinished = [
        p for p in SETS.glob("*") if p.is_dir() and p not in every() and p.name != current
    ]
    for folder in (*gone, *unfinished):
        shutil.rmtree(folder)
    return [folder.name for folder in gone]


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "record": {"type": "dict", "required": True},
            "before": {"type": "str", "default": ""},
            "keep_sets": {"type": "int", "default": 2},
        },
        supports_check_mode=True,
    )
    old, new = read(RECORD), dict(module.params["record"])
    new["branch"] = int(new["branch"])
    if same(old, new):
        module.exit_json(changed=False, pruned=[])
    if module.check_mode:
        module.exit_json(changed=True, pruned=[])
    new["installed"] = now()
    before, after = described(old) or module.params["before"], described(new)
    if new["set"]:
        write(SETS / new["set"] / "set.json", document(new))
    if before != after or old.get("packages") != new["packages"]:
        line = {"time": new["installed"], "what": "driver", "from": before, "to": after}
        append({**line, **{key: new[key] for key in ("how", "packages", "plan", "tool")}})
    write(RECORD, document(new))
    pruned = prune(new["set"], module.params["keep_sets"])
    module.exit_json(changed=True, pruned=pruned)


if __name__ == "__main__":
    main()
