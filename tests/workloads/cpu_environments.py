"""Environments with a framework, made once and kept in the user's cache; and libraries that answer as NVIDIA's do."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = {
    "tensorflow": "tensorflow-cpu==2.21.0",
    "jax": "jax==0.10.2",
    "torch": "torch==2.13.0 numpy==2.4.6",
}
"""Built for the CPU, but for PyTorch, whose only wheel on PyPI needs its CUDA libraries to be imported at all."""
LEFT_OUT = {"torch": "triton"}
"""A dependency that is needed on a GPU only."""
WORKLOADS = Path(__file__).parents[2] / "checks" / "workloads"


def compile_library(source: str, target: Path, *options: str) -> None:
    """With the system's compiler."""
    file = Path(__file__).with_name(source)
    command = ["gcc", "-shared", "-fPIC", *options, "-o", str(target), str(file)]
    subprocess.run(command, check=True, timeout=60)


def made(framework: str) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    environment = cache / "dlrig" / "test-environments" / framework
    python, done = environment / "bin" / "python", environment / ".complete"
    environment.parent.mkdir(parents=True, exist_ok=True)
    # Workers of one run, and runs side by side, share it.
    with (environment.parent / f"{framework}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _make(environment, python, done, framework)
    return python


def _make(environment: Path, python: Path, done: Path, framework: str) -> None:
    requirement = REQUIREMENTS[framework]
    if done.is_file() and done.read_text(encoding="utf-8") == requirement:
        return
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.is_file() else shutil.which("uv")
    create, install = (
        [sys.executable, "-m", "venv", "--clear"],
        [str(python), "-m", "pip", "install"],
    )
    if uv:
        create = [uv, "venv", "--clear", "--python", sys.executable]
        install = [uv, "pip", "install", "--python", str(python)]
        install += ["--excludes", "/dev/stdin"] if framework in LEFT_OUT else []
    for command in ([*create, str(environment)], [*install, "--quiet", *requirement.split()]):
        subprocess.run(
            command, check=True, timeout=900, input=LEFT_OUT.get(framework, ""), text=True
        )
    done.write_text(requirement, encoding="utf-8")
