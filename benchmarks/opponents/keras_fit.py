"""The CIFAR-10 tutorial's model by Keras `fit` and tf.data, as a user of today would write it: an opponent.

    ENVIRONMENT/bin/python keras_fit.py DATA.npz [STEPS]

DATA.npz holds `x_train`, `y_train`. No metrics, and no callback but one that reads the clock at the end of each ten
steps, which are an epoch to Keras. Whether XLA compiles it is left to Keras. The last line is one object:
`examples_per_sec`, median of the `windows` after the first.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import keras
import numpy as np
import tensorflow as tf

BATCH, WINDOW = 128, 10


def distorted(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """One image of training: crop, flip, brightness, contrast, standardisation."""
    image = tf.cast(image, tf.float32)
    image = tf.image.random_crop(image, (24, 24, 3))
    image = tf.image.random_flip_left_right(image)
    image = tf.image.random_brightness(image, 63)
    image = tf.image.random_contrast(image, 0.2, 1.8)
    return tf.image.per_image_standardization(image), label


def normalised(values: tf.Tensor) -> tf.Tensor:
    """Local response normalisation, for which Keras has no layer."""
    return tf.nn.local_response_normalization(values, 4, 1.0, 0.001 / 9, 0.75)


def model() -> keras.Model:
    """Two convolutions and three dense layers, as in the tutorial."""
    layers = keras.layers

    def normal(deviation: float) -> keras.initializers.Initializer:
        return keras.initializers.TruncatedNormal(stddev=deviation)

    def dense(units: int) -> keras.layers.Layer:
        return layers.Dense(
            units,
            activation="relu",
            kernel_initializer=normal(0.04),
            bias_initializer=keras.initializers.Constant(0.1),
            kernel_regularizer=keras.regularizers.L2(0.002),
        )

    return keras.Sequential(
        [
            keras.Input((24, 24, 3)),
            layers.Conv2D(
                64, 5, padding="same", activation="relu", kernel_initializer=normal(0.05)
            ),
            layers.MaxPooling2D(3, 2, padding="same"),
            layers.Lambda(normalised),
            layers.Conv2D(
                64,
                5,
                padding="same",
                activation="relu",
                kernel_initializer=normal(0.05),
                bias_initializer=keras.initializers.Constant(0.1),
            ),
            layers.Lambda(normalised),
            layers.MaxPooling2D(3, 2, padding="same"),
            layers.Flatten(),
            dense(384),
            dense(192),
            layers.Dense(10, kernel_initializer=normal(1 / 192)),
        ]
    )


class Clock(keras.callbacks.Callback):
    """The time at each epoch's end, and its loss."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []
        self.losses: list[float] = []

    def on_epoch_end(self, _epoch: int, logs: dict[str, float] | None = None) -> None:
        """Called by Keras."""
        self.ends.append(time.perf_counter())
        self.losses.append(round(float((logs or {})["loss"]), 4))


def main(path: str, steps: int = 100) -> None:
    """Train, and print the result."""
    with np.load(path) as file:
        images, labels = file["x_train"], file["y_train"].ravel().astype(np.int64)
    source = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(20_000).repeat()
    source = source.map(distorted, num_parallel_calls=tf.data.AUTOTUNE)
    source = source.batch(BATCH).prefetch(tf.data.AUTOTUNE)
    network, clock = model(), Clock()
    network.compile(
        optimizer=keras.optimizers.SGD(0.1),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    epochs = {"epochs": steps // WINDOW, "steps_per_epoch": WINDOW}
    network.fit(source, **epochs, shuffle=False, verbose=0, callbacks=[clock])
    lengths = np.diff(clock.ends)
    windows = [round(BATCH * WINDOW / float(length), 1) for length in lengths]
    result = {
        "examples_per_sec": round(statistics.median(windows), 1),
        "windows": windows,
        "losses": clock.losses,
        "compiled_by_xla": bool(network.jit_compile),
        "version": f"keras {keras.__version__}, tensorflow {tf.__version__}",
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:3]))
