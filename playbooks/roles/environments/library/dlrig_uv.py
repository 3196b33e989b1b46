#!/usr/bin/python
"""Put uv into a venv of its own on the rig; where that fails, say why, since pip can do its work."""

from __future__ import annotations

import shutil
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dlrig_indexes import installer_environment
from ansible.module_utils.dlrig_processes import CommandFailedError, locked, run

DOCUMENTATION = r"""
module: dlrig_uv
short_description: Put uv into a venv of its own
description: Makes PREFIX/uv with venv and pip.
options:
  requirement: {description: Exact version of uv such as uv==1.2.3., type: str, required: true}
  prefix: {description: Folder above it., type: path, required: true}
  rig_python: {description: Interpreter for its venv., type: path, default: /usr/bin/python3}
  index_url: {description: Package index; empty for the rig's own., type: str, default: ""}
  extra_index_urls: {description: Further ones., type: list, elements: str, default: []}
  ca_bundle: {description: Certificate authorities; empty for the rig's own., type: str, default: ""}
  timeout: {description: Seconds for each program., type: int, default: 600}
author: [dlrig]
"""


def version(uv: Path, environment: dict[str, str]) -> str:
    """Its version; empty where it does not run."""
    try:
        printed: str = run([uv, "--version"], doing="run uv", environment=environment, limit=60)
    except CommandFailedError:
        return ""
    return printed.split()[1]


def install(path: Path, module: AnsibleModule, environment: dict[str, str]) -> str:
    """Make it anew at ``path``; returns why it does not run, empty where it does."""
    limit = module.params["timeout"]
    shutil.rmtree(path, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    python = module.params["rig_python"]
    try:
        run(
            [python, "-m", "venv", path],
            doing=f"make a venv with {python}",
            environment=environment,
            limit=limit,
        )
    except CommandFailedError as error:
        module.fail_json(
            msg=f"{error}\nThe Debian package python3-venv may be missing: the role base installs it."
        )
    pip = [path / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-cache-dir"]
    requirement = module.params["requirement"]
    try:
        run(
            [*pip, requirement],
            doing=f"install {requirement}",
            environment=environment,
            limit=limit,
        )
        run([path / "bin" / "uv", "--version"], doing="run uv", environment=environment, limit=60)
    except CommandFailedError as error:
        shutil.rmtree(path, ignore_errors=True)
        return str(error)
    return ""


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "requirement": {"type": "str", "required": True},
            "prefix": {"type": "path", "required": True},
            "rig_python": {"type": "path", "default": "/usr/bin/python3"},
            "index_url": {"type": "str", "default": "", "no_log": True},
            "extra_index_urls": {"type": "list", "elements": "str", "default": [], "no_log": True},
            "ca_bundle": {"type": "str", "default": ""},
            "timeout": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    parameters = module.params
    prefix = Path(parameters["prefix"])
    path = prefix / "uv"
    environment = installer_environment(
        index_url=parameters["index_url"],
        extra_index_urls=tuple(parameters["extra_index_urls"]),
        ca_bundle=parameters["ca_bundle"],
    )
    before = version(path / "bin" / "uv", environment)
    wanted = parameters["requirement"].partition("==")[2]
    if before and before == wanted:
        module.exit_json(changed=False, usable=True, version=before)
    diff = {"before": f"uv {before}\n" if before else "", "after": f"{parameters['requirement']}\n"}
    if module.check_mode:
        module.exit_json(changed=True, usable=True, version=before, diff=diff)
    prefix.mkdir(parents=True, exist_ok=True)
    with locked(prefix / ".uv.lock"):
        reason = install(path, module, environment)
    if reason:
        module.warn(f"uv does not run on this rig; pip does its work, more slowly. {reason}")
        module.exit_json(changed=False, usable=False, reason=reason)
    module.exit_json(changed=True, usable=True, version=wanted, diff=diff)


if __name__ == "__main__":
    main()
