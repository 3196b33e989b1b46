"""Print, as one JSON object, how far the PyTorch workload's rewrites are from the plain form.

Runs under the Python of an environment with PyTorch; takes the workload's path.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
from comparing import digest, distance, load

BATCH = 128
workload = load(sys.argv[1])
torch = workload.load_torch("cpu")
CPU = torch.device("cpu")
RANDOM = np.random.default_rng(7)
IMAGES = workload.synthetic(0, "", 2 * BATCH, 100)


def trainer(devices: int = 1, **options: Any) -> Any:  # noqa: ANN401 - the workload's
    """One that has not trained."""
    return workload.Trainer(torch, [CPU] * devices, IMAGES, workload.Options(**options))


def forms() -> dict[str, float]:
    """Loss and gradients of the reference form against the fast form."""
    labels = torch.from_numpy(IMAGES.train_labels[:BATCH])
    pixels = workload.standardise(torch.from_numpy(IMAGES.train[:BATCH, 4:28, 4:28]).float())
    losses, gradients = [], []
    for mode, dtype in (("reference", "float32"), ("limit", "float32"), ("limit", "bfloat16")):
        weights = trainer(mode=mode, seed=3).towers[0].weights
        inputs = pixels.to(getattr(torch, dtype))
        loss = workload.total_loss(torch, weights, inputs, labels, fast=mode == "limit")
        losses.append(float(loss))
        gradients.append(torch.autograd.grad(loss, weights))
    plain, rewritten, rounded = gradients
    return {
        "initial_loss": losses[0],
        "loss": abs(losses[0] - losses[1]),
        "gradients": max(distance(a, b) for a, b in zip(plain, rewritten, strict=True)),
        "bfloat16_loss": abs(losses[0] - losses[2]),
        "bfloat16_gradients": max(distance(a, b) for a, b in zip(plain, rounded, strict=True)),
    }


class Drawn:
    """Gives the numbers that it was told, in place of a generator."""

    def __init__(self, corner: Any, flip: float, brightness: float, contrast: float) -> None:  # noqa: ANN401 - an array
        self.corner, self.flip, self.rest = corner, flip, iter((brightness, contrast))

    def integers(self, *_: Any) -> Any:  # noqa: ANN401 - as numpy's
        """Where the crop begins."""
        return self.corner

    def random(self) -> float:
        """Below a half: flipped."""
        return self.flip

    def uniform(self, *_: float) -> float:
        """Brightness, then contrast."""
        return next(self.rest)


def distortion() -> float:
    """The distortion of a batch against that of its images one by one, brightness included."""
    corner, steps = RANDOM.integers(0, 9, (BATCH, 2)), np.arange(24)
    flip, contrast = RANDOM.integers(0, 2, BATCH), RANDOM.uniform(0.2, 1.8, BATCH)
    expected = [
        workload.distort(IMAGES.train[i], Drawn(corner[i], 1.0 - flip[i], 40.0, contrast[i]))
        for i in range(BATCH)
    ]
    top, left = corner[:, :1], corner[:, 1:]
    columns = np.where(flip[:, None], left + 23 - steps, left + steps)
    drawn = (IMAGES.train[:BATCH], top + steps, columns, contrast.astype(np.float32))
    fast = workload.distort_batch(torch, *(torch.from_numpy(each) for each in drawn))
    return distance(np.stack(expected), fast)


def towers() -> dict[str, float]:
    """One step on two devices against one step on the same examples at once."""
    pixels = RANDOM.standard_normal((2 * BATCH, 24, 24, 3), np.float32)
    results = []
    for devices, batch in ((2, BATCH), (1, 2 * BATCH)):
        made = trainer(devices, batch=batch)
        made.feed = iter(
            [
                (pixels[i : i + batch], IMAGES.train_labels[i : i + batch])
                for i in range(0, 256, batch)
            ]
        )
        made.run(0, 1)
        results.append([[w.detach().clone() for w in tower.weights] for tower in made.towers])
    (one, two), (alone,) = results
    start = [weight.detach() for weight in trainer().towers[0].weights]
    moved = [now - before for now, before in zip(alone, start, strict=True)]
    both = [now - before for now, before in zip(one, start, strict=True)]
    return {
        "devices": 2,
        "moved": float(min(step.norm() for step in moved)),
        "update": max(distance(a, b) for a, b in zip(moved, both, strict=True)),
        "copies": max(float((a - b).abs().max()) for a, b in zip(one, two, strict=True)),
    }


def started() -> dict[str, str]:
    """The weights and their averages of a trainer that has not trained, as one digest each."""
    made = trainer(mode="limit", seed=5)
    kept = {"weights": made.towers[0].weights, "averages": made.averages}
    plain = {name: [each.detach() for each in tensors] for name, tensors in kept.items()}
    return {
        name: digest(
            [(each.permute(2, 3, 1, 0) if each.ndim > 2 else each).numpy() for each in tensors]
        )
        for name, tensors in plain.items()
    }


found = {"forms": forms(), "distortion": distortion(), "towers": towers(), "started": started()}
sys.stdout.write(json.dumps(found))
