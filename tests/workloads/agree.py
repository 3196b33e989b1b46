"""Print, as one JSON object, the losses of ten steps of a CIFAR-10 workload, in one of its forms.

Runs under the Python of an environment with the framework; takes the framework's name, the workload's path and the
mode. Weights and batches come from numpy's generator, so that every framework starts from the same and sees the same.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from typing import Any

import numpy as np

STEPS, BATCH, SEED = 10, 128, 5
name, path, mode = sys.argv[1:]
spec = importlib.util.spec_from_file_location("workload", path)
assert spec is not None
assert spec.loader is not None
workload = sys.modules["workload"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(workload)
IMAGES = workload.synthetic(SEED, "", STEPS * BATCH, 100)


def batches() -> list[tuple[Any, Any]]:
    """Standardised central crops, float32, and their labels, int64."""
    crops = IMAGES.train[:, 4:28, 4:28].astype(np.float32)
    crops -= crops.mean((1, 2, 3), keepdims=True)
    crops /= crops.std((1, 2, 3), keepdims=True)
    made = zip(np.split(crops, STEPS), np.split(IMAGES.train_labels, STEPS), strict=True)
    return list(made)


def ready(backend: Any, trainer: Any, images: Any, labels: Any) -> list[Any]:  # noqa: ANN401 - frameworks have no types here
    """A batch as the workload's own `inputs` leaves it on its device."""
    if name == "jax":
        count = trainer.devices  # the parts of the CPU
        return [images.reshape(count, -1, 24, 24, 3), labels.astype(np.int32).reshape(count, -1)]
    if name == "torch":
        torch = backend.torch
        return [(torch.from_numpy(images), torch.from_numpy(labels))]
    return [(backend.tf.constant(images), backend.tf.constant(labels))]


def losses() -> list[float]:
    """Of every step, before its update."""
    backend = workload.Backend(workload.Options(mode=mode, batch=BATCH, seed=SEED))
    trainer = backend.trainer(IMAGES)
    found = []
    for step, (images, labels) in enumerate(batches()):
        batch = ready(backend, trainer, images, labels)
        found.append(float(trainer.step(batch, *workload.schedule(step), ready=True)))
    trainer.feed = iter(())
    return found


digest = hashlib.sha256()
for array in (*workload.initial_weights(SEED), *(part for batch in batches() for part in batch)):
    digest.update(np.ascontiguousarray(array).tobytes())
sys.stdout.write(json.dumps({"start": digest.hexdigest(), "losses": losses()}))
