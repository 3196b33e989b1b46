"""Train a two-class classifier of quantitative phase images with TensorFlow; say how many steps per second.

The kind of model the reference rig's owner built it for: images of a quantitative phase microscope, 128 by 128,
one channel, in minibatches of 79. That model is not public; this one is as plain as such models are: four convolutions
(5x5x16, 3x3x32, 3x3x64, 3x3x64), each pooled by 2, fully connected 128 and 2, Adam; 312 MFLOP per example. Its
images are generated, and called synthetic, or come from an `.npz`. One file that needs the standard library, numpy
and TensorFlow 2, sent over SSH; it leaves nothing behind:

    ssh RIG ENVIRONMENT/bin/python - --steps 100 --json < phase_tensorflow.py

`phase_torch.py` and `phase_jax.py` train the same model from the same weights on the same batches: their losses
agree step by step. Exit codes: 0 measured; 2 wrong usage or data; 3 could not measure. README.md lists the fields.
"""
# Setup, Options, Data, Input, Model, Training, Windows, Measuring, Report: read from top to bottom.
# What needs no framework is the same text in all phase programs; tools/same_sections.py keeps it so.

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import errno
import importlib
import io
import json
import math
import os
import platform
import queue
import signal
import statistics
import subprocess
import sys
import threading
import time
import zipfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

FRAMEWORK = "tensorflow"

# ---------------------------------------------------------------- Setup

# >>> same in all phase programs: SETUP
STARTED = time.monotonic()
USAGE, UNMEASURED = 2, 3

CLASSES, SIDE = 2, 128
KERNELS, POOL = 4, 2
RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8  # Kingma and Ba 2015, algorithm 1
UNIT = "steps/s"
WEIGHT_PASSES = 2 + 1 + 4 + 3
"""Read forward and backward; gradient written; it, weight and both moments read; the latter three written."""


class Layer(NamedTuple):
    """Weights of one layer, and at how many positions of its output they are applied."""

    shape: tuple[int, ...]
    pixels: int


LAYERS = (
    Layer((5, 5, 1, 16), 128 * 128),
    Layer((3, 3, 16, 32), 64 * 64),
    Layer((3, 3, 32, 64), 32 * 32),
    Layer((3, 3, 64, 64), 16 * 16),
    Layer((8 * 8 * 64, 128), 1),
    Layer((128, CLASSES), 1),
)
# Forward, gradient by weights, gradient by inputs, of which the first layer has none; 2 FLOP each.
_FORWARD = [math.prod(layer.shape) * layer.pixels for layer in LAYERS]
FLOP_PER_EXAMPLE = 2 * (3 * sum(_FORWARD) - _FORWARD[0])

Array = Any  # numpy.ndarray: which parameters it takes depends on numpy's version
Tensor = Any  # the framework is imported only after options and data are known to be good


# <<< SETUP

# >>> same in all phase programs: ERRORS
HINTS = {
    "usage": "Run it with --help for the options.",
    "no-data": "Give another --data, or --data synthetic.",
    "no-time": "Give a longer --time-limit or a smaller --window.",
    "not-a-number": "The arithmetic is wrong: try --device cpu, another driver, or a memory test.",
    "out-of-memory": "Take a smaller --batch; nvidia-smi shows which programs hold a card's memory.",
    "device-lost": "See the kernel's log for Xid messages, and nvidia-smi, on the rig.",
    "disk-full": "Make room on the disk that is written to.",
    "interrupted": "Run it again.",
    "failed": "See the kernel's log and nvidia-smi on the rig.",
}


class WorkloadError(Exception):
    """Ends the program with one sentence, a hint, its kind, and the exit code that goes with the kind."""

    def __init__(self, what: str, hint: str = "", kind: str = "usage") -> None:
        super().__init__(what)
        self.what, self.hint, self.kind = what, hint or HINTS[kind], kind
        self.code = USAGE if kind in {"usage", "no-data"} else UNMEASURED


def _left(options: Options) -> float:
    return options.time_limit - (time.monotonic() - STARTED)


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__


# <<< ERRORS

# -------------------------------------------------------------- Options


# >>> same in all phase programs: OPTIONS
@dataclasses.dataclass(frozen=True)
class Options:
    """What the command line asked for; times are in seconds."""

    steps: int = 100
    device: str = "cpu"
    mode: str = "reference"
    dtype: str = "float32"
    data: str = "synthetic"
    batch: int = 79
    window: int = 10
    seed: int = 0
    time_limit: float = math.inf
    evaluate: bool = False
    json: bool = False


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:  # noqa: ANN401 - as the parent, it does not return
        raise WorkloadError(f"Wrong usage: {message}")


