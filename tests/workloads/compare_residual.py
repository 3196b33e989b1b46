"""Print, as one JSON object, what the residual program's parts compute on the CPU.

Runs under the Python of an environment with PyTorch; takes the program's path, and a file of images as different as
night and day.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from typing import Any

import numpy as np

spec = importlib.util.spec_from_file_location("workload", sys.argv[1])
assert spec is not None
assert spec.loader is not None
workload = sys.modules["workload"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(workload)
DATA = sys.argv[2]
IMAGES = workload.synthetic(0, "", 32, 16)


def options(**asked: Any) -> Any:  # noqa: ANN401 - the program's
    return workload.Options(device="cpu", batch=8, window=2, **asked)


def cut() -> float:
    """The largest difference between a prepared batch and one that numpy cuts image by image."""
    trainer = workload.Trainer(IMAGES, options())
    random = np.random.default_rng(0)
    numbers, ways = np.arange(8), random.integers(0, (9, 9, 2), (8, 3))
    ((images, labels),) = trainer.prepare([(numbers, ways)])
    assert (labels.numpy() == IMAGES.train_labels[:8]).all()
    pixels = IMAGES.train.astype(np.float64)
    mean, deviation = pixels.mean((0, 1, 2)), pixels.std((0, 1, 2))
    worst = 0.0
    for index, (down, right, mirrored) in enumerate(ways):
        padded = np.pad(pixels[index], ((4, 4), (4, 4), (0, 0)), mode="reflect")
        part = padded[down : down + 32, right : right + 32]
        part = (part[:, ::-1] if mirrored else part) - mean
        expected = (part / deviation).transpose(2, 0, 1)
        worst = max(worst, float(np.abs(images[index].numpy() - expected).max()))
    return worst


def towers() -> dict[str, float]:
    """After a step on two devices: the largest difference between their weights, and how far these moved."""
    alone = workload.select_devices
    workload.select_devices = lambda torch, wanted: ([torch.device(wanted)] * 2, "CPU")
    trainer = workload.Trainer(IMAGES, options())
    workload.select_devices = alone
    feed = workload.Feed(IMAGES, options())
    losses = [trainer.wait(trainer.start(feed.batches(2))) for _ in range(2)]
    one, two = (tower.weights for tower in trainer.towers)
    copies = zip(one, two, strict=True)
    start = trainer.towers[0].images.new_tensor([])  # of PyTorch, to make its arrays
    first = start.float().new_tensor(workload.initial_weights(0)[-2])
    return {
        "losses": len(losses),
        "apart": max(float((a - b).detach().abs().max()) for a, b in copies),
        "moved": float((one[-2] - first).detach().abs().max()),
    }


def first_loss(dtype: str) -> float:
    """Of the first step."""
    asked = options(dtype=dtype)
    trainer, feed = workload.Trainer(IMAGES, asked), workload.Feed(IMAGES, asked)
    return float(trainer.wait(trainer.start(feed.batches(1))))


until = workload.measure(options(data=DATA, epochs=12, accuracy=0.9, time_limit=400.0))
sys.stdout.write(
    json.dumps(
        {
            "cut": cut(),
            "towers": towers(),
            "float32": first_loss("float32"),
            "bfloat16": first_loss("bfloat16"),
            "until": until,
        }
    )
)
