#!/usr/bin/python
"""Build the driver's kernel modules for given kernels, where DKMS has not done it."""

from __future__ import annotations

import re
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dlrig_apt import run

DOCUMENTATION = r"""
module: dlrig_driver_modules
short_description: Build the driver's kernel modules for given kernels
description: DKMS exits with 0 also where it skipped a kernel, so its list of modules is what counts.
options:
  kernels: {description: Releases, as uname -r says., type: list, elements: str, required: true}
  version: {description: Of the driver., type: str, required: true}
  timeout: {description: Seconds for each kernel., type: int, default: 3600}
author: [dlrig]
"""

SHOWN_LINES = 25
MODULE = re.compile(
    r"nvidia(-current|-tesla|-legacy-\d+xx|-\d+|-srv|-server)*(-open)?\.ko(\.(xz|zst|gz))?"
)


def proven(module: AnsibleModule, kernel: str, version: str) -> bool:
    """Whether a module of this version is on disk for the kernel."""
    for path in Path("/lib/modules", kernel).rglob("nvidia*.ko*"):
        if MODULE.fullmatch(path.name):
            code, out, _ = run(module, ["modinfo", "-F", "version", str(path)])
            if not code and out.strip() == version:
                return True
    return False


def log_of(version: str) -> str:
    """The end of the newest log of a build of this version."""
    logs = [p for p in Path("/var/lib/dkms").glob(f"nvidia*/{version}/**/make.log") if p.is_file()]
    if not logs:
        return "DKMS left no make.log."
    newest = max(logs, key=lambda path: path.stat().st_mtime)
    lines = newest.read_text("utf-8", "replace").splitlines()[-SHOWN_LINES:]
    return f"The end of {newest}:\n" + "\n".join(lines)


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "kernels": {"type": "list", "elements": "str", "required": True},
            "version": {"type": "str", "required": True},
            "timeout": {"type": "int", "default": 3600},
        },
        supports_check_mode=True,
    )
    version, built = module.params["version"], []
    for kernel in module.params["kernels"]:
        if proven(module, kernel, version):
            continue
        built.append(kernel)
        if module.check_mode:
            continue
        limit = module.params["timeout"]
        code, out, err = run(module, ["dkms", "autoinstall", "-k", kernel], limit=limit)
        if not proven(module, kernel, version):
            said = "\n".join(f"{out}\n{err}".strip().splitlines()[-SHOWN_LINES:])
            module.fail_json(
                msg=f"There is no module of the driver {version} for the kernel {kernel}. dkms autoinstall -k "
                f"{kernel} ended with {code}:\n{said}\n{log_of(version)}\nThe rig still runs as before; do not "
                "reboot it. Mend the cause and run this again, or roll back (playbooks/rollback.yml)."
            )
    module.exit_json(changed=bool(built), built=built)


if __name__ == "__main__":
    main()