def parse_options(arguments: Sequence[str]) -> Options:
    """Options from the command line.

    Raises:
        WorkloadError: an option is unknown, malformed or outside its range.
    """
    default = Options()
    parser = _Parser(
        prog=f"phase_{FRAMEWORK}.py",
        description="Train a classifier of phase images; measure steps per second.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    text, number, flag = parser.add_argument, int, "store_true"
    text("--steps", type=number, default=default.steps, help="steps after step 0")
    text("--device", choices=("cpu", "gpu", "all"), default=default.device, help="all: every GPU")
    text("--mode", choices=("reference", "limit"), default=default.mode, help="limit: fast form")
    text("--dtype", choices=("float32", "bfloat16"), default=default.dtype, help="limit mode only")
    text("--data", default=default.data, help="synthetic, or an .npz with x_train and y_train")
    text("--batch", type=number, default=default.batch, help="examples per step and device")
    text("--window", type=number, default=default.window, help="steps per line and per figure")
    text("--seed", type=number, default=default.seed, help="of images, weights and their order")
    text("--time-limit", type=float, default=default.time_limit, help="seconds, start-up included")
    text("--evaluate", action=flag, default=False, help="accuracy on the test images at the end")
    text("--json", action=flag, default=False, help="the last line is the result as one object")
    options = Options(**vars(parser.parse_args(arguments)))
    rules = (
        (options.window > 0, "--window must be at least 1"),
        (options.batch > 0, "--batch must be at least 1"),
        (options.steps >= 2 * options.window, "--steps must be 2 windows or more: one is dropped"),
        (options.time_limit > 0, "--time-limit must be above 0 seconds"),
        (0 <= options.seed < 2**31, "--seed must lie between 0 and 2147483647"),
        (options.dtype == "float32" or options.mode == "limit", "--dtype needs --mode limit"),
    )
    for holds, message in rules:
        if not holds:
            raise WorkloadError(f"Wrong usage: {message}")
    return options


# <<< OPTIONS

# ----------------------------------------------------------------- Data


# >>> same in all phase programs: DATA
class Images(NamedTuple):
    """Phase in radians (N, 128, 128) float32, classes (N,) int64; `tag` ends every line printed."""

    train: Array
    train_labels: Array
    test: Array
    test_labels: Array
    name: str
    tag: str
    note: str


def load(options: Options) -> Images:
    """The images that `--data` names.

    Raises:
        WorkloadError: the file is missing, damaged, foreign or too small.
    """
    asked = options.data
    images = synthetic(options.seed) if asked == "synthetic" else from_file(Path(asked))
    if len(images.train) < options.batch:
        raise WorkloadError(
            f"{len(images.train)} training images are fewer than one batch of {options.batch}",
            "Give more images, or a smaller --batch.",
            "no-data",
        )
    if options.evaluate and not len(images.test):
        raise WorkloadError("The data holds no test images", "Leave --evaluate out.", "no-data")
    return images


def from_file(path: Path) -> Images:
    """Phase images from an `.npz` with x_train and y_train, and x_test and y_test where it has them."""
    test, test_labels = np.empty((0, SIDE, SIDE), np.float32), np.empty(0, np.int64)
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            train, labels = checked(file["x_train"], file["y_train"])
            if "x_test" in file:
                test, test_labels = checked(file["x_test"], file["y_test"])
    except (OSError, EOFError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise WorkloadError(
            f"{path} cannot be read as phase images: {_first_line(error)}",
            "Give an .npz with x_train (N, 128, 128) and y_train (N,) of 0 and 1; or --data synthetic.",
            "no-data",
        ) from error
    return Images(train, labels, test, test_labels, f"{len(train)} phase images", "", str(path))


def checked(phase: Array, labels: Array) -> tuple[Array, Array]:
    """Both in the forms of `Images`, else ValueError."""
    if phase.dtype.kind not in "fiu" or phase.shape[1:] not in {(SIDE, SIDE), (SIDE, SIDE, 1)}:
        raise ValueError(f"images of {phase.dtype} {phase.shape}, not numbers (N, 128, 128)")
    phase, labels = phase.reshape(-1, SIDE, SIDE).astype(np.float32), labels.ravel()
    if len(phase) != len(labels):
        raise ValueError(f"{len(phase)} images but {len(labels)} labels")
    if labels.dtype.kind not in "iub" or not np.isin(labels, range(CLASSES)).all():
        raise ValueError("labels that are neither 0 nor 1")
    if not np.isfinite(phase).all():
        raise ValueError("images with values that are no numbers")
    return phase, labels.astype(np.int64)


def synthetic(seed: int, train: int = 1024, test: int = 256) -> Images:
    """Phase maps of cells of two kinds, made from `seed`: learnable, but not at a glance.

    Both are thin ellipsoids (phase as their thickness) at random places, under noise, on a tilted and uneven
    background. Those of class 1 are granular and have a nucleus, often faint; so have some of class 0, fainter.
    """
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, train + test)
    fine, coarse = (textures(random, width) for width in (2.0, 12.0))
    phase = np.empty((train + test, SIDE, SIDE), np.float32)
    for start in range(0, train + test, 64):  # by parts, which stay in the processor's cache
        part = slice(start, start + 64)
        phase[part] = cells(random, labels[part], fine, coarse)
    return Images(
        train=phase[:train],
        train_labels=labels[:train],
        test=phase[train:],
        test_labels=labels[train:],
        name="synthetic",
        tag="[synthetic]",
        note="generated phase maps of two kinds of cells",
    )


def textures(random: Any, width: float, count: int = 32) -> Array:  # noqa: ANN401 - numpy's generator
    """Periodic random textures (count, 128, 128) of deviation 1, smooth over `width` pixels."""
    frequency = np.fft.fftfreq(SIDE)[:, None] ** 2 + np.fft.rfftfreq(SIDE) ** 2
    noise = np.fft.rfft2(random.standard_normal((count, SIDE, SIDE)))
    smooth = np.fft.irfft2(noise * np.exp(-2 * (np.pi * width) ** 2 * frequency), (SIDE, SIDE))
    return (smooth / smooth.std(axis=(1, 2), keepdims=True)).astype(np.float32)


def cells(random: Any, labels: Array, fine: Array, coarse: Array) -> Array:  # noqa: ANN401 - as above
    """A cell per label, (N, 128, 128) in radians."""
    count, granular = len(labels), labels == 1

    def draw(low: Any, high: Any) -> Array:  # noqa: ANN401 - numbers, or one per image
        return random.uniform(low, high, count).astype(np.float32)[:, None, None]

    def pick(bank: Array) -> Array:
        rows, columns = (random.integers(0, SIDE, (2, count, 1)) + np.arange(SIDE)) % SIDE
        chosen = random.integers(0, len(bank), count)[:, None, None]
        return bank[chosen, rows[:, :, None], columns[:, None, :]]

    place = np.arange(SIDE, dtype=np.float32)
    down, right, angle = place[:, None] - draw(44, 84), place - draw(44, 84), draw(0, np.pi)
    along = (np.cos(angle) * right + np.sin(angle) * down) / draw(22, 38)
    across = (np.cos(angle) * down - np.sin(angle) * right) / draw(22, 38)
    inside = np.maximum(1 - along**2 - across**2, 0)
    phase = draw(1.5, 3.5) * np.sqrt(inside)
    nucleus = np.exp(-12 * ((along - draw(-0.4, 0.4)) ** 2 + (across - draw(-0.4, 0.4)) ** 2))
    bright = draw(np.where(granular, 0.2, 0.0), np.where(granular, 1.0, 0.4))
    grain = draw(np.where(granular, 0.15, 0.0), np.where(granular, 0.6, 0.2))
    phase += bright * nucleus * (inside > 0) + grain * inside * pick(fine)
    phase += draw(0.05, 0.3) * pick(coarse)
    phase += draw(-1, 1) * (place[:, None] / SIDE) + draw(-1, 1) * (place / SIDE)
    return phase + draw(0.05, 0.2) * random.standard_normal(phase.shape, np.float32)


# <<< DATA

# ---------------------------------------------------------------- Input


# >>> same in all phase programs: INPUT
def initial_weights(seed: int) -> list[Array]:
    """Kernel, bias, kernel, bias … of the layers, float32; the same for the same seed in every framework.

    Kernels: truncated normal, redrawn beyond two deviations, of deviation √(2 / inputs); biases 0.
    """
    random, weights = np.random.default_rng(seed), []
    for layer in LAYERS:
        values = random.standard_normal(layer.shape)
        while (far := np.abs(values) > 2).any():  # noqa: PLR2004 - as the docstring says
            values[far] = random.standard_normal(far.sum())
        values *= math.sqrt(2 / math.prod(layer.shape[:-1]))
        weights += [values.astype(np.float32), np.zeros(layer.shape[-1], np.float32)]
    return weights


def order(count: int, batch: int, seed: int) -> Iterator[tuple[Array, Array]]:
    """For each step without end, numbers of images (batch,), and whether each is mirrored (batch, 2).

    Mirrored up-down, left-right. Every epoch is in a new order; partial batches are dropped.
    """
    random = np.random.default_rng(seed)
    while True:
        numbers = random.permutation(count).astype(np.int32)
        for start in range(0, count - batch + 1, batch):
            yield numbers[start : start + batch], random.integers(0, 2, (batch, 2), np.int32)


def standardised(phase: Array) -> Array:
    """(128, 128) of mean 0 and deviation 1, as (128, 128, 1) float32."""
    phase = phase - phase.mean(dtype=np.float32)
    deviation = np.sqrt(np.square(phase).mean(dtype=np.float32))
    return (phase / np.maximum(deviation, np.float32(1e-3)))[:, :, None]


class HostInput:
    """Batches (images, labels) that a thread prepares image by image, up to four of them ahead."""

    def __init__(self, images: Images, options: Options) -> None:
        self._images, self._options = images, options
        self._ready: queue.Queue[tuple[Array, Array]] = queue.Queue(4)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        images, options = self._images, self._options
        for numbers, mirrored in order(len(images.train), options.batch, options.seed):
            ways = 1 - 2 * mirrored
            each = zip(images.train[numbers], ways)  # noqa: B905 - Python 3.9 has no strict
            batch = np.stack(
                [standardised(image[::down, ::right]) for image, (down, right) in each]
            )
            while not self._closed.is_set():
                with contextlib.suppress(queue.Full):
                    self._ready.put((batch, images.train_labels[numbers]), timeout=0.1)
                    break
            if self._closed.is_set():
                return

    def __iter__(self) -> HostInput:
        return self

    def __next__(self) -> tuple[Array, Array]:
        return self._ready.get()

    def close(self) -> None:
        """End the thread, which would slow what is measured next."""
        self._closed.set()
        self._thread.join()


class Feed:
    """What the steps are fed with: by a thread of the host in reference mode, else numbers to look up."""

    def __init__(self, images: Images, options: Options) -> None:
        self.host = HostInput(images, options) if options.mode == "reference" else None
        self._source = self.host or order(len(images.train), options.batch, options.seed)

    def batches(self, devices: int) -> list[Any]:
        """One for each device."""
        return [next(self._source) for _ in range(devices)]

    def close(self) -> None:
        """End what works ahead."""
        if self.host:
            self.host.close()


# <<< INPUT

# ---------------------------------------------------------------- Model

NOISE = "All log messages before absl|oneDNN custom operations are on"


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Standard error without what TensorFlow logs at import whatever its settings.

    A process of its own filters it, so that the last words of an import that aborts are not lost.
    """
    kept = os.dup(2)
    end, start = os.pipe()
    try:
        command = ["grep", "-vE", NOISE]
        filtering = subprocess.Popen(command, stdin=end, stdout=kept)  # noqa: S603 - fixed words
        os.dup2(start, 2)
        yield
    finally:
        os.dup2(kept, 2)
        for descriptor in (start, end, kept):
            os.close(descriptor)
    filtering.wait()


def load_tensorflow(device: str) -> ModuleType:
    """TensorFlow, quiet, with the GPUs hidden where the CPU is asked for.

    Raises:
        WorkloadError: this Python has no TensorFlow, or one that does not start.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    try:
        with quiet_stderr():
            return importlib.import_module("tensorflow")
    except ImportError as error:
        raise WorkloadError(
            f"TensorFlow does not start in {sys.executable}: {_first_line(error)}",
            "Run this with the Python of an environment that has TensorFlow.",
            "no-framework",
        ) from error


def select_devices(tf: ModuleType, wanted: str) -> tuple[list[str], str]:
    """Names of the devices to train on, and the model of the hardware.

    Raises:
        WorkloadError: a GPU is asked for and TensorFlow sees none.
    """
    if wanted == "cpu":
        return ["/CPU:0"], cpu_name()
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        raise WorkloadError(
            "TensorFlow sees no GPU",
            "See whether nvidia-smi lists it, and whether this environment's TensorFlow is built for CUDA.",
            "no-device",
        )
    gpus = gpus if wanted == "all" else gpus[:1]
    tf.config.set_visible_devices(gpus, "GPU")
    details = tf.config.experimental.get_device_details(gpus[0])
    return [f"/GPU:{i}" for i in range(len(gpus))], details.get("device_name", "unknown GPU")


def logits(tf: ModuleType, weights: Sequence[Tensor], images: Tensor, *, fast: bool) -> Tensor:
    """Scores (N, 2) of standardised images (N, 128, 128, 1), in the type of the images.

    `fast` pools before bias and ReLU: both keep the order of a channel's values, so the result is the same, and
    they have a quarter of the values to work on.
    """
    weights, values = [tf.cast(weight, images.dtype) for weight in weights], images
    for layer in range(KERNELS):
        kernel, bias = weights[2 * layer : 2 * layer + 2]
        values = tf.nn.conv2d(values, kernel, 1, "SAME")
        if fast:
            values = tf.nn.relu(tf.nn.bias_add(tf.nn.max_pool2d(values, POOL, POOL, "SAME"), bias))
        else:
            values = tf.nn.max_pool2d(tf.nn.relu(tf.nn.bias_add(values, bias)), POOL, POOL, "SAME")
    kernel, bias, last, offset = weights[2 * KERNELS :]
    values = tf.reshape(values, (-1, kernel.shape[0]))
    values = tf.nn.relu(tf.nn.bias_add(tf.matmul(values, kernel), bias))
    return tf.nn.bias_add(tf.matmul(values, last), offset)


def mean_loss(
    tf: ModuleType, weights: Sequence[Tensor], images: Tensor, labels: Tensor, *, fast: bool
) -> Tensor:
    """Mean cross-entropy of two classes, float32."""
    scores = tf.cast(logits(tf, weights, images, fast=fast), tf.float32)
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=scores)
    return tf.reduce_mean(entropy)


