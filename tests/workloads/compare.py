"""Print, as one JSON object, how far the workload's rewrites are from the plain form.

Runs under the Python of an environment with TensorFlow; takes the workload's path.
"""

from __future__ import annotations

import json
import sys

import numpy as np
from comparing import digest, distance, load

BATCH = 128
workload = load(sys.argv[1])
tf = workload.load_tensorflow("cpu")
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
RANDOM = np.random.default_rng(7)
IMAGES = workload.synthetic(0, "", 2 * BATCH, 100)


def forms() -> dict[str, float]:
    """Loss and gradients of the reference form against the fast form."""
    weights = [tf.Variable(value) for value in workload.initial_weights(3)]
    pixels = tf.cast(IMAGES.train[:BATCH, 4:28, 4:28], tf.float32)
    pixels = tf.image.per_image_standardization(pixels)
    losses, gradients = [], []
    for fast, dtype in ((False, "float32"), (True, "float32"), (True, "bfloat16")):
        inputs = tf.cast(pixels, dtype)
        with tf.GradientTape() as tape:
            loss = workload.total_loss(tf, weights, inputs, IMAGES.train_labels[:BATCH], fast=fast)
        losses.append(float(loss))
        gradients.append(tape.gradient(loss, weights))
    plain, rewritten, rounded = gradients
    return {
        "initial_loss": losses[0],
        "loss": abs(losses[0] - losses[1]),
        "gradients": max(distance(a, b) for a, b in zip(plain, rewritten, strict=True)),
        "bfloat16_loss": abs(losses[0] - losses[2]),
        "bfloat16_gradients": max(distance(a, b) for a, b in zip(plain, rounded, strict=True)),
    }


def distortion() -> float:
    """The distortion of a batch against tf.image, brightness included."""
    top, left = RANDOM.integers(0, 9, (2, BATCH))
    flip, contrast = RANDOM.integers(0, 2, BATCH), RANDOM.uniform(0.2, 1.8, BATCH)
    expected = []
    for i in range(BATCH):
        one = tf.cast(IMAGES.train[i, top[i] : top[i] + 24, left[i] : left[i] + 24], tf.float32)
        one = tf.image.flip_left_right(one) if flip[i] else one
        one = tf.image.adjust_contrast(tf.image.adjust_brightness(one, 40.0), contrast[i])
        expected.append(tf.image.per_image_standardization(one))
    steps = np.arange(24)
    columns = np.where(flip[:, None], left[:, None] + 23 - steps, left[:, None] + steps)
    fast = workload.distort_batch(
        tf,
        tf.constant(IMAGES.train[:BATCH]),
        tf.constant(top[:, None] + steps),
        tf.constant(columns),
        tf.constant(contrast, tf.float32),
    )
    return distance(tf.stack(expected), fast)


def towers() -> dict[str, float]:
    """One step on two devices against one step on the same examples at once."""
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    pixels = tf.random.stateless_normal((2 * BATCH, 24, 24, 3), (1, 2))
    labels = tf.constant(IMAGES.train_labels)
    results = []
    for used, batch in ((devices, BATCH), (devices[:1], 2 * BATCH)):
        trainer = workload.Trainer(tf, used, IMAGES, workload.Options(batch=batch))
        cuts = range(0, 2 * BATCH, batch)
        trainer.feed = iter([(pixels[i : i + batch], labels[i : i + batch]) for i in cuts])
        trainer.run(0, 1)
        results.append(trainer.towers)
    (one, two), (alone,) = results
    start = workload.initial_weights(0)
    moved = [now - before for now, before in zip(alone.weights, start, strict=True)]
    both = [now - before for now, before in zip(one.weights, start, strict=True)]
    copies = zip(one.weights, two.weights, strict=True)
    return {
        "devices": len(devices),
        "moved": float(min(tf.norm(step) for step in moved)),
        "update": max(distance(a, b) for a, b in zip(moved, both, strict=True)),
        "copies": max(float(tf.reduce_max(tf.abs(a - b))) for a, b in copies),
    }


def started() -> dict[str, str]:
    """The weights and their averages of a trainer that has not trained, as one digest each."""
    trainer = workload.Trainer(tf, ["/CPU:0"], IMAGES, workload.Options(mode="limit", seed=5))
    kept = {"weights": trainer.towers[0].weights, "averages": trainer.averages}
    return {name: digest([one.numpy() for one in tensors]) for name, tensors in kept.items()}


found = {"forms": forms(), "distortion": distortion(), "towers": towers(), "started": started()}
sys.stdout.write(json.dumps(found))
