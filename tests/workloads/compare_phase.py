"""Print, as one JSON object, what a phase program computes in its first steps, by mode, form and number of devices.

Runs under the Python of an environment with its framework; takes the program's path. All of them print the same
names, so that their values can be held against each other.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import sys
from typing import Any

import numpy as np

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
BATCH = 8
spec = importlib.util.spec_from_file_location("workload", sys.argv[1])
assert spec is not None
assert spec.loader is not None
workload = sys.modules["workload"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(workload)
IMAGES = workload.synthetic(0, 64, 16)
FRAMEWORK = workload.FRAMEWORK


def two_devices(framework: Any, wanted: str) -> tuple[list[Any], str]:  # noqa: ANN401 - a module
    """Two where there is one: parts of the CPU, or for PyTorch the same twice."""
    found = {
        "tensorflow": lambda: ["/CPU:0", "/CPU:1"],
        "torch": lambda: [framework.device(wanted)] * 2,
        "jax": lambda: framework.devices(wanted)[:2],
    }
    return found[FRAMEWORK](), "CPU"


def first_moments(trainer: Any) -> list[Any]:  # noqa: ANN401 - the program's
    """A tenth of the first step's gradients, in the program's own order of axes."""
    if FRAMEWORK == "jax":
        return [np.asarray(moment) for moment in trainer.state[1]]
    tower = trainer.towers[0]
    if FRAMEWORK == "torch":
        return [tower.adam.state[weight]["exp_avg"].numpy() for weight in tower.weights]
    return [first.numpy() for first, _ in tower.moments]


def distance(first: list[Any], second: list[Any]) -> float:
    """The largest over the arrays of the norm of the difference over the norm."""
    pairs = zip(first, second, strict=True)
    return max(float(np.linalg.norm(a - b) / np.linalg.norm(a)) for a, b in pairs)


def trained(mode: str, dtype: str = "float32", steps: int = 4) -> list[float]:
    """Losses of the first steps."""
    options = workload.Options(mode=mode, dtype=dtype, batch=BATCH)
    trainer, feed = workload.Trainer(IMAGES, options), workload.Feed(IMAGES, options)
    losses = [trainer.wait(trainer.start(feed.batches(1))) for _ in range(steps)]
    feed.close()
    return losses


def gradients() -> tuple[list[Any], list[Any]]:
    """The moments after a step on the same prepared batch, in reference and in limit mode."""
    fast, plain = (
        workload.Trainer(IMAGES, workload.Options(mode=mode, batch=BATCH))
        for mode in ("limit", "reference")
    )
    ready = fast.prepare([next(workload.order(len(IMAGES.train), BATCH, 0))])
    for trainer in (plain, fast):
        trainer.wait(trainer.start(ready, ready=True))
    return first_moments(plain), first_moments(fast)


def prepared() -> float:
    """The largest difference between the host's and the device's preparation of a batch."""
    found = []
    for mode in ("reference", "limit"):
        options = workload.Options(mode=mode, batch=BATCH)
        trainer, feed = workload.Trainer(IMAGES, options), workload.Feed(IMAGES, options)
        found.append(np.asarray(trainer.prepare(feed.batches(1))[0][0]))
        feed.close()
    return float(np.abs(found[0] - found[1]).max())


def spread() -> list[Any]:
    """The moments after a step on two devices, each with half of the batch."""
    alone, workload.select_devices = workload.select_devices, two_devices
    trainer = workload.Trainer(IMAGES, workload.Options(mode="limit", batch=BATCH // 2))
    workload.select_devices = alone
    assert trainer.devices == 2
    numbers, mirrored = next(workload.order(len(IMAGES.train), BATCH, 0))
    halves = [(numbers[part], mirrored[part]) for part in (slice(0, 4), slice(4, 8))]
    trainer.wait(trainer.start(halves))
    return first_moments(trainer)


if FRAMEWORK == "tensorflow":
    tf = workload.load_tensorflow("cpu")
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
plain, fast = gradients()
weights = b"".join(value.tobytes() for value in workload.initial_weights(5))
sys.stdout.write(
    json.dumps(
        {
            "reference": trained("reference"),
            "limit": trained("limit"),
            "bfloat16": trained("limit", "bfloat16", 1),
            "gradients": distance(plain, fast),
            "norms": [float(np.linalg.norm(gradient)) for gradient in plain],
            "two": distance(fast, spread()),
            "prepared": prepared(),
            "weights": hashlib.sha256(weights).hexdigest(),
            "images": float(IMAGES.train.sum(dtype=np.float64)),
        }
    )
)
