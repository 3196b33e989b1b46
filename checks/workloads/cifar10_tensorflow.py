"""Train TensorFlow's CIFAR-10 tutorial model on this machine; say how fast, and whether the loss falls.

The model, its input and its optimiser are those of tensorflow/models `tutorials/image/cifar10` (2017), so
that the lines printed can be held against the ones published then. One file that needs the standard
library, numpy and TensorFlow 2, sent over SSH; it leaves nothing behind:

    ssh RIG ENVIRONMENT/bin/python - --steps 100 --json < cifar10_tensorflow.py

Step 0 holds the start-up and comes before the N steps of `--steps N`. Exit codes: 0 measured; 2 wrong usage
or data; 3 could not measure. README.md lists the fields of the result.
"""
# Setup, Options, Data, Model, Training, Report: read from top to bottom.

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import hashlib
import importlib
import io
import itertools
import json
import math
import os
import pickle
import platform
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.request
import zipfile
import zlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

# ---------------------------------------------------------------- Setup

STARTED = time.monotonic()
USAGE, UNMEASURED = 2, 3

CLASSES, SIDE, CROP = 10, 32, 24
FULL_SIZE = 50_000
SHUFFLE = 20_000
BRIGHTNESS, CONTRAST = 63, (0.2, 1.8)
INPUT_THREADS = 16

RADIUS, ALPHA, BETA = 4, 0.001 / 9, 0.75
WEIGHT_DECAY = 0.004
LEARNING_RATE, RATE_DECAY, STEPS_PER_DECAY = 0.1, 0.1, 136_718
PARAMETER_AVERAGE, LOSS_AVERAGE = 0.9999, 0.9


class Layer(NamedTuple):
    """Weights of one layer; `deviation` is that of a truncated normal, `pixels` its output positions."""

    shape: tuple[int, ...]
    deviation: float
    bias: float
    decays: bool
    pixels: int


LAYERS = (
    Layer((5, 5, 3, 64), 0.05, 0.0, decays=False, pixels=24 * 24),
    Layer((5, 5, 64, 64), 0.05, 0.1, decays=False, pixels=12 * 12),
    Layer((6 * 6 * 64, 384), 0.04, 0.1, decays=True, pixels=1),
    Layer((384, 192), 0.04, 0.1, decays=True, pixels=1),
    Layer((192, CLASSES), 1 / 192, 0.0, decays=False, pixels=1),
)
# Forward, gradient by weights, gradient by inputs, of which the first layer has none; 2 FLOP each.
_FORWARD = [math.prod(layer.shape) * layer.pixels for layer in LAYERS]
FLOP_PER_EXAMPLE = 2 * (3 * sum(_FORWARD) - _FORWARD[0])

Array = Any  # numpy.ndarray: which parameters it takes depends on numpy's version
Tensor = Any  # TensorFlow is imported only after options and data are known to be good


class WorkloadError(Exception):
    """Ends the program with one sentence, a hint and an exit code."""

    def __init__(self, what: str, hint: str, code: int = USAGE) -> None:
        super().__init__(what)
        self.what, self.hint, self.code = what, hint, code


# -------------------------------------------------------------- Options


@dataclasses.dataclass(frozen=True)
class Options:
    """What the command line asked for; times are in seconds."""

    steps: int = 100
    device: str = "cpu"
    mode: str = "reference"
    dtype: str = "float32"
    data: str = "auto"
    mirror: str = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    cache: str = "/var/cache/dlrig"
    download_limit: float = 60.0
    batch: int = 128
    window: int = 10
    seed: int = 0
    time_limit: float = math.inf
    evaluate: bool = False
    json: bool = False


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:  # noqa: ANN401 - as the parent, it does not return
        raise WorkloadError(f"Wrong usage: {message}", "Run it with --help for the options.")