# ------------------------------------------------------------- Training


class Tower(NamedTuple):
    """One device with its own copy of weights and Adam's moments, and of the images in limit mode."""

    device: str
    weights: list[Tensor]
    moments: list[tuple[Tensor, Tensor]]
    images: Tensor
    labels: Tensor


class Trainer:
    """The training state on one or several devices, and the rates of the first of them.

    Raises:
        WorkloadError: TensorFlow does not start, or sees no such device.
    """

    def __init__(self, images: Images, options: Options) -> None:
        self.tf = tf = load_tensorflow(options.device)
        names, self.device_name = select_devices(tf, options.device)
        self.version, self.devices, self.done = tf.__version__, len(names), 0
        enabled = tf.config.experimental.tensor_float_32_execution_enabled
        self.cpu = options.device == "cpu"
        self.tf32 = not self.cpu and bool(enabled())
        self.fast, self.dtype = options.mode == "limit", options.dtype
        self.towers = [self._tower(name, images, options.seed) for name in names]
        self._fed = tf.function(self._update, autograph=False)
        self._whole = tf.function(self._prepare_and_update, autograph=False)
        self._inputs = tf.function(self._prepare, autograph=False)

    def _tower(self, name: str, images: Images, seed: int) -> Tower:
        tf = self.tf
        with tf.device(name):
            weights = [tf.Variable(value) for value in initial_weights(seed)]
            moments = [tuple(tf.Variable(tf.zeros_like(w)) for _ in range(2)) for w in weights]
            kept = slice(None if self.fast else 0)
            pixels, labels = images.train[kept, ..., None], images.train_labels[kept]
            return Tower(name, weights, moments, tf.constant(pixels), tf.constant(labels))

    def _prepare(self, batches: Sequence[Any]) -> list[tuple[Tensor, Tensor]]:
        tf, prepared = self.tf, []
        for tower, (numbers, mirrored) in zip(self.towers, batches):  # noqa: B905 - Python 3.9
            with tf.device(tower.device):
                images = tf.gather(tower.images, numbers)
                for axis in (1, 2):
                    flip = tf.reshape(mirrored[:, axis - 1] > 0, (-1, 1, 1, 1))
                    images = tf.where(flip, tf.reverse(images, (axis,)), images)
                images -= tf.reduce_mean(images, (1, 2, 3), keepdims=True)
                deviation = tf.sqrt(tf.reduce_mean(tf.square(images), (1, 2, 3), keepdims=True))
                images = tf.cast(images / tf.maximum(deviation, 1e-3), self.dtype)
                prepared.append((images, tf.gather(tower.labels, numbers)))
        return prepared

    def _update(self, batches: Sequence[Any], *numbers: Tensor) -> Tensor:
        tf, losses, gradients = self.tf, [], []
        power1, power2, epsilon = numbers
        for tower, (images, labels) in zip(self.towers, batches):  # noqa: B905 - as above
            with tf.device(tower.device):
                with tf.GradientTape() as tape:
                    loss = mean_loss(tf, tower.weights, images, labels, fast=self.fast)
                losses.append(loss)
                gradients.append(tape.gradient(loss, tower.weights))
        for tower in self.towers:
            with tf.device(tower.device):
                for index, weight in enumerate(tower.weights):
                    first, second = tower.moments[index]
                    tf.raw_ops.ResourceApplyAdam(
                        var=weight.handle,
                        m=first.handle,
                        v=second.handle,
                        beta1_power=power1,
                        beta2_power=power2,
                        lr=RATE,
                        beta1=BETA1,
                        beta2=BETA2,
                        epsilon=epsilon,
                        grad=tf.add_n([each[index] for each in gradients]) / len(gradients),
                    )
        return losses[0]

    def _prepare_and_update(self, batches: Sequence[Any], *numbers: Tensor) -> Tensor:
        return self._update(self._prepare(batches), *numbers)

    def start(self, batches: Sequence[Any], *, ready: bool = False) -> Tensor:
        """Start a step on what `Feed` gave for each device, or on images and labels (ready); the loss."""
        self.done += 1
        powers = np.array([BETA1, BETA2]) ** self.done
        # This operation adds epsilon where the moments are not yet freed of their start at zero.
        numbers = [*powers, EPSILON * math.sqrt(1 - powers[1])]
        step = self._whole if self.fast and not ready else self._fed
        return step(batches, *np.array(numbers, np.float32))

    def prepare(self, batches: Sequence[Any]) -> list[tuple[Tensor, Tensor]]:
        """Images and labels of what `Feed` gave, on the devices."""
        tf, copied = self.tf, []
        if self.fast:
            batches = self._inputs(batches)
        for tower, (images, labels) in zip(self.towers, batches):  # noqa: B905 - as above
            with tf.device(tower.device):
                copied.append((tf.identity(images), tf.identity(labels)))
        return copied

    def wait(self, values: Tensor) -> float:
        """A number, or the first of a batch, when it is done, and all that was started before it."""
        return float(self.tf.reshape(values, (-1,))[0])

    def classes(self, images: Array) -> Array:
        """The likelier class of each standardised image (N, 128, 128, 1)."""
        with self.tf.device(self.towers[0].device):
            scores = logits(self.tf, self.towers[0].weights, self.tf.constant(images), fast=False)
            return self.tf.argmax(scores, axis=1).numpy()

    def product(self) -> tuple[Callable[[], object], float]:
        """A square matrix product on the first device, and its FLOP."""
        tf, size = self.tf, 2048 if self.cpu else 8192
        with tf.device(self.towers[0].device):
            factor = tf.cast(tf.random.stateless_normal((size, size), (1, 2)), self.dtype)
            product = tf.function(lambda: tf.matmul(factor, factor)[0, 0], autograph=False)
        return lambda: float(product()), 2 * size**3

    def stream(self) -> tuple[Callable[[], object], float]:
        """One large array added to another in the first device's memory, and the bytes this moves."""
        tf, size, rounds = self.tf, 2**26, 1 if self.cpu else 10
        with tf.device(self.towers[0].device):
            total, added = tf.Variable(tf.zeros(size)), tf.ones(size)

        def add() -> None:
            for _ in range(rounds):
                tf.raw_ops.AssignAddVariableOp(resource=total.handle, value=added)
            float(total.sparse_read([0])[0])

        return add, rounds * 3 * 4 * size

    def forget_peak(self) -> None:
        """Count `peak_memory` from now on: the product before the training took some, too."""
        if not self.cpu:
            self.tf.config.experimental.reset_memory_stats("GPU:0")

    def peak_memory(self) -> int | None:
        """Bytes taken on the first device at most; TensorFlow counts none on a CPU."""
        if self.cpu:
            return None
        return int(self.tf.config.experimental.get_memory_info("GPU:0")["peak"])


