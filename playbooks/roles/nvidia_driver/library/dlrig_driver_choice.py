#!/usr/bin/python
"""Choose the exact version of every package of a driver, and what one apt transaction must do for it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dlrig_apt import Apt, run
from ansible.module_utils.dlrig_choice import NotOfferedError
from ansible.module_utils.dlrig_chooser import ChoiceError, Chooser
from ansible.module_utils.dlrig_sets import PIN

DOCUMENTATION = r"""
module: dlrig_driver_choice
short_description: Choose the exact version of every package of a driver
description: Asks apt, and changes nothing.
options:
  look: {description: What look.sh found., type: dict, required: true}
  quick: {description: Only say whether all is as wished already., type: bool, default: false}
  wish:
    description: The role's variables of these names.
    type: dict
    required: true
    options:
      packages: {description: What to install., type: list, elements: str, required: true}
      dkms_packages: {description: Instead of it without precompiled modules., type: list, elements: str, default: []}
      headers_package: {description: Metapackage of kernel headers., type: str, default: ""}
      source: {description: Of the driver., type: str, required: true}
      branch: {description: Of the driver., type: int, default: 0}
      version: {description: Exact one., type: str, default: ""}
      upgrade: {description: Whether an empty version means the newest., type: bool, default: false}
      flavour: {description: Of the modules., type: str, required: true}
      repository_url: {description: NVIDIA's repository., type: str, default: ""}
      set_patterns: {description: Names of the set., type: list, elements: str, required: true}
      never_patterns: {description: Names outside it., type: list, elements: str, required: true}
author: [dlrig]
"""


def main() -> None:
    """Entry point of the module."""
    lists = {"type": "list", "elements": "str"}
    module = AnsibleModule(
        argument_spec={
            "look": {"type": "dict", "required": True},
            "quick": {"type": "bool", "default": False},
            "wish": {
                "type": "dict",
                "required": True,
                "options": {
                    "packages": {**lists, "required": True},
                    "dkms_packages": {**lists, "default": []},
                    "headers_package": {"type": "str", "default": ""},
                    "source": {"type": "str", "required": True},
                    "branch": {"type": "int", "default": 0},
                    "version": {"type": "str", "default": ""},
                    "upgrade": {"type": "bool", "default": False},
                    "flavour": {"type": "str", "required": True},
                    "repository_url": {"type": "str", "default": ""},
                    "set_patterns": {**lists, "required": True},
                    "never_patterns": {**lists, "required": True},
                },
            },
        },
        supports_check_mode=True,
    )
    with tempfile.TemporaryDirectory(prefix="dlrig-", dir="/var/tmp") as folder:
        answer(module, Chooser(module, Apt(module, Path(folder), PIN.name)))


def answer(module: AnsibleModule, chooser: Chooser) -> None:
    """End the module with what was chosen."""
    if chooser.satisfied():
        module.exit_json(changed=False, action="nothing", version=chooser.look["version"])
    if module.params["quick"]:
        module.exit_json(changed=False, action="unknown")
    try:
        chosen = chooser.choose()
    except (ChoiceError, NotOfferedError) as error:
        # In check mode the lists of what a run would enable cannot have been read.
        why = f"{error}. Nothing was installed."
        if not module.check_mode:
            module.fail_json(msg=why[0].upper() + why[1:])
        module.exit_json(changed=False, action="impossible", why=why)
    if chosen["action"] == "record":
        code, _, _ = run(module, ["test", "-f", str(PIN)])
        chosen["action"] = "record" if not code else "install"
    module.exit_json(changed=False, **chosen)


if __name__ == "__main__":
    main()
