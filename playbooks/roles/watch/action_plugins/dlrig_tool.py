"""Bring dlrig itself to the rig: a wheel of the very files that this playbook lies among, made where needed.

Made by hand (PEP 427: a zip of the files, METADATA, WHEEL, RECORD), since a controller that only has ansible-core
has no build backend, and an installed dlrig has no project to build.
"""

# ruff: noqa: INP001 - Ansible loads this file by its path

from __future__ import annotations

import base64
import email
import hashlib
import io
import os
import re
import tempfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

FOLDERS = ("playbooks", "checks", "templates")
"""They lie beside the package in a checkout, and in ``provision/bundled`` once it is installed."""


class Wheel(NamedTuple):
    """dlrig as one file.

    Attributes:
        name: its file name, which installers read.
        content: the same bytes for the same dlrig, wherever it was made.
        version: dlrig's.
        python: the oldest Python that it runs on, e.g. ``3.11``.
    """

    name: str
    content: bytes
    version: str
    python: str

    @property
    def sha256(self) -> str:
        """Hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()


def build(start: Path) -> Wheel:
    """Make a wheel of the dlrig that ``start``, a folder of its playbooks, belongs to.

    Raises:
        FileNotFoundError: there is no dlrig around it.
    """
    top = start.resolve().parent
    installed = top.name == "bundled" and (top.parent / "__init__.py").is_file()
    package = top.parent if installed else top / "provision"
    if not (package / "__init__.py").is_file():
        raise FileNotFoundError(
            f"these playbooks are not part of a dlrig: {package} has no package"
        )
    requires, python = _installed_needs(package) if installed else _needs(top / "pyproject.toml")
    files = {f"provision/{name}": content for name, content in _files(package).items()}
    if not installed:
        for folder in FOLDERS:
            for name, content in _files(top / folder).items():
                files[f"provision/bundled/{folder}/{name}"] = content
    version = _version(package)
    return Wheel(
        name=f"dlrig-{version}-py3-none-any.whl",
        content=_zip(files, _about(version, requires, python)),
        version=version,
        python=re.sub(r"[^0-9.]", "", python),
    )


def _files(folder: Path) -> dict[str, bytes]:
    """Content by name below ``folder``, links followed; no caches and nothing hidden."""
    found = {}
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
        if path.is_file() and not hidden and path.suffix != ".pyc":
            found["/".join(parts)] = path.read_bytes()
    return found


def _version(package: Path) -> str:
    text = (package / "__init__.py").read_text("utf-8")
    found = re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)
    if not found:
        raise FileNotFoundError(f"{package / '__init__.py'} does not say its version")
    return found[1]


def _needs(project: Path) -> tuple[list[str], str]:
    """Dependencies and Python, as a checkout says them."""
    table = tomllib.loads(project.read_text("utf-8"))["project"]
    return list(table["dependencies"]), str(table["requires-python"])


def _installed_needs(package: Path) -> tuple[list[str], str]:
    """The same, as an installation says them."""
    for path in sorted(package.parent.glob("dlrig-*.dist-info/METADATA")):
        message = email.message_from_string(path.read_text("utf-8"))
        requires = [line for line in message.get_all("Requires-Dist", []) if "extra ==" not in line]
        return requires, str(message["Requires-Python"])
    raise FileNotFoundError(f"no dlrig-*.dist-info beside {package}")


def _about(version: str, requires: list[str], python: str) -> dict[str, bytes]:
    folder = f"dlrig-{version}.dist-info"
    metadata = ["Metadata-Version: 2.1", "Name: dlrig", f"Version: {version}"]
    metadata.append(f"Requires-Python: {python.replace(' ', '')}")
    metadata += [
        f"Requires-Dist: {one.replace(' ', '')}" for one in sorted(requires, key=str.lower)
    ]
    tags = ["Wheel-Version: 1.0", "Generator: dlrig", "Root-Is-Purelib: true", "Tag: py3-none-any"]
    return {
        f"{folder}/METADATA": "".join(f"{line}\n" for line in metadata).encode(),
        f"{folder}/WHEEL": "".join(f"{line}\n" for line in tags).encode(),
        f"{folder}/entry_points.txt": b"[console_scripts]\ndlrig = provision.cli:main\n",
    }


def _zip(files: dict[str, bytes], about: dict[str, bytes]) -> bytes:
    # In one order always, as with the date below: the same files make the same wheel.
    every = dict(sorted({**files, **about}.items()))
    (folder,) = {name.partition("/")[0] for name in about}
    record = "".join(
        f"{name},sha256={_digest(content)},{len(content)}\n" for name, content in every.items()
    )
    every[f"{folder}/RECORD"] = f"{record}{folder}/RECORD,,\n".encode()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in every.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


class ActionModule(ActionBase):  # type: ignore[misc] # Ansible has no types
    """``dlrig_tool``: looks first, and transfers the wheel only where it is needed."""

    TRANSFERS_FILES = True

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Entry point of the action."""
        super().run(tmp, task_vars)
        try:
            wheel = build(Path(__file__).resolve().parents[3])
            arguments = {
                **self._task.args,
                "sha256": wheel.sha256,
                "version": wheel.version,
                "minimum_python": wheel.python,
            }
            found = self._module({**arguments, "wheel": ""}, task_vars)
            if found.get("failed") or not found.get("changed") or self._task.check_mode:
                return found
            return self._module({**arguments, "wheel": self._transfer(wheel)}, task_vars)
        except (OSError, KeyError, ValueError) as error:
            raise AnsibleActionFail(f"cannot pack dlrig for the rig: {error}") from error
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)  # noqa: SLF001 - as Ansible's own actions do

    def _module(self, arguments: dict[str, Any], task_vars: Any) -> dict[str, Any]:  # noqa: ANN401 - Ansible's own
        done: dict[str, Any] = self._execute_module(
            module_name="dlrig_tool", module_args=arguments, task_vars=task_vars
        )
        return done

    def _transfer(self, wheel: Wheel) -> str:
        shell = self._connection._shell  # noqa: SLF001 - as above
        there: str = shell.join_path(shell.tmpdir, wheel.name)
        descriptor, here = tempfile.mkstemp(suffix=".whl")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(wheel.content)
            self._transfer_file(here, there)
        finally:
            Path(here).unlink()
        self._fixup_perms2((shell.tmpdir, there))
        return there
