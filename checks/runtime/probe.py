"""Runs on the rig, inside an environment, from standard input: does its framework compute on every device?

Prints one JSON object as the last line. Standard library and the framework alone; Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from typing import Any

SIDE = 64


def tensorflow() -> dict[str, Any]:
    """Version, devices, and on each device a small product whose answer is known."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf  # noqa: PLC0415 - only where it is asked for

    tf.config.set_soft_device_placement(False)
    # Small whole numbers: exact in every format that a device may use for products.
    left = [[(row + column) % 5 - 2 for column in range(SIDE)] for row in range(SIDE)]
    right = [[(row * column) % 7 - 3 for column in range(SIDE)] for row in range(SIDE)]
    wanted = [
        [sum(a * b for a, b in zip(row, column)) for column in zip(*right)]  # noqa: B905 - Python 3.9
        for row in left
    ]
    devices = []
    for device in tf.config.list_logical_devices():
        if device.device_type not in {"CPU", "GPU"}:
            continue
        try:
            with tf.device(device.name):
                product = tf.linalg.matmul(
                    tf.constant(left, tf.float32), tf.constant(right, tf.float32)
                )
            right_answer = product.numpy().tolist() == wanted
            row = {"ran_on": product.device, "right": right_answer}
        except Exception as error:  # noqa: BLE001 - the framework's own; the caller shows it
            row = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        devices.append({"name": device.name, "kind": device.device_type.lower(), **row})
    return {"version": tf.__version__, "devices": devices}


PROBES = {"tensorflow": tensorflow}


def main() -> None:
    """Probe the framework that the first argument names."""
    answer: dict[str, Any] = {"python": platform.python_version(), "prefix": sys.prefix}
    try:
        answer.update(PROBES[sys.argv[1]]())
    except Exception as error:  # noqa: BLE001 - an import can fail in any way; the caller shows it
        answer["error"] = f"{type(error).__name__}: {error}"
    print(json.dumps(answer))  # noqa: T201 - that is its interface


if __name__ == "__main__":
    main()
