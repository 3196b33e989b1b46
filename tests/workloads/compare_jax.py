"""Print, as one JSON object, how far the JAX workload's rewrites are from the plain form.

Runs under the Python of an environment with JAX, told to show two CPU devices; takes the workload's path.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from typing import Any

import numpy as np

BATCH = 64
spec = importlib.util.spec_from_file_location("workload", sys.argv[1])
assert spec is not None
assert spec.loader is not None
workload = sys.modules["workload"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(workload)
jax = workload.load_jax("cpu")
RANDOM = np.random.default_rng(7)
IMAGES = workload.synthetic(0, "", 2 * BATCH, 100)


def distance(first: Any, second: Any) -> float:  # noqa: ANN401 - arrays of either library
    """Norm of the difference over the norm of the first."""
    one, two = np.asarray(first, np.float64), np.asarray(second, np.float64)
    return float(np.linalg.norm(one - two) / np.linalg.norm(one))


def forms() -> dict[str, float]:
    """Loss and gradients of the reference form against the fast form, in float32 and bfloat16."""
    weights = [jax.numpy.asarray(value) for value in workload.initial_weights(3)]
    crops = IMAGES.train[:BATCH, 4:28, 4:28].astype(np.float32)
    pixels = np.stack([workload.standardise(image) for image in crops])
    labels = IMAGES.train_labels[:BATCH].astype(np.int32)

    def both(dtype: str, *, fast: bool) -> Any:  # noqa: ANN401 - a loss and its gradients
        def loss(weights: Any) -> Any:  # noqa: ANN401 - JAX's
            return workload.total_loss(jax, weights, pixels.astype(dtype), labels, fast=fast)

        return jax.jit(jax.value_and_grad(loss))(weights)

    (plain, expected), (same, found) = both("float32", fast=False), both("float32", fast=True)
    coarse, _ = both(jax.numpy.bfloat16, fast=True)
    return {
        "initial_loss": float(plain),
        "loss": abs(float(plain) - float(same)),
        "gradients": max(distance(*pair) for pair in zip(expected, found, strict=True)),
        "bfloat16": abs(float(plain) - float(coarse)),
    }


def distortion() -> float:
    """The distortion of a batch against one image after the other, brightness included."""
    top, left = RANDOM.integers(0, 9, (2, BATCH))
    flip, contrast = RANDOM.integers(0, 2, BATCH), RANDOM.uniform(0.2, 1.8, BATCH)
    expected = []
    for i in range(BATCH):
        one = IMAGES.train[i, top[i] : top[i] + 24, left[i] : left[i] + 24].astype(np.float32)
        one = (one[:, ::-1] if flip[i] else one) + 40
        mean = one.mean((0, 1))
        expected.append(workload.standardise((one - mean) * contrast[i] + mean))
    steps = np.arange(24)
    columns = np.where(flip[:, None], left[:, None] + 23 - steps, left[:, None] + steps)
    rows = top[:, None] + steps
    found = workload.distort_batch(
        jax, jax.numpy.asarray(IMAGES.train[:BATCH]), rows, columns, contrast
    )
    return distance(np.stack(expected), found)


def towers() -> dict[str, float]:
    """Two steps on two devices against two on the same examples at once, and what both devices then hold."""
    devices = jax.local_devices(backend="cpu")
    pixels = RANDOM.standard_normal((2 * BATCH, 24, 24, 3), np.float32)
    labels = IMAGES.train_labels.astype(np.int32)
    trainers = []
    for used, batch in ((devices, BATCH), (devices[:1], 2 * BATCH)):
        trainer = workload.Trainer(jax, used, IMAGES, workload.Options(batch=batch))
        cuts = range(0, 2 * BATCH, batch)
        trainer.feed = iter([(pixels[i : i + batch], labels[i : i + batch]) for i in cuts] * 2)
        trainer.run(0, 2)
        trainers.append(trainer)
    both, alone = ([np.asarray(w) for w in trainer.state[0]] for trainer in trainers)
    start = workload.initial_weights(0)
    moved = [now - before for now, before in zip(alone, start, strict=True)]
    moved_both = [now - before for now, before in zip(both, start, strict=True)]
    copies = [
        [np.asarray(part.data) for part in w.addressable_shards] for w in trainers[0].state[0]
    ]
    return {
        "devices": len(devices),
        "moved": float(min(np.linalg.norm(step) for step in moved)),
        "update": max(distance(*pair) for pair in zip(moved, moved_both, strict=True)),
        "copies": max(float(np.abs(one - two).max()) for one, two in copies),
    }


def at_rest() -> float:
    """How far steps that are only timed move the weights."""
    options = workload.Options(mode="limit", batch=BATCH)
    trainer = workload.Trainer(jax, jax.local_devices(backend="cpu"), IMAGES, options)
    trainer.step_alone(trainer.inputs(), 2)
    now = zip(trainer.state[0], workload.initial_weights(0), strict=True)
    return max(float(np.abs(np.asarray(after) - before).max()) for after, before in now)


found = {"forms": forms(), "distortion": distortion(), "towers": towers(), "at_rest": at_rest()}
sys.stdout.write(json.dumps(found))
