"""Train TensorFlow's CIFAR-10 tutorial model with JAX; say how fast, and whether the loss falls.

The model, its input and its optimiser are those of tensorflow/models `tutorials/image/cifar10` (2017), so
that the lines printed can be held against the ones published then. One file that needs the standard
library, numpy and JAX 0.8 or later, sent over SSH; it leaves nothing behind:

    ssh RIG ENVIRONMENT/bin/python - --steps 100 --json < cifar10_jax.py

Step 0 holds the start-up and comes before the N steps of `--steps N`. Exit codes: 0 measured; 2 wrong usage
or data; 3 could not measure. README.md lists the fields of the result.
"""
# Setup, Options, Data, Training, Model, Trainer, Backend, Series, Report: read from top to bottom.
# What needs no framework is the same text in all cifar10 programs; tools/same_sections.py keeps it so.

from __future__ import annotations

import abc
import argparse
import collections
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
import sys
import tarfile
import tempfile
import threading
import time
import urllib.request
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

FRAMEWORK = "jax"

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


def load_jax(device: str) -> ModuleType:
    """JAX, with the GPUs hidden where the CPU is asked for; memory is taken as it is needed.

    Raises:
        WorkloadError: this Python has no JAX, or one that does not start.
    """
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    # The order of nvidia-smi, whatever the cards' speeds.
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        os.environ["JAX_PLATFORMS"] = "cpu"
    try:
        return importlib.import_module("jax")
    except ImportError as error:
        raise WorkloadError(
            f"JAX does not start in {sys.executable}: {_first_line(error)}",
            "Run this with the Python of an environment that has JAX.",
            "no-framework",
        ) from error


def reduce_over(
    jax: ModuleType, values: Tensor, how: str, window: tuple[int, ...], strides: tuple[int, ...]
) -> Tensor:
    """The largest or the sum of every window, with SAME padding."""
    first, reduce = {"max": (-np.inf, jax.lax.max), "sum": (0, jax.lax.add)}[how]
    # numpy's constant: JAX knows the gradient only where it sees the start's value.
    start = np.asarray(first, values.dtype)
    return jax.lax.reduce_window(values, start, reduce, window, strides, "SAME")


def pool(jax: ModuleType, values: Tensor, *, fast: bool) -> Tensor:
    """The largest of 3 x 3, every second one, SAME; (N, H, W, C) with even H and W to half of both.

    The fast form takes it of nine shifted views: the gradient of XLA's own window costs ten times as much on a
    CPU. In float32, whatever came: there, XLA does single operations of bfloat16 very slowly.
    """
    if not fast:
        return reduce_over(jax, values, "max", (1, 3, 3, 1), (1, 2, 2, 1))
    jnp, (_, height, width, _) = jax.numpy, values.shape
    edges = ((0, 0), (0, 1), (0, 1), (0, 0))
    padded = jnp.pad(values.astype(jnp.float32), edges, constant_values=-jnp.inf)
    views = (
        padded[:, row : row + height - 1 : 2, column : column + width - 1 : 2]
        for row in range(3)
        for column in range(3)
    )
    return functools.reduce(jnp.maximum, views).astype(values.dtype)


