"""Make a conda channel of two packages, python and pip, from what Debian installed on this machine.

Run on a box as ``python3 channel.py FOLDER``. Debian's Python installs into and looks for packages in
dist-packages; that is undone here, so that the package behaves as one of conda-forge's.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

VERSION = ".".join(map(str, sys.version_info[:3]))
MINOR = ".".join(map(str, sys.version_info[:2]))
LIBRARY = f"lib/python{MINOR}"


def stage_python(root: Path) -> None:
    """The interpreter and its standard library."""
    skipped = shutil.ignore_patterns("__pycache__", "dist-packages", "EXTERNALLY-MANAGED")
    shutil.copytree(f"/usr/{LIBRARY}", root / LIBRARY, symlinks=False, ignore=skipped)
    path = root / LIBRARY / "sysconfig.py"
    text = path.read_text("utf-8")
    before = "prefix_scheme = 'posix_local'"
    if before not in text:
        raise SystemExit(f"{path}: no {before!r} to replace")
    path.write_text(text.replace(before, "prefix_scheme = 'posix_prefix'"), "utf-8")
    # The module site is frozen into the interpreter, so it cannot be edited.
    (root / LIBRARY / "dist-packages").symlink_to("site-packages")
    (root / "bin").mkdir()
    for name in ("python", "python3", f"python{MINOR}"):
        shutil.copy2(f"/usr/bin/python{MINOR}", root / "bin" / name)


def stage_pip(root: Path) -> None:
    """pip, from the wheel that Debian keeps for venv."""
    wheel = next(Path("/usr/share/python-wheels").glob("pip-*.whl"))
    zipfile.ZipFile(wheel).extractall(root / LIBRARY / "site-packages")


def pack(channel: Path, root: Path, index: dict[str, object]) -> None:
    """Write one package into ``channel``, and its entry into the channel's index."""
    files = sorted(path for path in root.rglob("*") if path.is_file() or path.is_symlink())
    paths = [
        {
            "_path": str(path.relative_to(root)),
            "path_type": "softlink" if path.is_symlink() else "hardlink",
            "sha256": hashlib.sha256(b"" if path.is_symlink() else path.read_bytes()).hexdigest(),
            "size_in_bytes": path.lstat().st_size,
        }
        for path in files
    ]
    (root / "info").mkdir()
    (root / "info/index.json").write_text(json.dumps(index), "utf-8")
    (root / "info/paths.json").write_text(json.dumps({"paths": paths, "paths_version": 1}), "utf-8")
    archive = channel / "linux-64" / f"{index['name']}-{index['version']}-0.tar.bz2"
    with tarfile.open(archive, "w:bz2", compresslevel=1) as stream:
        for path in sorted(root.rglob("*")):
            if path.is_file() or path.is_symlink():
                stream.add(path, str(path.relative_to(root)))
    repodata = channel / "linux-64" / "repodata.json"
    known = json.loads(repodata.read_text("utf-8"))
    content = archive.read_bytes()
    known["packages"][archive.name] = {
        **index,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
    }
    repodata.write_text(json.dumps(known), "utf-8")


def main() -> None:
    """Make both packages."""
    channel = Path(sys.argv[1])
    for subdir in ("linux-64", "noarch"):
        (channel / subdir).mkdir(parents=True)
        empty = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": {}}
        (channel / subdir / "repodata.json").write_text(json.dumps(empty), "utf-8")
    for name, version, stage, depends in (
        ("python", VERSION, stage_python, []),
        ("pip", "1.0", stage_pip, [f"python {MINOR}.*"]),
    ):
        with tempfile.TemporaryDirectory() as folder:
            stage(Path(folder))
            index = {"name": name, "version": version, "build": "0", "build_number": 0}
            pack(channel, Path(folder), {**index, "depends": depends, "subdir": "linux-64"})


if __name__ == "__main__":
    main()