# ------------------------------------------------------------- Windows


# >>> same in all phase programs: WINDOWS
class Window(NamedTuple):
    """Steps between two lines: the last one's number and loss, how many; times in seconds."""

    step: int
    loss: float
    steps: int
    seconds: float
    end: float
    """Unix time."""
    processors: ProcessorTimes | None
    """At its end."""
    issued: list[float]
    """Until each step's call returned, which need not be until it was done."""


def run_window(trainer: Trainer, feed: Feed, first: int, count: int) -> Window:
    """Train `count` steps from number `first`, and wait for the last one's loss."""
    issued, loss, devices = [], None, trainer.devices
    start = time.perf_counter()
    for _ in range(count):
        batches = feed.batches(devices)
        before = time.perf_counter()
        loss = trainer.start(batches)
        issued.append(time.perf_counter() - before)
    value = trainer.wait(loss)
    seconds, now = time.perf_counter() - start, ProcessorTimes.now()
    return Window(first + count - 1, value, count, seconds, time.time(), now, issued)


# <<< WINDOWS


# >>> same in all phase programs: TRAINING
def train(trainer: Trainer, feed: Feed, options: Options, tag: str) -> Iterator[Window]:
    """Step 0, then whole windows, each printed as it ends; stops early where the time would run out.

    Raises:
        WorkloadError: the loss is no number any more.
    """
    first, longest = 0, 0.0
    while first <= options.steps:
        count = min(options.window, options.steps - first + 1) if first else 1
        if first and _left(options) < 1.2 * longest + reserve(options):
            return
        window = run_window(trainer, feed, first, count)
        if not math.isfinite(window.loss):
            raise WorkloadError(
                f"The loss is {window.loss} at step {window.step}", kind="not-a-number"
            )
        if count == options.window or not first:
            print(log_line(window, options.batch * trainer.devices, tag), flush=True)
            yield window
        longest = max(longest, window.seconds) if first else 0.0
        first += count


