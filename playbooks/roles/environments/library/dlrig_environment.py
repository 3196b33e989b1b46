#!/usr/bin/python
"""Make one Python environment on the rig exist as it is wished, from whatever is there now."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from ansible.module_utils import dlrig_makers as makers
from ansible.module_utils import dlrig_record as records
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dlrig_indexes import installer_environment
from ansible.module_utils.dlrig_processes import CommandFailedError, locked, scrub

DOCUMENTATION = r"""
module: dlrig_environment
short_description: Make one Python environment exist as it is wished
description:
  - Creates, finishes, repairs or rebuilds the environment PREFIX/envs/NAME, and records what was installed.
options:
  name: {description: Name of the environment., type: str, required: true}
  maker: {description: What makes it., type: str, choices: [conda, venv], required: true}
  python: {description: Version wanted; empty for the maker's own., type: str, default: ""}
  requirements: {description: Requirements in pip's form., type: list, elements: str, required: true}
  prefix: {description: Folder above all environments., type: path, required: true}
  rig_python: {description: Interpreter for a venv., type: path, default: /usr/bin/python3}
  index_url: {description: Package index; empty for the rig's own., type: str, default: ""}
  extra_index_urls: {description: Further ones., type: list, elements: str, default: []}
  ca_bundle: {description: Certificate authorities; empty for the rig's own., type: str, default: ""}
  channels: {description: conda channels., type: list, elements: str, default: []}
  timeout: {description: Seconds for each program., type: int, default: 3600}
author: [dlrig]
"""

# In the words of a report: what was done, or would be.
DONE = {
    "create": "created",
    "finish": "finished",
    "rebuild": "rebuilt",
    "repair": "repaired",
    "record": "recorded",
    "nothing": "unchanged",
}


def mark_of(path: Path) -> Path:
    """The file that says that this role began to make the environment at ``path``."""
    return path.with_name(f".{path.name}.making")


def look(tools: makers.Tools, path: Path, wish: records.Wish) -> records.Found:
    """What is there."""
    exists = path.exists() and (not path.is_dir() or any(path.iterdir()))
    if not exists:
        return records.Found()
    return records.Found(
        exists=True,
        ours=(path / records.FILE).exists() or mark_of(path).exists(),
        record=records.read(path),
        python=makers.python_version(tools, path / "bin" / "python"),
        expected_python=(
            makers.python_version(tools, tools.rig_python)
            if wish.maker == "venv" and not wish.python
            else ""
        ),
        installed=records.installed(path),
    )


def make(tools: makers.Tools, path: Path, wish: records.Wish, *, pins: dict[str, str]) -> None:
    """From nothing: what a run that was cut off left behind may be half a package."""
    if path.exists():
        shutil.rmtree(path)
    if wish.maker == "conda":
        makers.make_conda(tools, path, wish.python)
    else:
        makers.make_venv(tools, path, wish.python)
    makers.install(tools, path, wish.requirements, pins=pins, exact=False)


def repair(tools: makers.Tools, path: Path, wish: records.Wish, found: records.Found) -> None:
    """In place; where only the rig drifted, back to the very versions that were recorded."""
    drifted = found.record.get("requirements") == list(wish.requirements)
    recorded: dict[str, str] = found.record.get("installed", {})
    added = sorted(set(found.installed) - set(recorded))
    if drifted and added:
        makers.uninstall(tools, path, added)
    pins = recorded if drifted else {}
    exact = not drifted and wish.maker == "venv"
    makers.install(tools, path, wish.requirements, pins=pins, exact=exact)
    if drifted and records.installed(path) != recorded:
        # E.g. a folder that looks like a package and that no installer can remove.
        make(tools, path, wish, pins=recorded)


def apply(
    tools: makers.Tools, path: Path, wish: records.Wish, found: records.Found, action: str
) -> dict[str, Any]:
    """Do it; the record is written last, so that it stands for a complete environment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mark_of(path).touch()
    (path / records.FILE).unlink(missing_ok=True)
    tools = tools._replace(use_uv=makers.uv_runs(tools))
    if action == "repair":
        repair(tools, path, wish, found)
    elif action != "record":
        make(tools, path, wish, pins={})
    record = {
        "name": wish.name,
        "maker": wish.maker,
        "python": makers.python_version(tools, path / "bin" / "python"),
        "requirements": list(wish.requirements),
        "wished_python": wish.python,
        "installed": records.installed(path),
    }
    records.write(path, record)
    mark_of(path).unlink()
    return {"record": record, "installer": "uv" if tools.use_uv else "pip"}


def diff_of(path: Path, wish: records.Wish, found: records.Found, after: dict[str, Any]) -> Any:  # noqa: ANN401 - Ansible's own form
    """What ``--diff`` shows: the record before, and the record or the wish after."""
    before = {**found.record, "installed": found.installed} if found.exists else {}
    if not after:
        # Nothing was done: what is known of the outcome are the wish and, of a drift, the record.
        drifted = found.record.get("requirements") == list(wish.requirements)
        kept = {"installed": found.record["installed"]} if drifted else {}
        after = {**wish._asdict(), "requirements": list(wish.requirements), **kept}
        shown = set(after) - {"python"}
        before = {key: value for key, value in before.items() if key in shown}
        after = {key: value for key, value in after.items() if key in shown}

    def lines(state: dict[str, Any]) -> str:
        flat = {k: v for k, v in state.items() if k != "installed"}
        text = [f"{key}: {value}\n" for key, value in sorted(flat.items())]
        text += [f"  {k} {v}\n" for k, v in sorted(state.get("installed", {}).items())]
        scrubbed: str = scrub("".join(text))
        return scrubbed

    return {
        "before": lines(before),
        "after": lines(after),
        "before_header": str(path),
        "after_header": str(path),
    }


def tools_of(parameters: dict[str, Any]) -> makers.Tools:
    """From the module's parameters."""
    environment = installer_environment(
        index_url=parameters["index_url"],
        extra_index_urls=tuple(parameters["extra_index_urls"]),
        ca_bundle=parameters["ca_bundle"],
    )
    # A package's import compiles it, and a user other than root cannot keep the result. For TensorFlow
    # 2.21 on two cores: 5 s more to install, once; each import by such a user takes 2.3 s instead of 5.8.
    environment["UV_COMPILE_BYTECODE"] = "1"
    return makers.with_cache(
        makers.Tools(
            prefix=Path(parameters["prefix"]),
            rig_python=parameters["rig_python"],
            channels=tuple(parameters["channels"]),
            environment=environment,
            limit=parameters["timeout"],
        )
    )


def free_bytes(path: Path) -> int:
    """Free space where ``path`` is, or would be."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def converge(module: AnsibleModule) -> dict[str, Any]:
    """Look, decide, act; returns the module's result."""
    parameters = module.params
    wish = records.Wish(
        parameters["name"],
        parameters["maker"],
        parameters["python"],
        tuple(parameters["requirements"]),
    )
    tools = tools_of(parameters)
    path = tools.prefix / "envs" / wish.name
    found = look(tools, path, wish)
    action = records.decide(wish, found)
    result: dict[str, Any] = {
        "name": wish.name,
        "path": str(path),
        "changed": action.what != "nothing",
        "action": DONE.get(action.what, action.what),
        "reason": action.reason,
        "free_bytes": free_bytes(path),
    }
    if action.what == "refuse":
        module.fail_json(
            msg=f"environment {wish.name}: {path} {action.reason}. Move it away, or wish another name.",
            **result,
        )
    after: dict[str, Any] = {}
    if action.what != "nothing" and not module.check_mode:
        done = apply(tools, path, wish, found, action.what)
        after = done["record"]
        result.update(
            installer=done["installer"], python=after["python"], installed=len(after["installed"])
        )
    if result["changed"]:
        result["diff"] = diff_of(path, wish, found, after)
    return result


def main() -> None:
    """Entry point of the module."""
    started = time.monotonic()
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "maker": {"type": "str", "choices": ["conda", "venv"], "required": True},
            "python": {"type": "str", "default": ""},
            "requirements": {"type": "list", "elements": "str", "required": True},
            "prefix": {"type": "path", "required": True},
            "rig_python": {"type": "path", "default": "/usr/bin/python3"},
            "index_url": {"type": "str", "default": "", "no_log": True},
            "extra_index_urls": {"type": "list", "elements": "str", "default": [], "no_log": True},
            "ca_bundle": {"type": "str", "default": ""},
            "channels": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 3600},
        },
        supports_check_mode=True,
    )
    name = module.params["name"]
    if not records.valid_name(name):
        module.fail_json(
            msg=f"{name!r} is no name for an environment: letters, digits, '.', '_' and '-'"
        )
    envs = Path(module.params["prefix"]) / "envs"
    try:
        if module.check_mode:
            result = converge(module)
        else:
            envs.mkdir(parents=True, exist_ok=True)
            with locked(envs / f".{name}.lock"):
                result = converge(module)
    except (CommandFailedError, OSError) as error:
        module.fail_json(
            msg=f"environment {name}: {scrub(str(error))}\nWhat is there is finished by running again."
        )
    module.exit_json(seconds=round(time.monotonic() - started, 1), **result)


if __name__ == "__main__":
    main()