def parse_options(arguments: Sequence[str]) -> Options:
    """Options from the command line.

    Raises:
        WorkloadError: an option is unknown, malformed or outside its range.
    """
    default = Options()
    parser = _Parser(
        prog="cifar10_tensorflow.py",
        description="Train TensorFlow's CIFAR-10 tutorial model; measure examples per second.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    text, number, flag = parser.add_argument, int, "store_true"
    text("--steps", type=number, default=default.steps, help="steps after step 0")
    text("--device", choices=("cpu", "gpu", "all"), default=default.device, help="all: every GPU")
    text("--mode", choices=("reference", "limit"), default=default.mode, help="limit: fast form")
    text("--dtype", choices=("float32", "bfloat16"), default=default.dtype, help="limit mode only")
    text("--data", default=default.data, help="auto, synthetic, an archive, a folder or an .npz")
    text("--mirror", default=default.mirror, help="where auto downloads cifar-10-python.tar.gz")
    text("--cache", default=default.cache, help="folder where auto looks for the archive")
    text("--download-limit", type=float, default=default.download_limit, help="seconds")
    text("--batch", type=number, default=default.batch, help="examples per step and device")
    text("--window", type=number, default=default.window, help="steps per line and per figure")
    text("--seed", type=number, default=default.seed, help="of weights, order and distortions")
    text("--time-limit", type=float, default=default.time_limit, help="seconds, start-up included")
    text("--evaluate", action=flag, default=False, help="accuracy on the test images at the end")
    text("--json", action=flag, default=False, help="the last line is the result as one object")
    options = Options(**vars(parser.parse_args(arguments)))
    _check(options)
    return options


def _check(options: Options) -> None:
    rules = (
        (options.window > 0, "--window must be at least 1"),
        (options.batch > 0, "--batch must be at least 1"),
        (options.steps >= 2 * options.window, "--steps must be 2 windows or more: one is dropped"),
        (options.time_limit > 0, "--time-limit must be above 0 seconds"),
        (options.download_limit > 0, "--download-limit must be above 0 seconds"),
        (0 <= options.seed < 2**31, "--seed must lie between 0 and 2147483647"),
        (options.mirror.startswith(("https://", "http://")), "--mirror must be an http(s) URL"),
        (options.dtype == "float32" or options.mode == "limit", "--dtype needs --mode limit"),
    )
    for holds, message in rules:
        if not holds:
            raise WorkloadError(f"Wrong usage: {message}", "Run it with --help for the options.")


# ----------------------------------------------------------------- Data

ARCHIVE = "cifar-10-python.tar.gz"
# https://www.cs.toronto.edu/~kriz/cifar.html: MD5 of each archive, and its folder
ARCHIVES = {
    "c58f30108f718f92721af3b95e74349a": "cifar-10-batches-py",
    "c32a1d4ab5d03f1284b67883e8d87530": "cifar-10-batches-bin",
}
RECORD = 1 + 3 * SIDE * SIDE
ARCHIVE_LIMIT = 256 * 2**20
BROKEN = (
    *(OSError, EOFError, KeyError, IndexError, ValueError, TypeError, AttributeError),
    *(tarfile.TarError, zlib.error, zipfile.BadZipFile, pickle.UnpicklingError),
)


class Images(NamedTuple):
    """Images (N, 32, 32, 3) uint8 and labels (N,) int64; `tag` ends every line printed."""

    train: Array
    train_labels: Array
    test: Array
    test_labels: Array
    name: str
    tag: str
    note: str


class SafeUnpickler(pickle.Unpickler):
    """Admits numpy arrays of plain values and nothing else that needs a name."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as the parent
        """What the pickle may name; anything else could run code."""
        if (module, name) in {("numpy", "ndarray"), ("numpy", "dtype")}:
            return getattr(np, name)
        if name == "_reconstruct" and module.startswith("numpy."):
            return np.empty(0).__reduce__()[0]  # its module's name differs between versions
        if (module, name) == ("_codecs", "encode"):
            return _latin1  # how protocol 2 writes bytes
        raise pickle.UnpicklingError(f"it names {module}.{name}, which no data set needs")


def _latin1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it holds bytes as {encoding}")
    return text.encode("latin1")


def load(options: Options) -> Images:
    """The images that `--data` names.

    Raises:
        WorkloadError: the file or folder is missing, damaged, foreign or too small.
    """
    if options.data == "auto":
        images = _automatic(options)
    elif options.data == "synthetic":
        images = synthetic(options.seed, "asked for with --data synthetic")
    else:
        images = from_path(Path(options.data))
    if len(images.train) < options.batch:
        raise WorkloadError(
            f"{len(images.train)} training images are fewer than one batch of {options.batch}",
            "Give more images, or a smaller --batch.",
        )
    if options.evaluate and not len(images.test):
        raise WorkloadError("The data holds no test images", "Leave --evaluate out.")
    return images


def from_path(path: Path) -> Images:
    """CIFAR-10 from an archive, an unpacked folder or an `.npz`."""
    try:
        if path.is_dir():
            return _from_folder(path)
        if path.suffix == ".npz":
            return _from_npz(path)
        return _from_archive(path.read_bytes(), str(path))
    except BROKEN as error:
        raise WorkloadError(
            f"{path} cannot be read as CIFAR-10: {_first_line(error)}",
            f"Give {ARCHIVE}, the binary archive, a folder unpacked from either, or an .npz with "
            "x_train and y_train; or --data synthetic.",
        ) from error


def _from_archive(content: bytes, source: str) -> Images:
    checksum = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if checksum not in ARCHIVES:
        raise ValueError(f"MD5 {checksum} of its {len(content)} bytes is not that of an archive")
    folder = ARCHIVES[checksum]
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:

        def read(name: str) -> bytes:
            member = archive.extractfile(f"{folder}/{name}")
            return member.read() if member else b""

        return _from_batches(read, folder, f"{source}, checksum verified")


def _from_folder(path: Path) -> Images:
    for folder in ARCHIVES.values():
        for place in (path, path / folder):
            if (place / _batch_names(folder)[0]).is_file():
                read = functools.partial(_read_in, place)
                return _from_batches(read, folder, f"{place}, unpacked, so no checksum")
    raise FileNotFoundError("no data_batch_1 or data_batch_1.bin in it")


def _read_in(folder: Path, name: str) -> bytes:
    return (folder / name).read_bytes()


def _batch_names(folder: str) -> list[str]:
    ending = ".bin" if folder.endswith("bin") else ""
    return [f"{stem}{ending}" for stem in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")]


def _from_batches(read: Callable[[str], bytes], folder: str, note: str) -> Images:
    decode = _decode_binary if folder.endswith("bin") else _decode_pickle
    *parts, (test, test_labels) = [decode(read(name)) for name in _batch_names(folder)]
    train, labels = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    return _real(train, labels, test, test_labels, note)


def _decode_pickle(content: bytes) -> tuple[Array, Array]:
    batch = SafeUnpickler(io.BytesIO(content), encoding="bytes").load()
    return _interleave(np.asarray(batch[b"data"])), np.asarray(batch[b"labels"])


def _decode_binary(content: bytes) -> tuple[Array, Array]:
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    return _interleave(records[:, 1:]), records[:, 0]


def _interleave(planes: Array) -> Array:
    return np.ascontiguousarray(planes.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1))


def _from_npz(path: Path) -> Images:
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
        test, test_labels = np.empty((0, SIDE, SIDE, 3), np.uint8), np.empty(0, np.int64)
        if "x_test" in file:
            test, test_labels = file["x_test"], file["y_test"]
        return _real(file["x_train"], file["y_train"], test, test_labels, str(path))


def _real(train: Array, labels: Array, test: Array, test_labels: Array, note: str) -> Images:
    labels, test_labels = labels.ravel(), test_labels.ravel()
    for pixels, classes in ((train, labels), (test, test_labels)):
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (SIDE, SIDE, 3):
            raise ValueError(f"images of {pixels.dtype} {pixels.shape}, not uint8 (N, 32, 32, 3)")
        if len(pixels) != len(classes):
            raise ValueError(f"{len(pixels)} images but {len(classes)} labels")
        if classes.dtype.kind not in "iu" or not np.isin(classes, range(CLASSES)).all():
            raise ValueError("labels that are not whole numbers from 0 to 9")
    whole = len(train) >= FULL_SIZE
    return Images(
        train=train,
        train_labels=labels.astype(np.int64),
        test=test,
        test_labels=test_labels.astype(np.int64),
        name="cifar-10" if whole else f"cifar-10 subset of {len(train)}",
        tag="" if whole else "[subset]",
        note=note,
    )


def _automatic(options: Options) -> Images:
    cached = Path(options.cache) / ARCHIVE
    reasons = [f"no {cached}"]
    if cached.is_file():
        try:
            return from_path(cached)
        except WorkloadError as error:
            reasons = [error.what]
    try:
        content = download(options.mirror, min(options.download_limit, _left(options) / 2))
        images = _from_archive(content, options.mirror)
    except BROKEN as error:
        reasons.append(f"the download from {options.mirror} failed: {_first_line(error)}")
        return synthetic(options.seed, "; ".join(reasons))
    _keep(content, cached)
    return images


def download(url: str, limit: float) -> bytes:
    """What `url` holds, within `limit` seconds and 256 MiB, else OSError.

    In a thread, since no timeout of a socket bounds a name server that does not answer.
    """
    answer: list[bytes | Exception] = []

    def fetch() -> None:
        try:
            with urllib.request.urlopen(url, timeout=min(limit, 10)) as response:  # noqa: S310 - http(s), checked
                answer.append(response.read(ARCHIVE_LIMIT))
        except Exception as error:  # noqa: BLE001 - whatever it is, the waiting thread reports it
            answer.append(error)

    thread = threading.Thread(target=fetch, daemon=True)
    thread.start()
    thread.join(limit)
    if not answer:
        raise TimeoutError(f"not done within {limit:.0f} s")
    if isinstance(answer[0], Exception):
        raise OSError(_first_line(answer[0])) from answer[0]
    return answer[0]


def _keep(content: bytes, cached: Path) -> None:
    # Only where a cache folder was made for it: this program creates none.
    if not os.access(cached.parent, os.W_OK):
        return
    handle, name = tempfile.mkstemp(dir=cached.parent, prefix=f".{ARCHIVE}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(cached)
    except OSError:
        Path(name).unlink(missing_ok=True)


def synthetic(seed: int, note: str, train: int = 10_000, test: int = 2_000) -> Images:
    """Images made from `seed` whose class can be learnt, but not at a glance.

    Each shows a smooth pattern of its class, shifted at random, under a fainter one of another class and noise.
    """
    random = np.random.default_rng(seed)
    variants, grid = 4, 6
    coarse = random.standard_normal((CLASSES, variants, grid, grid, 3), np.float32)
    place = np.linspace(0, grid, SIDE, endpoint=False)
    lower, share = place.astype(int), place % 1
    stretch = np.zeros((SIDE, grid), np.float32)
    stretch[np.arange(SIDE), lower] += 1 - share
    stretch[np.arange(SIDE), (lower + 1) % grid] += share
    patterns = np.einsum("yi,xj,cvijk->cvyxk", stretch, stretch, coarse, optimize=True)
    total = train + test
    labels = random.integers(0, CLASSES, total)
    others = (labels + random.integers(1, CLASSES, total)) % CLASSES
    pixels = 30 * random.standard_normal((total, SIDE, SIDE, 3), np.float32)
    for classes, strength in ((labels, 40), (others, 28)):
        rows, columns = (
            (random.integers(-3, 4, (total, 1)) + np.arange(SIDE)) % SIDE for _ in range(2)
        )
        chosen = random.integers(0, variants, total)[:, None, None]
        shown = patterns[classes[:, None, None], chosen, rows[:, :, None], columns[:, None, :]]
        pixels += strength * shown
    pixels += random.uniform(90, 160, (total, 1, 1, 1)).astype(np.float32)
    whole = np.clip(pixels, 0, 255).astype(np.uint8)
    return Images(
        train=whole[:train],
        train_labels=labels[:train],
        test=whole[train:],
        test_labels=labels[train:],
        name="synthetic",
        tag="[synthetic]",
        note=note,
    )


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
            UNMEASURED,
        ) from error


def initial_weights(tf: ModuleType, seed: int) -> list[Tensor]:
    """Kernel, bias, kernel, bias … of the five layers, the same for the same seed."""
    weights = []
    for index, layer in enumerate(LAYERS):
        draw = tf.random.stateless_truncated_normal(layer.shape, (seed, index))
        weights += [draw * layer.deviation, tf.fill(layer.shape[-1:], layer.bias)]
    return weights


def banded_normalise(tf: ModuleType, features: Tensor) -> Tensor:
    """Local response normalisation as a product with a banded matrix; its gradient in closed form.

    y = x·s^-β with s = 1 + x²·A, so dx = dy·s^-β - 2β·x·((dy·y/s)·A), where A, symmetric, holds
    the scale on its band.
    """
    channels = features.shape[-1]
    distance = np.abs(np.subtract.outer(np.arange(channels), np.arange(channels)))
    band = tf.constant(ALPHA * (distance <= RADIUS), features.dtype)

    @tf.custom_gradient  # type: ignore[untyped-decorator, unused-ignore]
    def normalise(values: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        rows = tf.reshape(values, (-1, channels))
        scale = 1 + tf.matmul(rows * rows, band)
        root = tf.math.rsqrt(scale)
        power = root * tf.sqrt(root)  # scale^-0.75
        result = rows * power

        def gradient(upstream: Tensor) -> Tensor:
            above = tf.reshape(upstream, (-1, channels))
            spread = tf.matmul(above * result / scale, band)
            return tf.reshape(above * power - (2 * BETA) * rows * spread, tf.shape(values))

        return tf.reshape(result, tf.shape(values)), gradient

    return normalise(features)


def logits(tf: ModuleType, weights: Sequence[Tensor], images: Tensor, *, fast: bool) -> Tensor:
    """Scores (N, 10) of standardised images (N, 24, 24, 3), in the type of the images.

    `fast` computes the same by rewrites that are exact but for rounding.
    """
    kernel1, bias1, kernel2, bias2, *dense = (tf.cast(weight, images.dtype) for weight in weights)

    def pool(values: Tensor) -> Tensor:
        return tf.nn.max_pool2d(values, 3, 2, "SAME")

    def normalise(values: Tensor) -> Tensor:
        if fast:
            return banded_normalise(tf, values)
        return tf.nn.local_response_normalization(values, RADIUS, 1.0, ALPHA, BETA)

    convolved = tf.nn.conv2d(images, kernel1, 1, "SAME")
    if fast:  # a bias per channel and ReLU keep the order of values: the pool may come first
        pooled = tf.nn.relu(tf.nn.bias_add(pool(convolved), bias1))
    else:
        pooled = pool(tf.nn.relu(tf.nn.bias_add(convolved, bias1)))
    convolved = tf.nn.conv2d(normalise(pooled), kernel2, 1, "SAME")
    values = pool(normalise(tf.nn.relu(tf.nn.bias_add(convolved, bias2))))
    values = tf.reshape(values, (-1, dense[0].shape[0]))
    values = tf.nn.relu(tf.nn.bias_add(tf.matmul(values, dense[0]), dense[1]))
    values = tf.nn.relu(tf.nn.bias_add(tf.matmul(values, dense[2]), dense[3]))
    return tf.nn.bias_add(tf.matmul(values, dense[4]), dense[5])


def total_loss(
    tf: ModuleType, weights: Sequence[Tensor], images: Tensor, labels: Tensor, *, fast: bool
) -> Tensor:
    """Mean cross-entropy plus 0.004·½Σw² of the two hidden dense layers."""
    scores = tf.cast(logits(tf, weights, images, fast=fast), tf.float32)
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=scores)
    decayed = [weights[2 * index] for index, layer in enumerate(LAYERS) if layer.decays]
    return tf.reduce_mean(entropy) + WEIGHT_DECAY * tf.add_n([tf.nn.l2_loss(w) for w in decayed])


# ------------------------------------------------------------- Training


class Tower(NamedTuple):
    """One device with its own copy of the weights; `inputs` makes (images, labels) of what is fed."""

    device: str
    weights: list[Tensor]
    inputs: Callable[..., tuple[Tensor, Tensor]]


class Window(NamedTuple):
    """Steps between two lines: the last one's number and loss, how many, how many seconds."""

    step: int
    loss: float
    steps: int
    seconds: float


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
            UNMEASURED,
        )
    gpus = gpus if wanted == "all" else gpus[:1]
    tf.config.set_visible_devices(gpus, "GPU")
    details = tf.config.experimental.get_device_details(gpus[0])
    return [f"/GPU:{i}" for i in range(len(gpus))], details.get("device_name", "unknown GPU")