def log_line(window: Window, examples: int, tag: str, now: datetime | None = None) -> str:
    """Step, loss and steps per second with three digits, as the reference rig's owner gives them."""
    rate = window.steps / window.seconds
    stamp = f"{now or datetime.now().astimezone():%Y-%m-%d %H:%M:%S.%f}"
    line = f"{stamp}: step {window.step}, loss = {window.loss:.3f} "
    return f"{line}({rate:.3f} steps/sec; {rate * examples:.1f} examples/sec) {tag}".rstrip()


def accuracy(trainer: Trainer, images: Images, batch: int) -> float:
    """Share of the test images whose class is the likelier one."""
    right = 0
    for start in range(0, len(images.test), batch):
        part = images.test[start : start + batch]
        filled = np.resize(part, (batch, SIDE, SIDE))  # one shape: a compiler works once
        found = trainer.classes(np.stack([standardised(each) for each in filled]))
        right += int((found[: len(part)] == images.test_labels[start : start + batch]).sum())
    return right / len(images.test)


# <<< TRAINING

# ------------------------------------------------------------ Measuring

# >>> same in all phase programs: MEASURING
UNSTEADY, OTHERS, STOLEN = 1.25, 0.10, 0.05
SHORT = 40.0
"""Seconds of time limit below which the rates of input alone and step alone are left out."""


