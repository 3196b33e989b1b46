"""Two processes that train together do what one process does with both of their batches."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cpu_environments import WORKLOADS, made

pytestmark = pytest.mark.box

STEPS, BATCH = 4, 8
LIMIT = 240
ARGUMENTS = (
    *("--device", "cpu", "--mode", "limit", "--data", "synthetic", "--steps", str(STEPS)),
    *("--window", "2", "--batch", str(BATCH), "--json", "--time-limit", str(LIMIT)),
)


def free_ports() -> list[int]:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        return [each.getsockname()[1] for each in (one, two)]


def environments(framework: str) -> list[dict[str, str]]:
    ports = free_ports()
    if framework == "tensorflow":
        cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
        tasks = [{"type": "worker", "index": rank} for rank in range(2)]
        return [{"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})} for task in tasks]
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(ports[0])}
    return [{**common, "GLOO_SOCKET_IFNAME": "lo", "RANK": str(rank)} for rank in range(2)]


def train(framework: str) -> list[dict[str, Any]]:
    """The reports of both."""
    program = [str(made(framework)), "-B", str(WORKLOADS / f"together_{framework}.py"), *ARGUMENTS]
    running = [
        subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env={**os.environ, **extra})
        for extra in environments(framework)
    ]
    try:
        outputs = [process.communicate(timeout=LIMIT + 30)[0] for process in running]
    finally:
        for process in running:
            process.kill()
            process.communicate()
    return [json.loads(output.splitlines()[-1]) for output in outputs]


@pytest.mark.parametrize("framework", ["tensorflow", "torch"])
def test_two_processes_train_as_one(framework: str) -> None:
    first, second = train(framework)
    assert first["steps"] == second["steps"] == STEPS, first
    assert first["weights"] == second["weights"]
    assert first["step_seconds_apart"] > 0
    assert in_one(framework) == pytest.approx(first["weights"], rel=1e-4, abs=1e-5)


def in_one(framework: str) -> list[float]:
    """The norms where one process has both batches."""
    norms: list[float] = run("together_in_one.py", framework, framework, str(WORKLOADS))
    return norms


def run(script: str, framework: str, *arguments: str) -> Any:  # noqa: ANN401 - JSON
    path = Path(__file__).with_name(script)
    command = [str(made(framework)), "-B", str(path), *arguments, str(STEPS), str(BATCH)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=LIMIT, check=True)
    return json.loads(done.stdout)


def test_two_devices_of_one_machine_too() -> None:
    found = run("together_mirrored.py", "tensorflow", str(WORKLOADS), "limit")
    assert found["replicas"] == 2
    assert found["total"] == 3.0
    assert found["norms"] == pytest.approx(in_one("tensorflow"), rel=1e-4, abs=1e-5)
    assert found["apart"] != found["norms"]


def test_the_tutorials_input_feeds_two_devices() -> None:
    found = run("together_mirrored.py", "tensorflow", str(WORKLOADS), "reference")
    assert 4 < found["loss"] < 5
