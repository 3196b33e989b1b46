#!/usr/bin/python
"""Keep the packages of a driver on the rig, so that it can be installed again without any network."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dlrig_apt import ARCHIVES, MIRROR, patiently, run
from ansible.module_utils.dlrig_sets import (
    PIN,
    SETS,
    SUMS,
    complete,
    document,
    every,
    holding,
    write,
)

DOCUMENTATION = r"""
module: dlrig_driver_keep
short_description: Keep the packages of a driver on the rig
description:
  - Makes a folder below /var/lib/dlrig/sets with a .deb of each package, in one step that a power cut does not tear.
  - Takes them from other kept sets, apt's cache, the archives, and at last from the installed files (dpkg-repack).
options:
  record: {description: What the set is, with packages as name and version., type: dict, required: true}
  preferences: {description: Its pins; empty takes those that are there., type: str, default: ""}
  required: {description: Fail where a package cannot be had., type: bool, default: true}
  timeout: {description: Seconds for one download., type: int, default: 1800}
  patience: {description: Seconds to wait for other package managers., type: int, default: 600}
author: [dlrig]
"""

BLOCK = 1 << 20


def split(name: str, native: str) -> tuple[str, str]:
    """Package and architecture of ``libcuda1:i386``."""
    bare, _, architecture = name.partition(":")
    return bare, architecture or native


def file_names(name: str, version: str, native: str) -> list[str]:
    """What apt and dpkg-repack may call its file; the epoch's colon is written in two ways."""
    bare, architecture = split(name, native)
    short = version.rpartition(":")[2]
    return [
        f"{bare}_{written}_{kind}.deb"
        for written in dict.fromkeys((version.replace(":", "%3a"), short))
        for kind in (architecture, "all")
    ]


def digest(path: Path) -> str:
    """Its SHA-256 in hexadecimal."""
    found = hashlib.sha256()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(BLOCK), b""):
            found.update(block)
    return found.hexdigest()


def place(source: Path, folder: Path) -> None:
    """Link it, or copy it from another file system; it must be a whole package either way."""
    target = folder / source.name
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    target.chmod(0o644)


def fetch(module: AnsibleModule, name: str, version: str, native: str, folder: Path) -> bool:
    """Put the package's file into ``folder``, from wherever it can be had."""
    files = file_names(name, version, native)
    for place_of in (*every(), ARCHIVES):
        for file in files:
            # A download that was cut off is in ARCHIVES/partial, or does not read as a package.
            source = place_of / file
            if source.is_file() and not run(module, ["dpkg-deb", "--info", str(source)])[0]:
                place(source, folder)
                return True
    before = set(folder.iterdir())
    # apt drops its rights, and complains where it may not write.
    command = ["apt-get", "-o", "APT::Sandbox::User=root", "download", f"{name}={version}"]
    os.chdir(folder)
    limit, patience = module.params["timeout"], module.params["patience"]
    code, _, _ = patiently(module, command, limit=limit, patience=patience, also=MIRROR)
    if code and shutil.which("dpkg-repack"):
        for partial in set(folder.iterdir()) - before:
            partial.unlink()
        code, _, _ = run(module, ["dpkg-repack", name], limit=limit)
    os.chdir("/")
    return not code and bool(set(folder.iterdir()) - before)


def free_name(record: dict[str, Any]) -> str:
    """``version-source-flavour``, with a number where a set of other packages has that name."""
    base = f"{record['version']}-{record['source']}-{record['flavour']}"
    names = [base, *(f"{base}-{number}" for number in range(2, 100))]
    return next(name for name in names if not complete(SETS / name))


def keep(module: AnsibleModule) -> tuple[str, list[str]]:
    """Make the folder; returns its name (empty where not), and the packages that could not be had."""
    record = module.params["record"]
    native = run(module, ["dpkg", "--print-architecture"])[1].strip()
    SETS.mkdir(parents=True, exist_ok=True)
    for left in SETS.glob(".making-*"):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(dir=SETS, prefix=".making-") as temporary:
        folder = Path(temporary) / "set"
        folder.mkdir(mode=0o755)
        packages = record["packages"].items()
        missing = [f"{n}={v}" for n, v in packages if not fetch(module, n, v, native, folder)]
        if missing:
            return "", missing
        sums = "".join(f"{digest(deb)}  {deb.name}\n" for deb in sorted(folder.glob("*.deb")))
        pins = module.params["preferences"]
        if not pins and PIN.is_file():
            pins = PIN.read_text("utf-8")
        if pins:
            write(folder / "preferences", pins)
        name = free_name(record)
        described = {**record, "branch": int(record["branch"]), "set": name}
        write(folder / "set.json", document(described))
        write(folder / SUMS, sums)
        # What is there under this name was not finished.
        shutil.rmtree(SETS / name, ignore_errors=True)
        folder.rename(SETS / name)
    os.sync()
    return name, []


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "record": {"type": "dict", "required": True},
            "preferences": {"type": "str", "default": ""},
            "required": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 1800},
            "patience": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    record = module.params["record"]
    found = holding(record["packages"])
    if found:
        module.exit_json(changed=False, name=found.name)
    if module.check_mode:
        module.exit_json(changed=True, name="")
    name, missing = keep(module)
    if missing and module.params["required"]:
        module.fail_json(
            msg=f"The package {', '.join(missing)} cannot be kept: no archive and no cache has it any longer. "
            "Without it there would be no way back to this driver. Install dpkg-repack, which makes it from the "
            "installed files, or set nvidia_driver_keep_required to false. Nothing was changed."
        )
    module.exit_json(changed=bool(name), name=name, missing=missing)


if __name__ == "__main__":
    main()