class ProcessorTimes(NamedTuple):
    """Seconds of all logical processors since the start, busy or not; and of this process."""

    total: float
    busy: float
    stolen: float
    own: float

    @classmethod
    def now(cls) -> ProcessorTimes | None:
        """What the kernel counts; None where it does not say."""
        try:
            line = Path("/proc/stat").read_text(encoding="utf-8").splitlines()[0]
        except OSError:
            return None
        ticks = [int(word) / os.sysconf("SC_CLK_TCK") for word in line.split()[1:9]]
        _, _, _, idle, waiting, _, _, stolen = ticks
        busy = sum(ticks) - idle - waiting - stolen
        return cls(sum(ticks), busy, stolen, time.process_time())


def median_seconds(work: Callable[[], Any], budget: float) -> float:
    """Median time of `work()` over `budget` seconds, and three times at least, after a first."""
    work()
    times: list[float] = []
    while len(times) < 3 or (sum(times) < budget and len(times) < 1000):  # noqa: PLR2004 - a median
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def spread(rated: Sequence[float]) -> float | None:
    """Half the distance from the 10th to the 90th percentile over the median, without the first window."""
    if len(rated) < 4:  # noqa: PLR2004 - percentiles of one or two say nothing
        return None
    low, middle, high = np.percentile(rated[1:], (10, 50, 90))
    return round(float((high - low) / 2 / middle), 4)


def drift(rated: Sequence[float]) -> float | None:
    """How much faster the last quarter of the counted windows is than their first; -0.1: a tenth slower."""
    quarter = len(rated[1:]) // 4
    if quarter < 2:  # noqa: PLR2004 - eight windows that count
        return None
    return round(
        statistics.median(rated[-quarter:]) / statistics.median(rated[1 : 1 + quarter]) - 1, 4
    )


def disturbances(windows: Sequence[Window], before: float, after: float) -> str:
    """Why the figures may be wrong: other programs, the host, or the clock; empty where nothing shows."""
    found = []
    if max(before, after) > UNSTEADY * min(before, after):
        found.append(f"the matrix product went from {before:.0f} to {after:.0f} GFLOP/s")
    first, last = windows[0].processors, windows[-1].processors
    if first and last and last.total > first.total:
        total, busy, stolen, own = (b - a for a, b in zip(first, last))  # noqa: B905 - Python 3.9
        if busy - own > OTHERS * total:
            found.append(f"other programs took {(busy - own) / total:.0%} of the processors")
        if stolen > STOLEN * total:
            found.append(f"the host kept {stolen / total:.0%} of the processors' time")
    return "; ".join(found)


def mbyte_per_example(options: Options) -> float:
    """Least traffic to the device's memory that training needs, in MB per example.

    The rule: only products touch memory; bias, ReLU, pooling and the images' preparation are done on
    the way. Each of a layer's passes (forward, gradient by weights, gradient by inputs but for the first layer)
    reads or writes the layer's inputs and outputs once. Weights, float32, `WEIGHT_PASSES` times
    per step.
    """
    passed = [(layer.shape[-2] + layer.shape[-1]) * layer.pixels for layer in LAYERS]
    moved = (2 if options.dtype.endswith("16") else 4) * (3 * sum(passed) - passed[0])
    return (
        moved + 4 * WEIGHT_PASSES * sum(math.prod(layer.shape) for layer in LAYERS) / options.batch
    ) / 1e6