def banded_normalise(jax: ModuleType, features: Tensor) -> Tensor:
    """Local response normalisation as a product with a banded matrix; its gradient in closed form.

    y = x·s^-β with s = 1 + x²·A, so dx = dy·s^-β - 2β·x·((dy·y/s)·A), where A, symmetric, holds
    the scale on its band.
    """
    jnp, channels = jax.numpy, features.shape[-1]
    distance = np.abs(np.subtract.outer(np.arange(channels), np.arange(channels)))
    band = jnp.asarray(ALPHA * (distance <= RADIUS), features.dtype)

    def forward(values: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        scale = 1 + (values * values) @ band
        root = jax.lax.rsqrt(scale)
        power = root * jnp.sqrt(root)  # scale^-0.75
        return values * power, (values, scale, power)

    def backward(kept: tuple[Tensor, ...], upstream: Tensor) -> tuple[Tensor]:
        values, scale, power = kept
        spread = (upstream * values * power / scale) @ band
        return (upstream * power - (2 * BETA) * values * spread,)

    normalise = jax.custom_vjp(lambda values: forward(values)[0])
    normalise.defvjp(forward, backward)
    return normalise(features)


def normalise(jax: ModuleType, values: Tensor, *, fast: bool) -> Tensor:
    """Local response normalisation over the channels."""
    if fast:
        return banded_normalise(jax, values)
    window = (1, 1, 1, 2 * RADIUS + 1)
    scale = 1 + ALPHA * reduce_over(jax, values * values, "sum", window, (1, 1, 1, 1))
    return values / scale**BETA


def logits(jax: ModuleType, weights: Sequence[Tensor], images: Tensor, *, fast: bool) -> Tensor:
    """Scores (N, 10) of standardised images (N, 24, 24, 3), in the type of the images.

    `fast` computes the same by rewrites that are exact but for rounding.
    """
    kernel1, bias1, kernel2, bias2, *dense = (weight.astype(images.dtype) for weight in weights)

    def convolve(values: Tensor, kernel: Tensor) -> Tensor:
        forms = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(values, kernel, (1, 1), "SAME", dimension_numbers=forms)

    relu = jax.nn.relu
    convolved = convolve(images, kernel1)
    if fast:  # a bias per channel and ReLU keep the order of values: the pool may come first
        values = relu(pool(jax, convolved, fast=True) + bias1)
    else:
        values = relu(convolved + bias1)
        values = pool(jax, values, fast=False)
    convolved = convolve(normalise(jax, values, fast=fast), kernel2)
    values = pool(jax, normalise(jax, relu(convolved + bias2), fast=fast), fast=fast)
    values = values.reshape(-1, dense[0].shape[0])
    values = relu(values @ dense[0] + dense[1])
    values = relu(values @ dense[2] + dense[3])
    return values @ dense[4] + dense[5]


def total_loss(
    jax: ModuleType, weights: Sequence[Tensor], images: Tensor, labels: Tensor, *, fast: bool
) -> Tensor:
    """Mean cross-entropy plus 0.004·½Σw² of the two hidden dense layers."""
    jnp = jax.numpy
    scores = jax.nn.log_softmax(logits(jax, weights, images, fast=fast).astype(jnp.float32))
    entropy = -jnp.take_along_axis(scores, labels[:, None], axis=1).mean()
    decayed = [weights[2 * index] for index, layer in enumerate(LAYERS) if layer.decays]
    return entropy + WEIGHT_DECAY / 2 * sum((weight * weight).sum() for weight in decayed)


# -------------------------------------------------------------- Trainer


def tutorial_batches(images: Images, options: Options) -> Iterator[tuple[Array, Array]]:
    """Batches distorted image by image, as the tutorial does, up to four of them ahead; each is (images, labels)."""
    ahead: collections.deque[Any] = collections.deque()
    sys.setswitchinterval(0.0005)  # or a step could wait 5 ms for Python's lock
    # Two: they hold that lock for most of their time.
    with ThreadPoolExecutor(2) as threads:
        for indices, key in index_batches(len(images.train), options.batch, options.seed):
            ahead.append(threads.submit(distort_images, images.train[indices], key))
            ahead.append(images.train_labels[indices].astype(np.int32))
            if len(ahead) > 8:  # noqa: PLR2004 - four batches, each with its labels
                yield ahead.popleft().result(), ahead.popleft()


def distort_images(images: Array, key: Array) -> Array:
    """Crop, flip, brightness, contrast and standardisation of one image after the other."""
    random = np.random.default_rng(key.astype(np.uint32))
    made = np.empty((len(images), CROP, CROP, 3), np.float32)
    for index, image in enumerate(images):
        top, left = random.integers(0, SIDE - CROP + 1, 2)
        values = image[top : top + CROP, left : left + CROP].astype(np.float32)
        if random.integers(2):
            values = values[:, ::-1]
        values = values + np.float32(random.uniform(-BRIGHTNESS, BRIGHTNESS))
        mean = values.mean((0, 1))
        values = (values - mean) * np.float32(random.uniform(*CONTRAST)) + mean
        made[index] = standardise(values)
    return made


def standardise(values: Array) -> Array:
    """An image of float32 with mean 0 and deviation 1, as TensorFlow's per_image_standardization."""
    values = values - values.mean()
    deviation = math.sqrt(np.dot(values.ravel(), values.ravel()) / values.size)
    return values / np.float32(max(deviation, values.size**-0.5))


def distort_batch(
    jax: ModuleType, images: Tensor, rows: Tensor, columns: Tensor, contrast: Tensor
) -> Tensor:
    """Crop, flip, contrast and standardise (N, 32, 32, 3); rows and columns (N, 24), contrast (N,).

    A change of brightness adds the same to every pixel, which standardising takes away again.
    """
    jnp = jax.numpy
    each = jnp.arange(len(images))[:, None, None]
    images = images[each, rows[:, :, None], columns[:, None, :]].astype(jnp.float32)
    mean = images.mean((1, 2), keepdims=True)
    images = (images - mean) * contrast[:, None, None, None] + mean
    images -= images.mean((1, 2, 3), keepdims=True)
    deviation = jnp.sqrt((images * images).mean((1, 2, 3), keepdims=True))
    return images / jnp.maximum(deviation, 1 / math.sqrt(CROP * CROP * 3))


def resident_inputs(
    jax: ModuleType, images: tuple[Tensor, Tensor], indices: Tensor, key: Tensor, dtype: str
) -> tuple[Tensor, Tensor]:
    """A batch from images (N, 32, 32, 3) and labels (N,) that lie on the device, distorted there."""
    count, steps, random = len(indices), jax.numpy.arange(CROP), jax.random
    keys = random.split(random.wrap_key_data(key.astype("uint32")), 3)
    first = random.randint(keys[0], (2, count, 1), 0, SIDE - CROP + 1)
    flip = random.randint(keys[1], (count, 1), 0, 2)
    contrast = random.uniform(keys[2], (count,), minval=CONTRAST[0], maxval=CONTRAST[1])
    columns = first[1] + flip * (CROP - 1 - steps) + (1 - flip) * steps
    pixels, labels = images
    distorted = distort_batch(jax, pixels[indices], first[0] + steps, columns, contrast)
    return distorted.astype(dtype), labels[indices]


class Trainer(Training):
    """The training state, with a copy on every device; each of them has its own part of the images."""

    def __init__(
        self, jax: ModuleType, devices: Sequence[Any], images: Images, options: Options
    ) -> None:
        self.jax, self.fast, self.dtype = jax, options.mode == "limit", options.dtype
        # The parts of a CPU share the batch of one tower; GPUs have one each.
        towers = devices[:1] if self.fast and options.device == "cpu" else devices
        feed = (
            index_batches(len(images.train), options.batch, options.seed)
            if self.fast
            else tutorial_batches(images, options)
        )
        super().__init__(options.batch, towers, feed)
        self.devices = len(devices)
        mesh = jax.sharding.Mesh(np.array(devices), ("tower",))
        self._copied, self._parted = jax.P(), jax.P("tower")
        self._copies, self._parts = (
            jax.NamedSharding(mesh, each) for each in (self._copied, self._parted)
        )
        start = [self._copy(value) for value in initial_weights(options.seed)]
        averages = [self._copy(value) for value in initial_weights(options.seed)]
        self.state = (start, averages, self._copy(np.float32(0)))
        # As arguments, since an array that a compiled function captures becomes a constant of it.
        resident = (images.train, images.train_labels.astype(np.int32)) if self.fast else ()
        self._resident = tuple(self._copy(array) for array in resident)
        self._make, self._train = self._compiled(mesh)

    def _copy(self, array: Array) -> Tensor:
        return self.jax.device_put(array, self._copies)

    def _compiled(self, mesh: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:  # noqa: ANN401 - JAX's
        """The inputs of a step, and the rest of it, each on all devices at once.

        In two, so that the step alone and the input alone are what trains, and nothing is compiled later.
        """
        jax, same, parted = self.jax, self._copied, self._parted
        # Unchecked, gradients stay each device's own until they are averaged.
        on_all = functools.partial(jax.shard_map, mesh=mesh, check_vma=False)
        make = on_all(self._inputs, in_specs=(same, parted), out_specs=parted)
        step = on_all(self._step, in_specs=(same, parted, same, same), out_specs=(same, same))
        # The old state's memory becomes the new one's.
        return jax.jit(make), jax.jit(step, donate_argnums=0)

    def _inputs(self, resident: Any, batch: Any) -> tuple[Tensor, ...]:  # noqa: ANN401 - trees of tensors
        first, second = (part[0] for part in batch)
        if self.fast:
            second += (self.jax.lax.axis_index("tower") << 24) * np.array([0, 1], np.int32)
            first, second = resident_inputs(self.jax, resident, first, second, self.dtype)
        return first[None], second[None]

    def _step(self, state: Any, batch: Any, rate: Tensor, decay: Tensor) -> tuple[Any, Tensor]:  # noqa: ANN401 - as above
        weights, averages, loss_average = state
        images, labels = (part[0] for part in batch)

        def loss_of(weights: list[Tensor]) -> Tensor:
            return total_loss(self.jax, weights, images, labels, fast=self.fast)

        found = self.jax.value_and_grad(loss_of)(weights)
        loss, gradients = self.jax.lax.pmean(found, "tower")
        weights = [w - rate * g for w, g in zip(weights, gradients)]  # noqa: B905 - Python 3.9 has no strict
        averages = [a - (1 - decay) * (a - w) for a, w in zip(averages, weights)]  # noqa: B905 - as above
        loss_average -= (1 - LOSS_AVERAGE) * (loss_average - loss)
        return (weights, averages, loss_average), loss

    def _made(self, batches: Sequence[Any]) -> tuple[Tensor, ...]:
        first, second = (np.stack(part) for part in zip(*batches))  # noqa: B905 - as above
        if self.fast:  # the parts of a CPU share indices, and have the same seed
            first = first.reshape(self.devices, -1)
            second = np.repeat(second, self.devices // len(batches), axis=0)
        sent = tuple(self.jax.device_put(part, self._parts) for part in (first, second))
        made: tuple[Tensor, ...] = self._make(self._resident, sent)
        return made

    def step(self, batches: Sequence[Any], rate: Array, decay: Array, *, ready: bool) -> Tensor:
        """As the parent says, but it gives the mean of all towers' losses."""
        batch = tuple(batches) if ready else self._made(batches)
        self.state, loss = self._train(self.state, batch, rate, decay)
        self.loss_average = self.state[2]
        return loss

    def inputs(self) -> list[Any]:
        """Images and labels of the next step, each an array with the tower before all else."""
        return list(self._made([next(self.feed) for _ in self.towers]))

    def wait(self, batches: Sequence[Any]) -> None:
        """As the parent says."""
        self.jax.block_until_ready(batches)

    def accuracy(self, images: Images, *, averaged: bool) -> float:
        """Share of the test images, centrally cropped, whose class scores highest."""
        jax, edge, right, size = self.jax, (SIDE - CROP) // 2, 0, 500
        weights = self.state[averaged]
        score = jax.jit(lambda weights, batch: logits(jax, weights, batch, fast=False).argmax(1))
        for start in range(0, len(images.test), size):
            batch = images.test[start : start + size, edge : edge + CROP, edge : edge + CROP]
            ready = np.stack([standardise(image.astype(np.float32)) for image in batch])
            # Always as many, since every new shape is compiled anew.
            filled = np.resize(ready, (size, *ready.shape[1:]))
            found = np.asarray(score(weights, filled))[: len(batch)]
            right += int((found == images.test_labels[start : start + size]).sum())
        return right / len(images.test)


# -------------------------------------------------------------- Backend


def cpu_parts(options: Options) -> int:
    """Into how many devices JAX parts the CPU; in one, XLA does most of a step on a single processor.

    In limit mode only; the batch must divide by it, and leave 32 examples for each.
    """
    most = min(len(os.sched_getaffinity(0)), options.batch // 32) if options.mode == "limit" else 1
    return next(parts for parts in range(max(most, 1), 0, -1) if options.batch % parts == 0)


def select_devices(jax: ModuleType, options: Options) -> tuple[list[Any], str]:
    """The devices to train on, and the model of the hardware.

    Raises:
        WorkloadError: a GPU is asked for and JAX sees none.
    """
    if options.device == "cpu":
        jax.config.update("jax_num_cpu_devices", cpu_parts(options))
        return jax.local_devices(backend="cpu"), cpu_name()
    try:
        gpus = jax.local_devices(backend="gpu")
    except RuntimeError as error:
        raise WorkloadError(
            "JAX sees no GPU",
            "See whether nvidia-smi lists it, and whether this environment's JAX has its CUDA plugin.",
            "no-device",
        ) from error
    return (gpus if options.device == "all" else gpus[:1]), str(gpus[0].device_kind)


class Backend:
    """JAX on the devices asked for, and what they can do at best.

    Raises:
        WorkloadError: it does not start, or sees no such device.
    """

    def __init__(self, options: Options) -> None:
        self.options, self.jax = options, load_jax(options.device)
        self._parts, self.name = select_devices(self.jax, options)
        self.devices = self._parts[:1] if options.device == "cpu" else self._parts
        self.version: str = self.jax.__version__
        precision = self.jax.config.jax_default_matmul_precision
        self.tf32 = options.device != "cpu" and precision not in {"float32", "highest"}

    def trainer(self, images: Images) -> Trainer:
        """The model at its start."""
        return Trainer(self.jax, self._parts, images, self.options)

    def matmul_gflops(self) -> float:
        """Median rate of a square matrix product on the first device, in GFLOP/s."""
        jax, size = self.jax, 2048 if self.options.device == "cpu" else 8192
        with jax.default_device(self.devices[0]):
            factor = jax.random.normal(jax.random.key(1), (size, size)).astype(self.options.dtype)
            product = jax.jit(lambda values: values @ values)
            seconds = median_seconds(lambda: jax.block_until_ready(product(factor)), 0.4)
        return 2 * size**3 / seconds / 1e9

    def memory_gbps(self) -> float:
        """Median rate of adding one large array to another in the first device's memory, in GB/s."""
        jax, rounds = self.jax, 1 if self.options.device == "cpu" else 10
        with jax.default_device(self.devices[0]):
            total, added = jax.numpy.zeros(MEMORY_FLOATS), jax.numpy.ones(MEMORY_FLOATS)
            plus = jax.jit(lambda one, other: one + other, donate_argnums=0)

            def add() -> None:
                nonlocal total
                for _ in range(rounds):
                    total = plus(total, added)
                jax.block_until_ready(total)

            return MEMORY_BYTES * rounds / median_seconds(add, 0.3) / 1e9

    def peak_memory(self) -> int | None:
        """Bytes taken on the first device at most; JAX counts none on a CPU."""
        return (self.devices[0].memory_stats() or {}).get("peak_bytes_in_use")


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
