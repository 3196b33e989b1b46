#!/usr/bin/python
"""Find the kept driver set to roll back to, and what apt would do for it."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dlrig_sets import RECORD, every, read

DOCUMENTATION = r"""
module: dlrig_driver_kept
short_description: Find the kept driver set to roll back to
description:
  - Returns the record of that set. Without a name, the one that was installed last before the present one; where
    the present state is not what was recorded (a change that was cut off), the recorded one.
options:
  name: {description: Of the set; empty chooses., type: str, default: ""}
  packages: {description: Names and versions of the driver's installed packages., type: dict, required: true}
author: [dlrig]
"""


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "default": ""},
            "packages": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    sets = {folder.name: read(folder / "set.json") for folder in every()}
    present = module.params["packages"]
    current = read(RECORD)
    candidates = [name for name, one in sets.items() if one.get("packages") != present]
    # One that never got installed is what a change was on its way to, not where it came from.
    candidates.sort(key=lambda name: str(sets[name].get("installed", "")), reverse=True)
    recorded = str(current.get("set", ""))
    if recorded in candidates:
        candidates = [recorded, *(name for name in candidates if name != recorded)]
    chosen = module.params["name"] or next(iter(candidates), "")
    if chosen not in sets:
        wanted = f"a kept set named {chosen}" if chosen else "a kept set of another driver"
        module.fail_json(
            msg=f"There is no {wanted.removeprefix('a ')} to roll back to; kept sets in /var/lib/dlrig/sets: "
            f"{', '.join(sets) or 'none'}. Install a version with nvidia_driver_version. Nothing was changed. "
            "[no-kept-set]"
        )
    module.exit_json(
        changed=False,
        action="nothing" if sets[chosen].get("packages") == present else "kept",
        kept=chosen,
        **{
            key: sets[chosen].get(key, "")
            for key in ("version", "flavour", "source", "branch", "modules", "wanted")
        },
    )


if __name__ == "__main__":
    main()