def series(windows: Sequence[Window], examples: int) -> dict[str, Any]:
    """The fields that come of the windows after step 0; the first of them warms up, and does not count.

    Raises:
        WorkloadError: the time limit left too few of them.
    """
    after = windows[1:]
    if len(after) < 2:  # noqa: PLR2004 - the first is dropped
        what = f"The time limit left {len(after)} windows, of which the first does not count"
        raise WorkloadError(what, kind="no-time")
    rates = [window.steps / window.seconds for window in after]
    rate = statistics.median(rates[1:])
    start, end = after[0].processors, after[-1].processors
    own = (end.own - start.own) / (after[-1].step - after[0].step) if start and end else None
    return {
        "examples_per_sec": round(rate * examples, 1),
        "rate": round(rate if UNIT == "steps/s" else rate * examples, 4),
        "unit": UNIT,
        "windows": [round(each * examples, 1) for each in rates],
        "window_ends": [round(window.end, 3) for window in after],
        "step0_end": round(windows[0].end, 3),
        "window_steps": after[0].steps,
        "spread": spread(rates),
        "drift": drift(rates),
        "issue_seconds": round(statistics.median(t for w in after[1:] for t in w.issued), 6),
        "cpu_seconds_per_step": own and round(own, 6),
        "losses": {str(window.step): round(window.loss, 4) for window in windows},
        "first_step_seconds": round(windows[0].seconds, 3),
    }


def described(trainer: Trainer, images: Images, options: Options) -> dict[str, Any]:
    """The fields that say what was run, and on what."""
    return {
        "data": images.name,
        "data_note": images.note,
        "device": options.device,
        "device_name": trainer.device_name,
        "devices": trainer.devices,
        "mode": options.mode,
        "dtype": options.dtype,
        "tf32": trainer.tf32,
        "batch": options.batch,
        "seed": options.seed,
        "framework": FRAMEWORK,
        "version": trainer.version,
        "python": platform.python_version(),
        "processors": len(os.sched_getaffinity(0)),
    }


def per_second(work: tuple[Callable[[], object], float], budget: float) -> float:
    """How much of it is done per second, in units of 10⁹."""
    action, amount = work
    return amount / median_seconds(action, budget) / 1e9


def seconds_each(
    action: Callable[[], Tensor], wait: Callable[[Tensor], object], budget: float
) -> float:
    """Median seconds of an action that is only started, by windows of about 0.2 s that are waited for."""

    def window(count: int) -> float:
        start, last = time.perf_counter(), None
        for _ in range(count):
            last = action()
        wait(last)
        return time.perf_counter() - start

    window(1)
    count = min(1000, math.ceil(0.2 / max(window(1), 1e-6)))
    lengths: list[float] = []
    while len(lengths) < 3 or sum(lengths) < budget:  # noqa: PLR2004 - a median
        lengths.append(window(count))
    return statistics.median(lengths) / count


def input_rate(trainer: Trainer, images: Images, options: Options, budget: float = 1.0) -> float:
    """Examples per second of the input alone, without training."""
    feed, devices = Feed(images, options), trainer.devices
    examples = options.batch * devices
    if not feed.host:

        def prepare() -> Tensor:
            return trainer.prepare(feed.batches(devices))[0][0]

        return examples / seconds_each(prepare, trainer.wait, budget)
    feed.batches(devices)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < budget:
        feed.batches(devices)
        count += examples
    rate = count / (time.perf_counter() - start)
    feed.close()
    return rate


def compute_rate(trainer: Trainer, images: Images, options: Options, budget: float = 2.0) -> float:
    """Examples per second of the same step on batches that lie on the devices; it trains on."""
    feed, devices = Feed(images, options), trainer.devices
    ready = trainer.prepare(feed.batches(devices))
    feed.close()
    seconds = seconds_each(lambda: trainer.start(ready, ready=True), trainer.wait, budget)
    return options.batch * devices / seconds


def reserve(options: Options) -> float:
    """Seconds that are kept for what comes after the training."""
    return 12.0 if options.time_limit >= SHORT else 2.0


def alone(trainer: Trainer, images: Images, options: Options) -> dict[str, Any]:
    """Rates of the input without the step and of the step without the input; null where time is short."""
    if options.time_limit < SHORT or _left(options) < 0.7 * reserve(options):
        return {"input_examples_per_sec": None, "compute_examples_per_sec": None}
    fed, ready = (rate(trainer, images, options) for rate in (input_rate, compute_rate))
    return {"input_examples_per_sec": round(fed, 1), "compute_examples_per_sec": round(ready, 1)}


