"""An environment with TensorFlow, made once and kept in the user's cache."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REQUIREMENT = "tensorflow-cpu==2.21.0"
WORKLOAD = Path(__file__).parents[2] / "checks" / "workloads" / "cifar10_tensorflow.py"


@pytest.fixture(scope="session")
def tensorflow_python() -> Path:
    """The interpreter of an environment that has TensorFlow, built for the CPU."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    environment = cache / "dlrig" / "test-environments" / "tensorflow"
    python, done = environment / "bin" / "python", environment / ".complete"
    environment.parent.mkdir(parents=True, exist_ok=True)
    # Workers of one run, and runs side by side, share it.
    with (environment.parent / "tensorflow.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _make(environment, python, done)
    return python


def _make(environment: Path, python: Path, done: Path) -> None:
    if done.is_file() and done.read_text(encoding="utf-8") == REQUIREMENT:
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
    for command in ([*create, str(environment)], [*install, "--quiet", REQUIREMENT]):
        subprocess.run(command, check=True, timeout=900)
    done.write_text(REQUIREMENT, encoding="utf-8")


@pytest.fixture(scope="session")
def workload_path() -> Path:
    return WORKLOAD