def cpu_name() -> str:
    """The processor's model, as the kernel names it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    names = (line.split(":", 1)[1].strip() for line in text.splitlines() if "model name" in line)
    return next(names, platform.processor() or platform.machine())


def tutorial_batches(tf: ModuleType, images: Images, options: Options) -> Iterator[Any]:
    """Batches distorted image by image, as the tutorial does; each is (images, labels)."""

    def distort(index: Tensor, pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        image, number = tf.cast(pair[0], tf.float32), tf.cast(index, tf.int32)
        keys = [tf.stack([options.seed, 4 * number + draw]) for draw in range(4)]
        image = tf.image.stateless_random_crop(image, (CROP, CROP, 3), keys[0])
        image = tf.image.stateless_random_flip_left_right(image, keys[1])
        image = tf.image.stateless_random_brightness(image, BRIGHTNESS, keys[2])
        image = tf.image.stateless_random_contrast(image, *CONTRAST, keys[3])
        return tf.image.per_image_standardization(image), pair[1]

    source = tf.data.Dataset.from_tensor_slices((images.train, images.train_labels))
    source = source.shuffle(min(SHUFFLE, len(images.train)), seed=options.seed).repeat().enumerate()
    # Read from standard input, these functions have no source that AutoGraph could convert.
    plain = tf.autograph.experimental.do_not_convert(distort)
    source = source.map(plain, num_parallel_calls=INPUT_THREADS)
    source = source.batch(options.batch, drop_remainder=True).prefetch(4)
    settings = tf.data.Options()
    settings.autotune.enabled = False  # its optimiser can hold the end of the input up for 20 s
    return iter(source.with_options(settings))


def index_batches(count: int, batch: int, seed: int) -> Iterator[tuple[Array, Array]]:
    """(indices, seed) for each step without end: every epoch in a new order, partial batches dropped."""
    random = np.random.default_rng(seed)
    for epoch in itertools.count():
        order = random.permutation(count).astype(np.int32)
        for start in range(0, count - batch + 1, batch):
            yield order[start : start + batch], np.array([epoch, start], np.int32) + seed


def distort_batch(
    tf: ModuleType, images: Tensor, rows: Tensor, columns: Tensor, contrast: Tensor
) -> Tensor:
    """Crop, flip, contrast and standardise (N, 32, 32, 3); rows and columns (N, 24), contrast (N,).

    A change of brightness adds the same to every pixel, which standardising takes away again.
    """
    images = tf.gather(tf.gather(images, rows, batch_dims=1), columns, axis=2, batch_dims=1)
    images = tf.cast(images, tf.float32)
    mean = tf.reduce_mean(images, (1, 2), keepdims=True)
    images = (images - mean) * tf.reshape(contrast, (-1, 1, 1, 1)) + mean
    images -= tf.reduce_mean(images, (1, 2, 3), keepdims=True)
    deviation = tf.sqrt(tf.reduce_mean(tf.square(images), (1, 2, 3), keepdims=True))
    return images / tf.maximum(deviation, 1 / math.sqrt(CROP * CROP * 3))


def resident_inputs(
    tf: ModuleType, images: Images, dtype: str
) -> Callable[..., tuple[Tensor, Tensor]]:
    """Inputs that keep all images on the device and distort them inside the step."""
    pixels, labels = tf.constant(images.train), tf.constant(images.train_labels)

    def inputs(indices: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        count, steps, draw = tf.size(indices), tf.range(CROP), tf.random.stateless_uniform
        keys = [key + tf.constant([0, part << 28]) for part in range(3)]
        first = draw((2, count, 1), keys[0], 0, SIDE - CROP + 1, tf.int32)
        flip = draw((count, 1), keys[1], 0, 2, tf.int32)
        contrast = draw((count,), keys[2], *CONTRAST)
        columns = first[1] + flip * (CROP - 1 - steps) + (1 - flip) * steps
        chosen = tf.gather(pixels, indices)
        distorted = distort_batch(tf, chosen, first[0] + steps, columns, contrast)
        return tf.cast(distorted, dtype), tf.gather(labels, indices)

    return inputs


def schedule(step: int) -> tuple[Array, Array]:
    """Learning rate of a step, and the decay of the parameters' moving average after it."""
    rate = LEARNING_RATE * RATE_DECAY ** (step // STEPS_PER_DECAY)
    return np.float32(rate), np.float32(min(PARAMETER_AVERAGE, (1 + step) / (10 + step)))


class Trainer:
    """The training state: a tower per device, moving averages, and what feeds them."""

    def __init__(
        self, tf: ModuleType, devices: Sequence[str], images: Images, options: Options
    ) -> None:
        self.tf, self.batch, self.fast = tf, options.batch, options.mode == "limit"
        start = initial_weights(tf, options.seed)
        self.towers = []
        for device in devices:
            with tf.device(device):
                weights = [tf.Variable(value) for value in start]
                resident = resident_inputs(tf, images, options.dtype) if self.fast else None
            self.towers.append(Tower(device, weights, resident or (lambda *fed: fed)))
        with tf.device(devices[0]):
            self.averages = [tf.Variable(value) for value in start]
            self.loss_average = tf.Variable(0.0)
        self.feed = (
            index_batches(len(images.train), options.batch, options.seed)
            if self.fast
            else tutorial_batches(tf, images, options)
        )
        self.step = tf.function(self._step, autograph=False)
        self.steps_done = 0

    def _step(self, batches: Sequence[Any], rate: Tensor, decay: Tensor) -> Tensor:
        tf, losses, gradients = self.tf, [], []
        for tower, batch in zip(self.towers, batches):  # noqa: B905 - Python 3.9 has no strict
            with tf.device(tower.device):
                images, labels = tower.inputs(*batch)
                with tf.GradientTape() as tape:
                    loss = total_loss(tf, tower.weights, images, labels, fast=self.fast)
                losses.append(loss)
                gradients.append(tape.gradient(loss, tower.weights))
        for tower in self.towers:
            with tf.device(tower.device):
                for index, weight in enumerate(tower.weights):
                    mean = tf.add_n([each[index] for each in gradients]) / len(gradients)
                    tf.raw_ops.ResourceApplyGradientDescent(
                        var=weight.handle, alpha=rate, delta=mean
                    )
        with tf.device(self.towers[0].device):
            for average, weight in zip(self.averages, self.towers[0].weights):  # noqa: B905 - as above
                average.assign_sub((1 - decay) * (average - weight))
            self.loss_average.assign_sub((1 - LOSS_AVERAGE) * (self.loss_average - losses[0]))
        return losses[0]

    def run(self, first: int, count: int) -> float:
        """Train `count` steps from number `first`; the last one's loss, when all of them are done."""
        loss = None
        for number in range(first, first + count):
            batches = [next(self.feed) for _ in self.towers]
            loss = self.step(batches, *schedule(number))
        self.steps_done = first + count - 1
        return float(loss.numpy()) if loss is not None else math.nan

    def average_loss(self) -> float:
        """Moving average of the losses, freed of its start at zero."""
        bias = 1 - LOSS_AVERAGE ** (self.steps_done + 1)
        return float(self.loss_average.numpy()) / bias

    def accuracy(self, images: Images, weights: Sequence[Tensor]) -> float:
        """Share of the test images, centrally cropped, whose class scores highest."""
        tf, edge, right = self.tf, (SIDE - CROP) // 2, 0
        score = tf.function(lambda batch: logits(tf, weights, batch, fast=False), autograph=False)
        for start in range(0, len(images.test), 500):
            batch = images.test[start : start + 500, edge : edge + CROP, edge : edge + CROP]
            batch = tf.image.per_image_standardization(tf.cast(batch, tf.float32))
            found = tf.argmax(score(batch), axis=1).numpy()
            right += int((found == images.test_labels[start : start + 500]).sum())
        return right / len(images.test)


def matmul_gflops(tf: ModuleType, device: str, dtype: str, budget: float = 0.4) -> float:
    """Median rate of a square matrix product on `device`, in GFLOP/s; takes about `budget` seconds."""
    size = 2048 if "CPU" in device else 8192
    with tf.device(device):
        factor = tf.cast(tf.random.stateless_normal((size, size), (1, 2)), dtype)
        product = tf.function(lambda: tf.matmul(factor, factor)[0, 0], autograph=False)
        product().numpy()
        times: list[float] = []
        while len(times) < 3 or (sum(times) < budget and len(times) < 1000):  # noqa: PLR2004 - a median
            start = time.perf_counter()
            product().numpy()
            times.append(time.perf_counter() - start)
    return 2 * size**3 / statistics.median(times) / 1e9


def train(trainer: Trainer, options: Options, tag: str) -> Iterator[Window]:
    """Step 0, then whole windows, each printed as it ends; stops early where the time would run out.

    Raises:
        WorkloadError: the loss is no number any more.
    """
    first, longest = 0, 0.0
    while first <= options.steps:
        count = min(options.window, options.steps - first + 1) if first else 1
        if first and _left(options) < 1.2 * longest + 2:  # 2 s: the product's rate, and the report
            return
        start = time.perf_counter()
        loss = trainer.run(first, count)
        window = Window(first + count - 1, loss, count, time.perf_counter() - start)
        if not math.isfinite(loss):
            raise WorkloadError(
                f"The loss is {loss} at step {window.step}",
                "The arithmetic is wrong: try --device cpu, another driver, or a memory test.",
                UNMEASURED,
            )
        if count == options.window or not first:
            print(log_line(window, trainer.batch, len(trainer.towers), tag), flush=True)
            yield window
        longest = max(longest, window.seconds) if first else 0.0
        first += count


# --------------------------------------------------------------- Report


def log_line(
    window: Window, batch: int, devices: int, tag: str, now: datetime | None = None
) -> str:
    """The tutorial's line; sec/batch counts every device's batch, as its multi-GPU form does."""
    batches = window.steps * devices
    rate, seconds = batches * batch / window.seconds, window.seconds / batches
    stamp = f"{now or datetime.now().astimezone():%Y-%m-%d %H:%M:%S.%f}"
    line = f"{stamp}: step {window.step}, loss = {window.loss:.2f} "
    return f"{line}({rate:.1f} examples/sec; {seconds:.3f} sec/batch) {tag}".rstrip()


def rates(windows: Sequence[Window], examples_per_step: int) -> list[float]:
    """Examples per second of every window after step 0, in order."""
    return [round(w.steps * examples_per_step / w.seconds, 1) for w in windows if w.step]


def throughput(rated: Sequence[float]) -> float:
    """Median examples per second, without the first window, which still warms up.

    Raises:
        WorkloadError: nothing is left.
    """
    if len(rated) < 2:  # noqa: PLR2004 - the first is dropped
        raise WorkloadError(
            f"The time limit left {len(rated)} windows, of which the first does not count",
            "Give a longer --time-limit, a smaller --window, or --data synthetic.",
            UNMEASURED,
        )
    return round(statistics.median(rated[1:]), 1)


def measure(options: Options) -> dict[str, Any]:
    """Load, train and report; see README.md for the fields."""
    images = load(options)
    tf = load_tensorflow(options.device)
    devices, name = select_devices(tf, options.device)
    before = matmul_gflops(tf, devices[0], options.dtype)
    trainer = Trainer(tf, devices, images, options)
    startup = time.monotonic() - STARTED
    windows = list(train(trainer, options, images.tag))
    trainer.feed = iter(())  # ends the input threads, which would slow the product
    after = matmul_gflops(tf, devices[0], options.dtype)
    rated = rates(windows, options.batch * len(devices))
    speed = throughput(rated)
    # The higher of the two: whatever else ran on the machine can only have made one too low.
    ceiling = max(before, after) * 1e9 / FLOP_PER_EXAMPLE * len(devices)
    done = trainer.steps_done == options.steps
    result = {
        "examples_per_sec": speed,
        "windows": rated,
        "window_steps": options.window,
        "losses": {str(window.step): round(window.loss, 4) for window in windows},
        "loss_average": round(trainer.average_loss(), 4),
        "steps": trainer.steps_done,
        "stopped_by": "steps" if done else "time limit",
        "data": images.name,
        "data_note": images.note,
        "device": options.device,
        "device_name": name,
        "devices": len(devices),
        "mode": options.mode,
        "batch": options.batch,
        "seed": options.seed,
        "framework": "tensorflow",
        "version": tf.__version__,
        "python": platform.python_version(),
        "dtype": options.dtype,
        "tf32": options.device != "cpu"
        and bool(tf.config.experimental.tensor_float_32_execution_enabled()),
        "mflop_per_example": round(FLOP_PER_EXAMPLE / 1e6, 1),
        "matmul_gflops_before": round(before, 1),
        "matmul_gflops_after": round(after, 1),
        "fraction_of_matmul": round(speed / ceiling, 4),
        "startup_seconds": round(startup, 3),
        "first_step_seconds": round(windows[0].seconds, 3),
    }
    if options.evaluate:
        result["accuracy"] = round(trainer.accuracy(images, trainer.averages), 4)
        result["accuracy_raw"] = round(trainer.accuracy(images, trainer.towers[0].weights), 4)
    return {**result, "seconds": round(time.monotonic() - STARTED, 3)}


def summary(result: dict[str, Any]) -> str:
    """The result for a reader."""
    spread = f"{min(result['windows'][1:])} to {max(result['windows'][1:])}"
    lines = [
        f"{result['examples_per_sec']} examples/sec, windows {spread}",
        f"data: {result['data']} ({result['data_note']})",
        f"device: {result['devices']} of {result['device_name']}, {result['mode']} mode, {result['dtype']}",
        "{:.0%} of the matrix product's rate, {} GFLOP/s before and {} after".format(
            *(
                result[name]
                for name in ("fraction_of_matmul", "matmul_gflops_before", "matmul_gflops_after")
            )
        ),
        f"{result['steps']} steps, stopped by: {result['stopped_by']}",
    ]
    if "accuracy" in result:
        lines.append(f"accuracy on {result['data']} test images: {result['accuracy']:.2%}")
    return "\n".join(lines)


def _left(options: Options) -> float:
    return options.time_limit - (time.monotonic() - STARTED)


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; every failure is one sentence, and one object with `--json`."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options = parse_options(given)
        result = measure(options)
    except WorkloadError as error:
        failure = error
    except KeyboardInterrupt:
        failure = WorkloadError("Interrupted", "Run it again.", UNMEASURED)
    except Exception as error:  # noqa: BLE001 - TensorFlow's own failures: out of memory, a lost GPU
        what = f"The run failed: {type(error).__name__}: {_first_line(error)}"
        failure = WorkloadError(what, "See the kernel's log and nvidia-smi on the rig.", UNMEASURED)
    else:
        print(json.dumps(result) if options.json else summary(result), flush=True)
        return 0
    if "--json" in given:
        print(json.dumps({"error": {"what": failure.what, "hint": failure.hint}}), flush=True)
    else:
        print(f"{failure.what}\n{failure.hint}", file=sys.stderr)
    return failure.code


if __name__ == "__main__":
    sys.exit(main())