def cpu_name() -> str:
    """The processor's model, as the kernel names it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    names = (line.split(":", 1)[1].strip() for line in text.splitlines() if "model name" in line)
    return next(names, platform.processor() or platform.machine())


# <<< MEASURING

# --------------------------------------------------------------- Report


# >>> same in all phase programs: REPORT
def measure(options: Options) -> dict[str, Any]:
    """Load, train and report; see README.md for the fields."""
    images = load(options)
    trainer = Trainer(images, options)
    before, memory = per_second(trainer.product(), 0.4), per_second(trainer.stream(), 0.3)
    trainer.forget_peak()
    feed = Feed(images, options)
    startup = time.monotonic() - STARTED
    windows = list(train(trainer, feed, options, images.tag))
    feed.close()
    steps, peak = trainer.done - 1, trainer.peak_memory()
    after = per_second(trainer.product(), 0.4)
    found = series(windows, options.batch * trainer.devices)
    scored = accuracy(trainer, images, options.batch) if options.evaluate else None
    speed, traffic = found["examples_per_sec"] / trainer.devices, mbyte_per_example(options)
    return {
        **found,
        **described(trainer, images, options),
        "steps": steps,
        "stopped_by": "steps" if steps == options.steps else "time limit",
        "mflop_per_example": round(FLOP_PER_EXAMPLE / 1e6, 1),
        "matmul_gflops_before": round(before, 1),
        "matmul_gflops_after": round(after, 1),
        # The higher of the two: whatever else ran on the machine can only have made one too low.
        "fraction_of_matmul": round(speed * FLOP_PER_EXAMPLE / 1e9 / max(before, after), 4),
        "memory_gbps": round(memory, 1),
        "mbyte_per_example": round(traffic, 3),
        "fraction_of_memory": round(speed * traffic / 1e3 / memory, 4),
        "disturbed": disturbances(windows, before, after),
        "peak_memory": peak,
        "accuracy": scored and round(scored, 4),
        **alone(trainer, images, options),  # last, as it trains on
        "startup_seconds": round(startup, 3),
        "seconds": round(time.monotonic() - STARTED, 3),
    }


def summary(result: dict[str, Any]) -> str:
    """The result for a reader."""
    lines = [
        "{rate} steps/sec, {examples_per_sec} examples/sec",
        "data: {data} ({data_note})",
        "device: {devices} of {device_name}, {mode} mode, {dtype}",
        "{fraction_of_matmul:.0%} of the matrix product's rate, {fraction_of_memory:.0%} of the memory's",
        "{steps} steps, stopped by: {stopped_by}",
    ]
    if result["accuracy"] is not None:
        lines.append("accuracy on {data} test images: {accuracy:.2%}")
    if result["disturbed"]:
        lines.append("disturbed: {disturbed}")
    return "\n".join(lines).format(**result)


# <<< REPORT

# --------------------------------------------------------------- Ending

# >>> same in all phase programs: ENDING
INTERRUPTED = threading.Event()
SIGNS = (  # the first kind with a word that the failure's text holds
    (
        "out-of-memory",
        (
            "out of memory",
            "resource_exhausted",
            "resourceexhausted",
            "memoryerror",
            "allocate memory",
        ),
    ),
    ("failed", ("no kernel image",)),  # the framework has no code for this card, which lives
    (
        "device-lost",
        ("launch failure", "illegal memory access", "cuda error", "cuda_error", "is lost"),
    ),
)


def failure_of(error: BaseException) -> WorkloadError:
    """Any failure as one sentence, of the kind that its text tells: frameworks have no type for most."""
    if INTERRUPTED.is_set() or isinstance(error, KeyboardInterrupt):
        return WorkloadError("Interrupted", kind="interrupted")
    if isinstance(error, WorkloadError):
        return error
    text, kind = f"{type(error).__name__}: {error}".lower(), "failed"
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        kind = "disk-full"
    else:
        found = (name for name, words in SIGNS if any(word in text for word in words))
        kind = next(found, kind)
    return WorkloadError(f"The run failed: {type(error).__name__}: {_first_line(error)}", kind=kind)


def _told(failure: WorkloadError, *, as_json: bool) -> str:
    about = {"what": failure.what, "hint": failure.hint, "kind": failure.kind}
    return json.dumps({"error": about}) if as_json else f"{failure.what}\n{failure.hint}"


def _give_up(failure: WorkloadError, as_json: bool) -> None:  # noqa: FBT001 - a Timer passes by position
    # Straight to the descriptor: the main thread may hold print's lock for good.
    os.write(1 if as_json else 2, f"{_told(failure, as_json=as_json)}\n".encode())
    os._exit(failure.code)


def _interrupt(*_: object) -> None:
    INTERRUPTED.set()
    raise KeyboardInterrupt


def _await_signal(reading: int, as_json: bool) -> None:  # noqa: FBT001 - as above
    os.read(reading, 1)
    time.sleep(5)  # the main thread hears of no signal while a device keeps it
    _give_up(WorkloadError("Interrupted", kind="interrupted"), as_json)


@contextlib.contextmanager
def _limited(options: Options) -> Iterator[None]:
    """Ends the program at its time limit whatever a device does."""
    what = f"Not done within its time limit of {options.time_limit:g} s: a device does not answer, or is very slow"
    failure = WorkloadError(what, kind="no-time")
    left = max(0.1, min(_left(options), threading.TIMEOUT_MAX))
    watchdog = threading.Timer(left, _give_up, (failure, options.json))
    watchdog.daemon = True
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; every failure is one sentence, and one object with `--json`."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options = parse_options(given)
        with _limited(options):
            result = measure(options)
        print(json.dumps(result) if options.json else summary(result), flush=True)
    except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001 - and the framework's: a lost GPU
        failure = failure_of(error)
        said = _told(failure, as_json="--json" in given)
        try:
            print(said, file=sys.stdout if "--json" in given else sys.stderr, flush=True)
        except OSError:  # where results go takes no more: to standard error
            os.dup2(2, 1)
            print(said, flush=True)
        return failure.code
    return 0


if __name__ == "__main__":
    READING, WRITING = os.pipe()
    os.set_blocking(WRITING, False)
    signal.set_wakeup_fd(WRITING)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    waiting = (READING, "--json" in sys.argv)
    threading.Thread(target=_await_signal, args=waiting, daemon=True).start()
    sys.exit(main())
# <<< ENDING
