#!/usr/bin/python
"""Install a driver in one apt transaction, from the archives or from a kept set."""

from __future__ import annotations

import re
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dlrig_apt import INSTALL, MIRROR, Names, installed, patiently, run
from ansible.module_utils.dlrig_sets import PIN, SETS, files, read, write

DOCUMENTATION = r"""
module: dlrig_driver_install
short_description: Install a driver in one apt transaction
description:
  - Finishes what an interrupted transaction left, releases the holds of the set, pins it, and installs it.
  - With O(kept), installs a kept set and removes all other packages of the driver, without any network.
options:
  arguments: {description: For apt-get install., type: list, elements: str, default: []}
  preferences: {description: Apt's preferences for it., type: str, default: ""}
  download_only: {description: Only fetch the packages into apt's cache., type: bool, default: false}
  kept: {description: Name of a kept set., type: str, default: ""}
  set_patterns: {description: Names of the set., type: list, elements: str, required: true}
  never_patterns: {description: Names outside it., type: list, elements: str, required: true}
  timeout: {description: Seconds for the transaction., type: int, default: 7200}
  patience: {description: Seconds to wait for other package managers., type: int, default: 600}
author: [dlrig]
"""

SHOWN_LINES = 15
CAUSES = 5
"""Lines of a compiler's complaints that are shown."""


def without_archives(folder: str) -> list[str]:
    """Options by which apt knows the packages that it is given, those that are installed, and nothing else.

    Where an archive's lists have the very version of a file, apt takes the archive's and would download it again.
    (`--no-download` does not help: apt then does not even look where a file lies that it was given.)
    """
    (Path(folder) / "lists/partial").mkdir(parents=True)
    places = {"State::Lists": "lists", "Cache::pkgcache": "pkg", "Cache::srcpkgcache": "src"}
    return [f"--option=Dir::{key}={folder}/{name}" for key, name in places.items()]


def build_log(text: str) -> str:
    """Why modules could not be built, from the log that ``text`` names; empty where there is none."""
    logs = [Path(name) for name in re.findall(r"/var/lib/dkms/\S+/make\.log", text)]
    if not logs and "dkms" in text.lower():
        logs = sorted(
            Path("/var/lib/dkms").glob("*/*/build/make.log"), key=lambda p: p.stat().st_mtime
        )
    for log in [log for log in logs if log.is_file()][-1:]:
        lines = log.read_text("utf-8", "replace").splitlines()
        # The first complaint is the cause; the end of the log says only that make stopped.
        causes = [line for line in lines if re.search(r"\b(fatal )?error: ", line, re.IGNORECASE)]
        told = "\n".join(line[:300] for line in causes[:CAUSES] or lines[-SHOWN_LINES:])
        name, version = log.parts[4:6]
        return f"\nDKMS could not build {name} {version}; {log}:\n{told}"
    return ""


def shown(out: str, err: str) -> str:
    """What a failed transaction said that tells something."""
    lines = [line for line in err.splitlines() if line.strip() and not line.startswith("W:")]
    return "\n".join((lines or out.splitlines())[-SHOWN_LINES:]) + build_log(out + err)


def kept_arguments(module: AnsibleModule, present: dict[str, str], names: Names) -> list[str]:
    """Apt's arguments for a kept set; fails where a file of it is not what was kept."""
    folder = SETS / module.params["kept"]
    code, _, _ = run(module, ["sh", "-c", f'cd "{folder}" && sha256sum --check --quiet SHA256SUMS'])
    if code or not files(folder):
        module.fail_json(
            msg=f"The kept set {folder} is damaged: a file is missing or differs from its sum in SHA256SUMS. "
            "Choose another one with nvidia_driver_set. Nothing was changed."
        )
    wanted = read(folder / "set.json").get("packages", {})
    gone = [f"{name}-" for name in present if name in names and name not in wanted]
    return [*(str(folder / file) for file in files(folder)), *sorted(gone)]


def repair(module: AnsibleModule, patience: float) -> bool:
    """Let dpkg finish what was interrupted; what it cannot finish, the transaction replaces."""
    code, out, _ = run(module, ["dpkg", "--audit"])
    updates = list(Path("/var/lib/dpkg/updates").glob("[0-9]*"))
    if not out.strip() and not updates and not code:
        return False
    limit = module.params["timeout"]
    patiently(
        module, ["dpkg", "--configure", "-a", "--force-confold"], limit=limit, patience=patience
    )
    return True


def pin(text: str) -> bool:
    """Write apt's preferences, or remove them where ``text`` is empty; returns whether they differed."""
    old = PIN.read_text("utf-8") if PIN.is_file() else ""
    if text == old:
        return False
    if text:
        write(PIN, text)
    else:
        PIN.unlink()
    return True


def unhold(module: AnsibleModule, names: Names) -> None:
    """Release the driver's packages; the role hold holds them again."""
    mine = [name for name in run(module, ["apt-mark", "showhold"])[1].split() if name in names]
    if mine:
        run(module, ["apt-mark", "unhold", *mine])


def transaction(module: AnsibleModule, arguments: list[str]) -> None:
    """One apt-get install, to its end; fails with what apt and the build said."""
    p = module.params
    options = [f"--option=DPkg::Lock::Timeout={p['patience']}"]
    if p["download_only"]:
        options += ["--download-only", "--option=APT::Sandbox::User=root"]
    if p["kept"]:
        options += without_archives(module.tmpdir)
    argv = ["apt-get", "--quiet", *options, *INSTALL, *arguments]
    often = {"limit": p["timeout"], "patience": p["patience"], "also": MIRROR}
    code, out, err = patiently(module, argv, **often)
    if code and re.search(r"[Uu]nmet dependencies|--fix-broken", out + err):
        # A half-installed package stands in the way: apt may mend in the same transaction.
        code, out, err = patiently(module, [*argv, "--fix-broken"], **often)
    if code:
        hint = (
            "Nothing was installed."
            if p["download_only"]
            else "Run this again: it goes on from here."
        )
        module.fail_json(msg=f"apt could not do it:\n{shown(out, err)}\n{hint}", rc=code)


def main() -> None:
    """Entry point of the module."""
    lists = {"type": "list", "elements": "str"}
    module = AnsibleModule(
        argument_spec={
            "arguments": {**lists, "default": []},
            "preferences": {"type": "str", "default": ""},
            "download_only": {"type": "bool", "default": False},
            "kept": {"type": "str", "default": ""},
            "set_patterns": {**lists, "required": True},
            "never_patterns": {**lists, "required": True},
            "timeout": {"type": "int", "default": 7200},
            "patience": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    p = module.params
    names = Names(p["set_patterns"], p["never_patterns"])
    before = installed(module)
    pins = p["preferences"]
    arguments = p["arguments"]
    if p["kept"]:
        arguments = kept_arguments(module, before, names)
        kept_pins = SETS / p["kept"] / "preferences"
        pins = kept_pins.read_text("utf-8") if kept_pins.is_file() else ""
    if module.check_mode:
        module.exit_json(changed=True, arguments=arguments)
    repaired = repair(module, p["patience"])
    pinned = False
    if not p["download_only"]:
        pinned = pin(pins)
        unhold(module, names)
    transaction(module, arguments)
    after = installed(module)
    changed = repaired or pinned or after != before
    module.exit_json(changed=changed and not p["download_only"], arguments=arguments)


if __name__ == "__main__":
    main()
