"""What a process of a training over several machines reports, made up."""

from __future__ import annotations

from typing import Any

from provision import decode
from provision.together import Measured


def report(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - a report's values
    """As the workload prints it."""
    return {
        "examples_per_sec": 180.0,
        "windows": [150.0, 178.0, 180.0, 182.0],
        "losses": {"0": 4.67, "10": 4.62, "20": 4.6, "30": 4.59, "40": 4.58},
        "steps": 40,
        "data": "synthetic",
        "device_name": "Test CPU",
        "devices": 1,
        "replicas": 2,
        "processes": 2,
        "rank": 0,
        "mode": "limit",
        "dtype": "float32",
        "batch": 16,
        "version": "2.21.0",
        "engine": "gloo",
        "gradient_bytes": 4273192,
        "weights": [3.0, 0.015, 14.0],
        "window_steps": 10,
        "step_seconds": 0.2,
        "step_seconds_apart": 0.15,
        **changes,
    }


def measured(**changes: Any) -> Measured:  # noqa: ANN401 - as above
    """The same, read."""
    return decode.plain(report(**changes), Measured)
