"""Making environments: with venv through uv, or with conda; the requirements by uv, or by pip."""

# ruff: noqa: INP001 - Ansible puts this file into a package of its own on the rig

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ansible.module_utils.dlrig_indexes import flags, pip_settings
from ansible.module_utils.dlrig_processes import CommandFailedError, locked, run

if TYPE_CHECKING:
    from collections.abc import Sequence


class Tools(NamedTuple):
    """What environments are made with.

    Attributes:
        prefix: folder above everything.
        rig_python: the interpreter that a venv without a wished version gets.
        channels: of conda.
        environment: variables for every program.
        limit: seconds for each program.
        use_uv: uv was found to run; otherwise pip does its work.
    """

    prefix: Path
    rig_python: str
    channels: tuple[str, ...]
    environment: dict[str, str]
    limit: float
    use_uv: bool = False

    @property
    def uv(self) -> Path:
        """Where the role dlrig_uv puts it."""
        return self.prefix / "uv" / "bin" / "uv"

    @property
    def cache(self) -> Path:
        """On the same file system as the environments, so that files are linked, not copied."""
        return self.prefix / "cache"

    def run(self, argv: Sequence[str | Path], *, doing: str, stdin: str = "") -> str:
        """Run a program with these variables and this limit."""
        printed: str = run(
            argv, doing=doing, environment=self.environment, limit=self.limit, stdin=stdin
        )
        return printed


def with_cache(tools: Tools) -> Tools:
    """The same tools, with variables for a uv that works under this prefix."""
    return tools._replace(
        environment={
            **tools.environment,
            "UV_CACHE_DIR": str(tools.cache),
            "UV_PYTHON_INSTALL_DIR": str(tools.prefix / "python"),
            "PIP_CACHE_DIR": str(tools.cache / "pip"),
        }
    )


def uv_runs(tools: Tools) -> bool:
    """True where uv is there and can be executed."""
    if not tools.uv.is_file():
        return False
    try:
        tools.run([tools.uv, "--version"], doing="run uv")
    except CommandFailedError:
        return False
    return True


def python_version(tools: Tools, python: str | Path) -> str:
    """The full version of an interpreter; empty where it does not run."""
    code = "import platform; print(platform.python_version())"
    try:
        return tools.run([python, "-I", "-c", code], doing="run Python").strip()
    except CommandFailedError:
        return ""


def make_venv(tools: Tools, path: Path, python: str) -> None:
    """Make an empty venv at ``path`` with Python ``python``, or with the rig's own."""
    wanted = python or tools.rig_python
    doing = f"make a venv with Python {wanted}"
    if tools.use_uv:
        tools.run([tools.uv, "venv", "--python", wanted, path], doing=doing)
        return
    if python and not shutil.which(f"python{python}"):
        raise CommandFailedError(
            doing, f"python{python} is not installed and uv, which could get it, does not run"
        )
    tools.run([f"python{python}" if python else wanted, "-m", "venv", path], doing=doing)


def make_conda(tools: Tools, path: Path, python: str) -> None:
    """Make a conda environment at ``path`` with Python and pip, from the wished channels only."""
    conda = tools.prefix / "miniforge" / "bin" / "conda"
    channels = [word for channel in tools.channels for word in ("--channel", channel)]
    wanted = f"python={python}" if python else "python"
    create: list[str | Path] = [
        conda,
        "create",
        "--yes",
        "--quiet",
        "--prefix",
        path,
        "--override-channels",
    ]
    # conda's package cache is not made for two writers.
    with locked(tools.prefix / ".conda.lock"):
        tools.run(
            [*create, *channels, wanted, "pip"],
            doing=f"make a conda environment with {wanted} from {', '.join(tools.channels)}",
        )


def _constraints(tools: Tools, pins: dict[str, str]) -> tuple[list[str], Path | None]:
    if not pins:
        return [], None
    tools.cache.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=tools.cache, prefix="constraints-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.writelines(f"{name}=={version}\n" for name, version in pins.items())
    return ["--constraint", name], Path(name)


def install(
    tools: Tools,
    path: Path,
    requirements: tuple[str, ...],
    *,
    pins: dict[str, str],
    exact: bool,
) -> None:
    """Install requirements into the environment at ``path``.

    Args:
        tools: to install with.
        path: of the environment.
        requirements: as in a requirements file.
        pins: versions to keep to, by distribution.
        exact: remove what the requirements do not need.
    """
    python = path / "bin" / "python"
    constraint, file = _constraints(tools, pins)
    # Over standard input: a requirement may be a URL with a password.
    text = "".join(f"{requirement}\n" for requirement in requirements)
    doing = "install the requirements"
    try:
        if tools.use_uv:
            extra = flags(pip_settings(tools.environment)) + (["--exact"] if exact else [])
            tools.run(
                [tools.uv, "pip", "install", "--python", python, *extra, *constraint, "-r", "-"],
                doing=doing,
                # People who use an environment call pip.
                stdin=f"{text}pip\n",
            )
        else:
            tools.run(
                [python, "-m", "pip", "install", *constraint, "-r", "/dev/stdin"],
                doing=doing,
                stdin=text,
            )
    finally:
        if file is not None:
            file.unlink()


def uninstall(tools: Tools, path: Path, names: list[str]) -> None:
    """Remove distributions from the environment at ``path``."""
    python = path / "bin" / "python"
    doing = "remove what was added"
    if tools.use_uv:
        tools.run([tools.uv, "pip", "uninstall", "--python", python, *names], doing=doing)
    else:
        tools.run([python, "-m", "pip", "uninstall", "--yes", *names], doing=doing)
