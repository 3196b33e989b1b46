"""Transfers through CUDA's driver library, in whose place one made here copies within the host's memory.

The calls are real, and the bytes move; the rates say nothing about any GPU.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from cpu_environments import WORKLOADS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.box


def run(program: str, libraries: Path, fake: str, *options: str) -> tuple[int, dict[str, Any], str]:
    done = subprocess.run(
        [sys.executable, WORKLOADS / program, "--json", "--seconds", "0.05", *options],
        env={**os.environ, "LD_LIBRARY_PATH": str(libraries), "FAKE_CUDA": f"report {fake}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_bytes_arrive_and_everything_is_given_back(nvidia_libraries: Path) -> None:
    code, result, said = run("host_transfer.py", nvidia_libraries, "cards=2")
    assert (code, result["right"]) == (0, True)
    assert [row["device"] for row in result["devices"]] == ["gpu:0", "gpu:1"]
    assert all(
        row["to_device"]["median"] > 0 < row["to_host"]["median"] for row in result["devices"]
    )
    assert all(row["pinned"] for row in result["devices"])
    assert said == "not given back: 0 buffers, 0 contexts\n"


def test_one_gpu_can_be_chosen(nvidia_libraries: Path) -> None:
    _, result, _ = run("host_transfer.py", nvidia_libraries, "cards=2", "--device", "gpu:1")
    assert [row["device"] for row in result["devices"]] == ["gpu:1"]
    code, result, _ = run("host_transfer.py", nvidia_libraries, "cards=2", "--device", "gpu:7")
    assert (code, result["error"]["what"]) == (3, "gpu:7: 2 GPUs are seen")


@pytest.mark.parametrize(
    ("program", "fake"), [("host_transfer.py", "spoil_host"), ("peer_transfer.py", "spoil_peer")]
)
def test_a_flipped_bit_is_seen(program: str, fake: str, nvidia_libraries: Path) -> None:
    code, result, _ = run(program, nvidia_libraries, f"cards=2 {fake}")
    rows = result.get("devices") or result["pairs"]
    assert (code, result["right"], [row["right"] for row in rows]) == (1, False, [False, False])


def test_every_pair_is_measured_both_ways(nvidia_libraries: Path) -> None:
    code, result, said = run("peer_transfer.py", nvidia_libraries, "cards=3")
    pairs = [(row["from"], row["to"]) for row in result["pairs"]]
    assert (code, len(pairs), len(set(pairs))) == (0, 6, 6)
    assert all(row["direct"] and row["right"] for row in result["pairs"])
    assert said == "not given back: 0 buffers, 0 contexts\n"


def test_cards_that_do_not_reach_each_other(nvidia_libraries: Path) -> None:
    _, result, _ = run("peer_transfer.py", nvidia_libraries, "cards=2 far")
    assert [row["direct"] for row in result["pairs"]] == [False, False]


@pytest.mark.parametrize(
    ("program", "fake", "what"),
    [
        ("host_transfer.py", "cards=0", "gpu: no GPU is seen"),
        ("host_transfer.py", "broken", "cuInit: system not yet initialized (802)"),
        ("host_transfer.py", "full", "cuMemAlloc_v2: out of memory (2)"),
        ("peer_transfer.py", "cards=1", "a transfer between GPUs needs two, and there are 1"),
    ],
)
def test_what_cannot_be_measured_is_said(
    program: str, fake: str, what: str, nvidia_libraries: Path
) -> None:
    code, result, _ = run(program, nvidia_libraries, fake)
    assert (code, result["error"]["what"]) == (3, what)


def test_without_a_driver_there_is_a_hint(tmp_path: Path) -> None:
    code, result, _ = run("host_transfer.py", tmp_path, "")
    assert code == 3
    assert "libcuda.so.1" in result["error"]["what"]
    assert "nvidia-smi" in result["error"]["hint"]


def test_the_hosts_own_memory_is_copied() -> None:
    done = subprocess.run(
        [
            sys.executable,
            WORKLOADS / "host_transfer.py",
            "--device",
            "cpu",
            "--seconds",
            "0.2",
            "--json",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    (row,) = json.loads(done.stdout)["devices"]
    assert (row["device"], row["right"]) == ("cpu", True)
    assert row["to_host"]["median"] > 0.1
