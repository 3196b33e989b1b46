"""A stub in the place of a training program: it sleeps, and prints what a run on GPUs would. No measurement."""

from __future__ import annotations

import sys
from pathlib import Path

from provision.plan import EnvironmentPlan

STUB = """
import json, time
result = json.loads(RESULT)
print("a line of the log", flush=True)
time.sleep(1.0)
result["step0_end"] = time.time()
result["window_ends"] = []
for _ in result["windows"]:
    time.sleep(0.5)
    result["window_ends"].append(time.time())
time.sleep(0.3)
print(json.dumps(result))
"""
RESULT = {
    "examples_per_sec": 10_000.0,
    "windows": [9000.0, 10_000.0, 10_000.0, 10_000.0],
    "losses": {"0": 4.68, "10": 4.62, "40": 4.4},
    "steps": 40,
    "data": "synthetic",
    "device_name": "NVIDIA GeForce GTX 1060 6GB",
    "devices": 2,
    "mode": "reference",
    "batch": 128,
    "version": "2.21.0",
    "dtype": "float32",
    "matmul_gflops_before": 3900.0,
    "matmul_gflops_after": 3880.0,
    "fraction_of_matmul": 0.15,
    "first_step_seconds": 1.0,
    "startup_seconds": 4.0,
    "compute_examples_per_sec": 10_400.0,
    "input_examples_per_sec": 15_000.0,
}


def environment() -> EnvironmentPlan:
    """This test's own Python."""
    return EnvironmentPlan(
        name="made",
        maker="venv",
        python="3.11",
        pins=(),
        framework="tensorflow",
        version="2.21.0",
        device="gpu",
        path=str(Path(sys.executable).parents[1]),
    )
