"""An interpreter for every framework, and the folder with NVIDIA's libraries as they are made here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cpu_environments import WORKLOADS, compile_library, made

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def tensorflow_python() -> Path:
    """The interpreter of an environment that has TensorFlow, built for the CPU."""
    return made("tensorflow")


@pytest.fixture(scope="session")
def jax_python() -> Path:
    """The interpreter of an environment that has JAX, built for the CPU."""
    return made("jax")


@pytest.fixture(scope="session")
def torch_python() -> Path:
    """The interpreter of an environment that has PyTorch, with its CUDA libraries; the CPU is used."""
    return made("torch")


@pytest.fixture(scope="session")
def nvidia_libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for LD_LIBRARY_PATH, with libraries that answer as NVIDIA's driver does."""
    folder = tmp_path_factory.mktemp("nvidia")
    compile_library("fake_nvml.c", folder / "libnvidia-ml.so.1")
    compile_library("fake_cuda.c", folder / "libcuda.so.1")
    return folder


@pytest.fixture(scope="session")
def workload_path() -> Path:
    return WORKLOADS / "cifar10_tensorflow.py"
