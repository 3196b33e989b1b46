"""The environments, and the CUDA toolkits."""

# ruff: noqa: ANN401, D103, PLR2004, S101 - tests, as a user of testinfra writes them

from __future__ import annotations

import json
from typing import Any

import pytest

PLACE = "/opt/dlrig/envs"
TOOLKIT = "11.8"
"""What is planned for a GTX 1060 on Debian 12, whose archive has it."""


@pytest.mark.parametrize("name", ["tensorflow", "tensorflow_gpu"])
def test_environment_present(host: Any, name: str) -> None:
    folder = f"{PLACE}/{name}"
    assert host.file(folder).is_directory
    assert host.run(f"{folder}/bin/python -S -E -c ''").rc == 0
    record = host.file(f"{folder}/dlrig-environment.json")
    assert record.exists
    recorded = json.loads(record.content_string)["installed"]
    listed = host.run(f"ls -d {folder}/lib/python3*/site-packages/*.dist-info").stdout.split()
    names = (path.rpartition("/")[2].removesuffix(".dist-info") for path in listed)
    assert dict(one.split("-", 1) for one in names) == recorded


def test_toolkits_present(host: Any) -> None:
    said = host.run("nvcc --version || /usr/local/cuda/bin/nvcc --version")
    assert f"release {TOOLKIT}" in said.stdout
    assert host.file("/usr/include/cuda_runtime.h").exists


def test_toolkit_default(host: Any) -> None:
    if host.run("ls -d /usr/local/cuda-*").rc:
        pytest.skip("no toolkit lies in /usr/local")
    assert host.file("/usr/local/cuda").is_symlink
    assert host.file("/usr/local/cuda/bin/nvcc").is_executable


def test_toolkit_compiler(host: Any) -> None:
    if host.run("ls -d /usr/local/cuda-*").rc:
        pytest.skip("the planned toolkit brings its compiler")
    assert int(host.check_output("g++ -dumpversion").partition(".")[0]) <= 11
