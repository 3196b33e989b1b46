"""Train TensorFlow's CIFAR-10 tutorial model on this machine; say how fast, and whether the loss falls.

The model, its input and its optimiser are those of tensorflow/models `tutorials/image/cifar10` (2017), so
that the lines printed can be held against the ones published then. One file that needs the standard
library, numpy and TensorFlow 2, sent over SSH; it leaves nothing behind:

    ssh RIG ENVIRONMENT/bin/python - --steps 100 --json < cifar10_tensorflow.py

Step 0 holds the start-up and comes before the N steps of `--steps N`. Exit codes: 0 measured; 2 wrong usage
or data; 3 could not measure. README.md lists the fields of the result.
"""
# Setup, Options, Data, Training, Model, Trainer, Backend, Series, Report: read from top to bottom.
# What needs no framework is the same text in all cifar10 programs; tools/same_sections.py keeps it so.

from __future__ import annotations

import abc
import argparse
import contextlib
import dataclasses
import errno
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
import signal
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

FRAMEWORK = "tensorflow"

# ---------------------------------------------------------------- Setup

# >>> same in all cifar10 programs: SETUP
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
Tensor = Any  # the framework is imported only after options and data are known to be good

HINTS = {
    "usage": "Run it with --help for the options.",
    "no-data": "Give another --data, or --data synthetic.",
    "no-time": "Give a longer --time-limit, a smaller --window, or --data synthetic.",
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


# <<< SETUP

# -------------------------------------------------------------- Options


# >>> same in all cifar10 programs: OPTIONS
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
        raise WorkloadError(f"Wrong usage: {message}")


def parse_options(arguments: Sequence[str]) -> Options:
    """Options from the command line.

    Raises:
        WorkloadError: an option is unknown, malformed or outside its range.
    """
    default = Options()
    parser = _Parser(
        prog=f"cifar10_{FRAMEWORK}.py",
        description="Train the CIFAR-10 tutorial model; measure examples per second.",
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
            raise WorkloadError(f"Wrong usage: {message}")


# <<< OPTIONS

# ----------------------------------------------------------------- Data

# >>> same in all cifar10 programs: DATA
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
            "no-data",
        )
    if options.evaluate and not len(images.test):
        raise WorkloadError("The data holds no test images", "Leave --evaluate out.", "no-data")
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
            "no-data",
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
    return images._replace(note=images.note + _keep(content, cached))


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


def _keep(content: bytes, cached: Path) -> str:
    # Only where a cache folder was made for it: this program creates none.
    if not os.access(cached.parent, os.W_OK):
        return ""
    handle, name = tempfile.mkstemp(dir=cached.parent, prefix=f".{ARCHIVE}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(cached)
    except OSError as error:
        return f"; not kept in {cached.parent}: {error.strerror}"
    finally:
        Path(name).unlink(missing_ok=True)
    return ""


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


# <<< DATA

# ------------------------------------------------------------- Training


# >>> same in all cifar10 programs: TRAINING
class Window(NamedTuple):
    """Steps between two lines: the last one's number and loss, how many, how many seconds, and when."""

    step: int
    loss: float
    steps: int
    seconds: float
    end: float = math.nan
    """Unix time."""
    processors: ProcessorTimes | None = None
    """At its end."""


def initial_weights(seed: int) -> list[Array]:
    """Kernel, bias, kernel, bias … of the five layers, float32, the same in all frameworks.

    Kernels are (height, width, in, out) or (in, out); a value beyond two deviations is drawn again.
    """
    random, weights = np.random.default_rng(seed), []
    for layer in LAYERS:
        values = random.standard_normal(layer.shape)
        while (far := np.abs(values) > 2).any():  # noqa: PLR2004 - as TensorFlow's truncated normal
            values[far] = random.standard_normal(far.sum())
        weights.append((layer.deviation * values).astype(np.float32))
        weights.append(np.full(layer.shape[-1], layer.bias, np.float32))
    return weights


def schedule(step: int) -> tuple[Array, Array]:
    """Learning rate of a step, and the decay of the parameters' moving average after it."""
    rate = LEARNING_RATE * RATE_DECAY ** (step // STEPS_PER_DECAY)
    return np.float32(rate), np.float32(min(PARAMETER_AVERAGE, (1 + step) / (10 + step)))


def index_batches(count: int, batch: int, seed: int) -> Iterator[tuple[Array, Array]]:
    """(indices, seed) for each step without end: every epoch in a new order, partial batches dropped."""
    random = np.random.default_rng(seed)
    for epoch in itertools.count():
        order = random.permutation(count).astype(np.int32)
        for start in range(0, count - batch + 1, batch):
            yield order[start : start + batch], np.array([epoch, start], np.int32) + seed


class Training(abc.ABC):
    """Order and bookkeeping of the training, as in every framework; `feed` gives a batch per tower and step."""

    def __init__(self, batch: int, towers: Sequence[Any], feed: Iterator[Any]) -> None:
        self.batch, self.towers, self.feed = batch, towers, feed
        self.loss_average: Any = 0.0
        self.steps_done = 0
        self.issued: list[float] = []
        """Seconds until each step's call returned, which need not be until it was done."""

    @abc.abstractmethod
    def step(self, batches: Sequence[Any], rate: Array, decay: Array, *, ready: bool) -> Any:  # noqa: ANN401 - a tensor
        """Start a step on what `feed` gave, or on what `inputs` gave (ready); the first tower's loss."""

    @abc.abstractmethod
    def inputs(self) -> list[Any]:
        """The next batch of each tower, distorted, on its device; it need not have arrived."""

    @abc.abstractmethod
    def wait(self, batches: Sequence[Any]) -> None:
        """Until what `inputs` gave has arrived."""

    def run(self, first: int, count: int) -> float:
        """Train `count` steps from number `first`; the last one's loss, when all of them are done."""
        loss = math.nan
        for number in range(first, first + count):
            batches = [next(self.feed) for _ in self.towers]
            start = time.perf_counter()
            loss = self.step(batches, *schedule(number), ready=False)
            self.issued.append(time.perf_counter() - start)
        self.steps_done = first + count - 1
        return float(loss)

    def average_loss(self) -> float:
        """Moving average of the losses, freed of its start at zero."""
        return float(self.loss_average) / (1 - LOSS_AVERAGE ** (self.steps_done + 1))

    def input_alone(self, count: int) -> None:
        """Make the input of `count` steps, and nothing else."""
        batches: list[Any] = []
        for _ in range(count):
            batches = self.inputs()
        self.wait(batches)

    def step_alone(self, batches: Sequence[Any], count: int) -> None:
        """`count` steps on the same ready batches; at a rate of 0, so that no weight changes."""
        loss = math.nan
        for _ in range(count):
            loss = self.step(batches, np.float32(0), np.float32(1), ready=True)
        float(loss)


# <<< TRAINING

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


# -------------------------------------------------------------- Trainer


class Tower(NamedTuple):
    """One device with its own copy of the weights; `inputs` makes (images, labels) of what is fed."""

    device: str
    weights: list[Tensor]
    inputs: Callable[..., tuple[Tensor, Tensor]]


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


class Trainer(Training):
    """The training state: a tower per device, moving averages, and what feeds them."""

    def __init__(
        self, tf: ModuleType, devices: Sequence[str], images: Images, options: Options
    ) -> None:
        self.tf, self.fast = tf, options.mode == "limit"
        start, towers = initial_weights(options.seed), []
        for device in devices:
            with tf.device(device):
                weights = [tf.Variable(value) for value in start]
                resident = resident_inputs(tf, images, options.dtype) if self.fast else None
            towers.append(Tower(device, weights, resident or (lambda *fed: fed)))
        feed = (
            index_batches(len(images.train), options.batch, options.seed)
            if self.fast
            else tutorial_batches(tf, images, options)
        )
        super().__init__(options.batch, towers, feed)
        with tf.device(devices[0]):
            self.averages = [tf.Variable(value) for value in start]
            self.loss_average = tf.Variable(0.0)
        self._make = [tf.function(tower.inputs, autograph=False) for tower in towers]
        self._steps = [
            tf.function(functools.partial(self._step, ready=ready), autograph=False)
            for ready in (False, True)
        ]

    def step(self, batches: Sequence[Any], rate: Array, decay: Array, *, ready: bool) -> Tensor:
        """As the parent says."""
        return self._steps[ready](batches, rate, decay)

    def inputs(self) -> list[Any]:
        """As the parent says."""
        made = []
        for tower, make in zip(self.towers, self._make):  # noqa: B905 - Python 3.9 has no strict
            with self.tf.device(tower.device):
                made.append([self.tf.identity(part) for part in make(*next(self.feed))])
        return made

    def wait(self, batches: Sequence[Any]) -> None:
        """As the parent says."""
        for images, _ in batches:
            float(images[0, 0, 0, 0])

    def _step(self, batches: Sequence[Any], rate: Tensor, decay: Tensor, *, ready: bool) -> Tensor:
        tf, losses, gradients = self.tf, [], []
        for tower, batch in zip(self.towers, batches):  # noqa: B905 - as above
            with tf.device(tower.device):
                images, labels = batch if ready else tower.inputs(*batch)
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

    def accuracy(self, images: Images, *, averaged: bool) -> float:
        """Share of the test images, centrally cropped, whose class scores highest."""
        tf, edge, right = self.tf, (SIDE - CROP) // 2, 0
        weights = self.averages if averaged else self.towers[0].weights
        score = tf.function(lambda batch: logits(tf, weights, batch, fast=False), autograph=False)
        for start in range(0, len(images.test), 500):
            batch = images.test[start : start + 500, edge : edge + CROP, edge : edge + CROP]
            batch = tf.image.per_image_standardization(tf.cast(batch, tf.float32))
            found = tf.argmax(score(batch), axis=1).numpy()
            right += int((found == images.test_labels[start : start + 500]).sum())
        return right / len(images.test)


# -------------------------------------------------------------- Backend


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


class Backend:
    """TensorFlow on the devices asked for, and what they can do at best.

    Raises:
        WorkloadError: it does not start, or sees no such device.
    """

    def __init__(self, options: Options) -> None:
        self.options, self.tf = options, load_tensorflow(options.device)
        self.devices, self.name = select_devices(self.tf, options.device)
        self.version: str = self.tf.__version__
        enabled = self.tf.config.experimental.tensor_float_32_execution_enabled
        self.tf32 = options.device != "cpu" and bool(enabled())

    def trainer(self, images: Images) -> Trainer:
        """The model at its start."""
        if self.options.device != "cpu":  # the product before took some
            self.tf.config.experimental.reset_memory_stats("GPU:0")
        return Trainer(self.tf, self.devices, images, self.options)

    def matmul_gflops(self) -> float:
        """Median rate of a square matrix product on the first device, in GFLOP/s."""
        tf, size = self.tf, 2048 if self.options.device == "cpu" else 8192
        with tf.device(self.devices[0]):
            factor = tf.random.stateless_normal((size, size), (1, 2))
            factor = tf.cast(factor, self.options.dtype)
            product = tf.function(lambda: tf.matmul(factor, factor)[0, 0], autograph=False)
            seconds = median_seconds(lambda: float(product()), 0.4)
        return 2 * size**3 / seconds / 1e9

    def memory_gbps(self) -> float:
        """Median rate of adding one large array to another in the first device's memory, in GB/s."""
        tf, rounds = self.tf, 1 if self.options.device == "cpu" else 10
        with tf.device(self.devices[0]):
            total, added = tf.Variable(tf.zeros(MEMORY_FLOATS)), tf.ones(MEMORY_FLOATS)

            def add() -> None:
                for _ in range(rounds):
                    tf.raw_ops.ResourceApplyGradientDescent(
                        var=total.handle, alpha=np.float32(-1), delta=added
                    )
                float(total.sparse_read([0])[0])

            return MEMORY_BYTES * rounds / median_seconds(add, 0.3) / 1e9

    def peak_memory(self) -> int | None:
        """Bytes taken on the first device at most; TensorFlow counts none on a CPU."""
        if self.options.device == "cpu":
            return None
        return int(self.tf.config.experimental.get_memory_info("GPU:0")["peak"])


# --------------------------------------------------------------- Series

# >>> same in all cifar10 programs: SERIES
MEMORY_FLOATS = 2**26
MEMORY_BYTES = 3 * 4 * MEMORY_FLOATS  # two arrays read, one written
ALONE = 0.2  # seconds that a window of the input alone, or of the step alone, takes
UNSTEADY, OTHERS, STOLEN = 1.25, 0.10, 0.05


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


def alone(work: Callable[[int], None], step: float, budget: float, left: float) -> float | None:
    """Steps per second of `work(count)`; None where the time left is too short.

    Args:
        work: one part of so many steps; it returns when they are done.
        step: seconds that a whole step takes.
        budget: seconds to measure.
        left: seconds until the program must end.
    """
    count = max(1, round(ALONE / step))
    if left < max(1.0, 10 * count * step):
        return None
    work(2)
    return count / median_seconds(lambda: work(count), min(budget, left / 3))


def train(trainer: Training, options: Options, tag: str, tested: int = 0) -> Iterator[Window]:
    """Step 0, then whole windows, each printed as it ends; stops early where the time would run out.

    `tested` images are to be scored afterwards, which takes less time than to train on them.

    Raises:
        WorkloadError: the loss is no number any more.
    """
    first, longest = 0, 0.0
    while first <= options.steps:
        count = min(options.window, options.steps - first + 1) if first else 1
        after = 2 + min(5.0, options.time_limit / 10)  # what is measured alone, and the report
        after += tested * longest / (options.window * options.batch)
        if first and _left(options) < 1.2 * longest + after:
            return
        start = time.perf_counter()
        loss = trainer.run(first, count)
        seconds = time.perf_counter() - start
        window = Window(first + count - 1, loss, count, seconds, time.time(), ProcessorTimes.now())
        if not math.isfinite(loss):
            raise WorkloadError(f"The loss is {loss} at step {window.step}", kind="not-a-number")
        if count == options.window or not first:
            print(log_line(window, trainer.batch, len(trainer.towers), tag), flush=True)
            yield window
        longest = max(longest, window.seconds) if first else 0.0
        first += count


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
        what = f"The time limit left {len(rated)} windows, of which the first does not count"
        raise WorkloadError(what, kind="no-time")
    return round(statistics.median(rated[1:]), 1)


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


def mbyte_per_example(dtype: str, batch: int) -> float:
    """Least traffic to the device's memory that training needs, in MB per example.

    The rule: only products touch memory; bias, ReLU, pooling, normalisation and distortion are done on the
    way. Each of a layer's passes (forward, gradient by weights, gradient by inputs but for the first layer)
    reads or writes the layer's inputs and outputs once. Weights, float32, once per step: read forward and
    backward, gradient written; gradient, weight and its average read; weight and average written.
    """
    passed = [(layer.shape[-2] + layer.shape[-1]) * layer.pixels for layer in LAYERS]
    moved = (2 if dtype == "bfloat16" else 4) * (3 * sum(passed) - passed[0])
    return (moved + 4 * 8 * sum(math.prod(layer.shape) for layer in LAYERS) / batch) / 1e6


# <<< SERIES

# --------------------------------------------------------------- Report


# >>> same in all cifar10 programs: REPORT
def measure(options: Options) -> dict[str, Any]:
    """Load, train and report; see README.md for the fields."""
    images = load(options)
    backend = Backend(options)
    before = backend.matmul_gflops()
    trainer = backend.trainer(images)
    startup = time.monotonic() - STARTED
    windows = list(train(trainer, options, images.tag, len(images.test) * options.evaluate))
    result = _described(options, backend, images) | _trained(windows, trainer, options)
    step, peak = statistics.median(w.seconds / w.steps for w in windows[1:]), backend.peak_memory()
    fed = alone(trainer.input_alone, step, 1.0, _left(options))
    ready = trainer.inputs()
    trainer.feed = iter(())  # ends the input threads, which would slow what follows
    after = backend.matmul_gflops()
    memory = backend.memory_gbps()
    if options.evaluate:
        result["accuracy"] = round(trainer.accuracy(images, averaged=True), 4)
        result["accuracy_raw"] = round(trainer.accuracy(images, averaged=False), 4)
    bare = alone(functools.partial(trainer.step_alone, ready), step, 2.0, _left(options))
    together, speed = options.batch * len(backend.devices), result["examples_per_sec"]
    # The higher of the two: whatever else ran on the machine can only have made one too low.
    products = max(before, after) * 1e9 * len(backend.devices)
    traffic = mbyte_per_example(options.dtype, options.batch)
    return {
        **result,
        "compute_examples_per_sec": bare and round(bare * together, 1),
        "input_examples_per_sec": fed and round(fed * together, 1),
        "mflop_per_example": round(FLOP_PER_EXAMPLE / 1e6, 1),
        "matmul_gflops_before": round(before, 1),
        "matmul_gflops_after": round(after, 1),
        "fraction_of_matmul": round(speed * FLOP_PER_EXAMPLE / products, 4),
        "mbyte_per_example": round(traffic, 3),
        "memory_gbps": round(memory, 1),
        "fraction_of_memory": round(speed * traffic / 1e3 / (memory * len(backend.devices)), 4),
        "peak_memory": peak,
        "disturbed": disturbances(windows, before, after),
        "startup_seconds": round(startup, 3),
        "seconds": round(time.monotonic() - STARTED, 3),
    }


def _described(options: Options, backend: Backend, images: Images) -> dict[str, Any]:
    return {
        "data": images.name,
        "data_note": images.note,
        "device": options.device,
        "device_name": backend.name,
        "devices": len(backend.devices),
        "mode": options.mode,
        "batch": options.batch,
        "seed": options.seed,
        "framework": FRAMEWORK,
        "version": backend.version,
        "python": platform.python_version(),
        "dtype": options.dtype,
        "tf32": backend.tf32,
        "processors": len(os.sched_getaffinity(0)),
    }


def _trained(windows: Sequence[Window], trainer: Training, options: Options) -> dict[str, Any]:
    rated = rates(windows, options.batch * len(trainer.towers))
    speed = throughput(rated)
    start, end = windows[1].processors, windows[-1].processors
    own = (end.own - start.own) / (windows[-1].step - windows[1].step) if start and end else None
    done = trainer.steps_done == options.steps
    return {
        "examples_per_sec": speed,
        "unit": "examples/s",
        "windows": rated,
        "window_steps": options.window,
        "window_ends": [round(window.end, 3) for window in windows[1:]],
        "step0_end": round(windows[0].end, 3),
        "spread": spread(rated),
        "drift": drift(rated),
        "losses": {str(window.step): round(window.loss, 4) for window in windows},
        "loss_average": round(trainer.average_loss(), 4),
        "steps": trainer.steps_done,
        "stopped_by": "steps" if done else "time limit",
        "issue_seconds": round(statistics.median(trainer.issued[1 + options.window :]), 6),
        "cpu_seconds_per_step": own and round(own, 6),
        "first_step_seconds": round(windows[0].seconds, 3),
    }


def cpu_name() -> str:
    """The processor's model, as the kernel names it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    names = (line.split(":", 1)[1].strip() for line in text.splitlines() if "model name" in line)
    return next(names, platform.processor() or platform.machine())


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
    if result.get("disturbed"):
        lines.append(f"disturbed: {result['disturbed']}")
    return "\n".join(lines)


INTERRUPTED = threading.Event()
SIGNS = (  # the first kind with a word that the failure's text holds
    ("out-of-memory", ("out of memory", "resource_exhausted", "resourceexhausted", "memoryerror")),
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
# <<< REPORT
