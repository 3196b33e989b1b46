"""Runs on the rig, inside an environment, from standard input: does its framework compute on every device?

Prints one JSON object as the last line. Standard library and the framework alone; Python 3.9 or later.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

SIDE = 64
# Small whole numbers: exact in every format that a device may use for products.
LEFT = [[float((row + column) % 5 - 2) for column in range(SIDE)] for row in range(SIDE)]
RIGHT = [[float((row * column) % 7 - 3) for column in range(SIDE)] for row in range(SIDE)]


class Framework(NamedTuple):
    """A framework that was imported.

    Attributes:
        version: its own.
        devices: name, kind (``cpu``, ``gpu``) and handle of each.
        multiply: computes LEFT x RIGHT on a handle; gives the device's name as the product states it, and the rows.
    """

    version: str
    devices: list[tuple[str, str, Any]]
    multiply: Callable[[Any], tuple[str, list[list[float]]]]


def tensorflow() -> Framework:
    """TensorFlow."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # By default it takes nearly all memory of every GPU, which others may be using.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    tf: Any = importlib.import_module("tensorflow")
    tf.config.set_soft_device_placement(False)

    def multiply(name: str) -> tuple[str, list[list[float]]]:
        with tf.device(name):
            product = tf.linalg.matmul(
                tf.constant(LEFT, tf.float32), tf.constant(RIGHT, tf.float32)
            )
        return product.device, product.numpy().tolist()

    listed = [(device.name, device.device_type) for device in tf.config.list_logical_devices()]
    devices = [(name, kind.lower(), name) for name, kind in listed if kind in {"CPU", "GPU"}]
    return Framework(tf.__version__, devices, multiply)


def torch() -> Framework:
    """PyTorch."""
    pytorch: Any = importlib.import_module("torch")

    def multiply(name: str) -> tuple[str, list[list[float]]]:
        left = pytorch.tensor(LEFT, dtype=pytorch.float32, device=name)
        product = left @ pytorch.tensor(RIGHT, dtype=pytorch.float32, device=name)
        return str(product.device), product.cpu().tolist()

    gpus = [f"cuda:{number}" for number in range(pytorch.cuda.device_count())]
    devices = [("cpu", "cpu", "cpu"), *((name, "gpu", name) for name in gpus)]
    return Framework(pytorch.__version__, devices, multiply)


def jax() -> Framework:
    """JAX."""
    # By default it takes three quarters of every GPU's memory.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    google_jax: Any = importlib.import_module("jax")
    import numpy as np  # noqa: PLC0415 - JAX needs it, so it is there

    def multiply(device: Any) -> tuple[str, list[list[float]]]:  # noqa: ANN401 - JAX's, untyped
        left, right = (
            google_jax.device_put(np.array(rows, np.float32), device) for rows in (LEFT, RIGHT)
        )
        product = google_jax.numpy.matmul(left, right)
        return ", ".join(sorted(map(str, product.devices()))), np.asarray(product).tolist()

    # The best platform's devices first: where they are GPUs, the CPU is not among them.
    found = dict.fromkeys([*google_jax.local_devices(), *google_jax.local_devices(backend="cpu")])
    # The name of what is not the CPU differs: gpu, cuda.
    kinds = {device: "cpu" if device.platform == "cpu" else "gpu" for device in found}
    devices = [(str(device), kind, device) for device, kind in kinds.items()]
    return Framework(google_jax.__version__, devices, multiply)


PROBES = {"tensorflow": tensorflow, "torch": torch, "jax": jax}


def probe(name: str) -> dict[str, Any]:
    """Version, devices, and on each device a small product whose answer is known."""
    framework = PROBES[name]()
    wanted = [
        [sum(a * b for a, b in zip(row, column)) for column in zip(*RIGHT)]  # noqa: B905 - Python 3.9
        for row in LEFT
    ]
    devices = []
    for label, kind, handle in framework.devices:
        row: dict[str, Any] = {"name": label, "kind": kind}
        try:
            row["ran_on"], product = framework.multiply(handle)
            row["right"] = product == wanted
        except Exception as error:  # noqa: BLE001 - the framework's own; the caller shows it
            row["error"] = f"{type(error).__name__}: {error}".splitlines()[0]
        devices.append(row)
    return {"version": str(framework.version), "devices": devices}


def main() -> None:
    """Probe the framework that the first argument names."""
    answer: dict[str, Any] = {"python": platform.python_version(), "prefix": sys.prefix}
    try:
        answer.update(probe(sys.argv[1]))
    except Exception as error:  # noqa: BLE001 - an import can fail in any way; the caller shows it
        answer["error"] = f"{type(error).__name__}: {error}"
    print(json.dumps(answer))  # noqa: T201 - that is its interface


if __name__ == "__main__":
    main()
