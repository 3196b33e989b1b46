"""Train TensorFlow's CIFAR-10 tutorial model with PyTorch; say how fast, and whether the loss falls.

The model, its input and its optimiser are those of tensorflow/models `tutorials/image/cifar10` (2017), so
that the lines printed can be held against the ones published then. One file that needs the standard
library, numpy and PyTorch 2, sent over SSH; it leaves nothing behind:

    ssh RIG ENVIRONMENT/bin/python - --steps 100 --json < cifar10_torch.py

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

FRAMEWORK = "torch"

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


def load_torch(device: str) -> ModuleType:
    """PyTorch, with the GPUs hidden where the CPU is asked for, and set as TensorFlow is by default.

    Raises:
        WorkloadError: this Python has no PyTorch, or one that does not start.
    """
    # Threads that wait without spinning: beside other work a step then needs a third of the processor time.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    try:
        torch = importlib.import_module("torch")
    except (ImportError, OSError) as error:  # OSError: a library that does not load
        raise WorkloadError(
            f"PyTorch does not start in {sys.executable}: {_first_line(error)}",
            "Run this with the Python of an environment that has PyTorch.",
            "no-framework",
        ) from error
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    if device != "cpu":
        torch.set_float32_matmul_precision("high")  # TF32 on GPUs that have it
        torch.backends.cudnn.benchmark = True
    return torch


@functools.lru_cache(maxsize=None)  # noqa: UP033 - the form of Python 3.9
def banded_normaliser(torch: ModuleType) -> Callable[[Tensor, Tensor], Tensor]:
    """Local response normalisation of rows (N, channels) by a banded matrix; its gradient in closed form.

    y = x·s^-β with s = 1 + x²·A, so dx = dy·s^-β - 2β·x·((dy·y/s)·A), where A, symmetric, holds
    the scale on its band.
    """

    class Normalise(torch.autograd.Function):  # type: ignore[misc, name-defined, unused-ignore]
        @staticmethod
        def forward(context: Any, rows: Tensor, band: Tensor) -> Tensor:  # noqa: ANN401 - torch's
            scale = torch.matmul(rows * rows, band).add_(1)
            root = torch.rsqrt(scale)
            power = root * root.sqrt()  # scale^-0.75
            context.save_for_backward(rows, band, scale, power)
            return rows * power

        @staticmethod
        def backward(context: Any, above: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401 - as above
            rows, band, scale, power = context.saved_tensors
            passed = above * power
            spread = torch.matmul((passed * rows).div_(scale), band)
            return passed.sub_(spread.mul_(rows), alpha=2 * BETA), None

    apply: Callable[[Tensor, Tensor], Tensor] = Normalise.apply
    return apply


def logits(torch: ModuleType, weights: Sequence[Tensor], images: Tensor, *, fast: bool) -> Tensor:
    """Scores (N, 10) of standardised images (N, 24, 24, 3), in the type of the images.

    `fast` computes the same by rewrites that are exact but for rounding.
    """
    kernel1, bias1, kernel2, bias2, *dense = (weight.to(images.dtype) for weight in weights)
    # Named as PyTorch does, (N, channels, height, width); in memory the channels stay last.
    functional, values = torch.nn.functional, images.permute(0, 3, 1, 2)

    def pool(values: Tensor) -> Tensor:
        return functional.max_pool2d(values, 3, 2, ceil_mode=True)  # TensorFlow's SAME

    def normalise(values: Tensor) -> Tensor:
        if not fast:  # PyTorch divides alpha by the size, TensorFlow does not
            size = 2 * RADIUS + 1
            return functional.local_response_norm(values, size, ALPHA * size, BETA, 1.0)
        channels = torch.arange(values.shape[1], device=values.device)
        near = (channels[:, None] - channels).abs() <= RADIUS
        rows = values.permute(0, 2, 3, 1)
        normalised = banded_normaliser(torch)(
            rows.reshape(-1, len(channels)), (ALPHA * near).to(values.dtype)
        )
        return normalised.reshape(rows.shape).permute(0, 3, 1, 2)

    if fast:  # a bias per channel and ReLU keep the order of values: the pool may come first
        convolved = functional.conv2d(values, kernel1, padding=2)
        values = functional.relu(pool(convolved) + bias1[:, None, None])
    else:
        values = functional.conv2d(values, kernel1, bias1, padding=2)
        values = pool(functional.relu(values))
    values = functional.conv2d(normalise(values), kernel2, bias2, padding=2)
    values = pool(normalise(functional.relu(values)))
    values = values.permute(0, 2, 3, 1).reshape(-1, dense[0].shape[0])
    values = functional.relu(torch.addmm(dense[1], values, dense[0]))
    values = functional.relu(torch.addmm(dense[3], values, dense[2]))
    return torch.addmm(dense[5], values, dense[4])


def total_loss(
    torch: ModuleType, weights: Sequence[Tensor], images: Tensor, labels: Tensor, *, fast: bool
) -> Tensor:
    """Mean cross-entropy plus 0.004·½Σw² of the two hidden dense layers."""
    scores = logits(torch, weights, images, fast=fast).float()
    entropy = torch.nn.functional.cross_entropy(scores, labels)
    decayed = [weights[2 * index] for index, layer in enumerate(LAYERS) if layer.decays]
    return entropy + WEIGHT_DECAY / 2 * sum(weight.square().sum() for weight in decayed)


# -------------------------------------------------------------- Trainer


class Tower(NamedTuple):
    """One device with its own copy of the weights; `inputs` makes (images, labels) of what is fed."""

    device: Any
    weights: list[Tensor]
    inputs: Callable[..., tuple[Tensor, Tensor]]


def distort(image: Array, random: Any) -> Array:  # noqa: ANN401 - numpy's Generator, which has no plain name
    """One image (32, 32, 3) uint8 as the tutorial distorts it: (24, 24, 3) float32, standardised."""
    top, left = random.integers(0, SIDE - CROP + 1, 2)
    image = image[top : top + CROP, left : left + CROP].astype(np.float32)
    if random.random() < 0.5:  # noqa: PLR2004 - one in two
        image = image[:, ::-1]
    image = image + np.float32(random.uniform(-BRIGHTNESS, BRIGHTNESS))
    mean = image.mean((0, 1))
    image = (image - mean) * np.float32(random.uniform(*CONTRAST)) + mean
    image -= image.mean()
    deviation = math.sqrt(np.dot(image.ravel(), image.ravel()) / image.size)
    return image / np.float32(max(deviation, 1 / math.sqrt(image.size)))


def tutorial_batches(torch: ModuleType, images: Images, options: Options) -> Iterator[Any]:
    """Batches distorted image by image, as the tutorial does; each is (images, labels).

    In two threads: Python computes in one at a time, so that more would not help.
    """

    def make(indices: Array, key: Array) -> tuple[Tensor, Tensor]:
        random = np.random.default_rng(key)
        made = torch.from_numpy(np.stack([distort(images.train[i], random) for i in indices]))
        labels = torch.from_numpy(images.train_labels[indices])
        return (made, labels) if options.device == "cpu" else (made.pin_memory(), labels)

    batches = index_batches(len(images.train), options.batch, options.seed)
    sys.setswitchinterval(0.0005)  # or the step would wait 5 ms for them
    with ThreadPoolExecutor(2) as pool:
        waiting = collections.deque(pool.submit(make, *next(batches)) for _ in range(4))
        try:
            while True:
                waiting.append(pool.submit(make, *next(batches)))
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()


def standardise(images: Tensor) -> Tensor:
    """Each of (N, 24, 24, 3) with mean 0 and deviation 1."""
    images = images - images.mean((1, 2, 3), keepdim=True)
    deviation = images.square().mean((1, 2, 3), keepdim=True).sqrt()
    return images / deviation.clamp(min=1 / math.sqrt(CROP * CROP * 3))


def distort_batch(
    torch: ModuleType, images: Tensor, rows: Tensor, columns: Tensor, contrast: Tensor
) -> Tensor:
    """Crop, flip, contrast and standardise (N, 32, 32, 3); rows and columns (N, 24), contrast (N,).

    A change of brightness adds the same to every pixel, which standardising takes away again.
    """
    first = torch.arange(len(images), device=images.device)[:, None, None] * SIDE * SIDE
    places = first + rows[:, :, None] * SIDE + columns[:, None, :]
    chosen = images.reshape(-1, 3).index_select(0, places.reshape(-1))
    chosen = chosen.reshape(-1, CROP, CROP, 3).float()
    mean = chosen.mean((1, 2), keepdim=True)
    return standardise((chosen - mean) * contrast[:, None, None, None] + mean)


def resident_inputs(
    torch: ModuleType, images: Images, dtype: str, device: Tensor
) -> Callable[..., tuple[Tensor, Tensor]]:
    """Inputs that keep all images on the device and distort them there."""
    pixels = torch.as_tensor(images.train, device=device)
    labels = torch.as_tensor(images.train_labels, device=device)
    steps, kind = np.arange(CROP), getattr(torch, dtype)

    def inputs(indices: Array, key: Array) -> tuple[Tensor, Tensor]:
        random = np.random.default_rng(key)
        first = random.integers(0, SIDE - CROP + 1, (2, len(indices), 1))
        flip = random.integers(0, 2, (len(indices), 1))
        columns = first[1] + np.where(flip, CROP - 1 - steps, steps)
        contrast = random.uniform(*CONTRAST, len(indices)).astype(np.float32)
        drawn = (indices.astype(np.int64), first[0] + steps, columns, contrast)
        chosen, *how = (torch.from_numpy(each).to(device, non_blocking=True) for each in drawn)
        return distort_batch(torch, pixels[chosen], *how).to(kind), labels[chosen]

    return inputs


def fed_inputs(torch: ModuleType, device: Tensor) -> Callable[..., tuple[Tensor, Tensor]]:
    """Inputs that bring (images, labels) to the device."""

    def inputs(images: Any, labels: Any) -> tuple[Tensor, Tensor]:  # noqa: ANN401 - of numpy or torch
        parts = (torch.as_tensor(images), torch.as_tensor(labels))
        first, second = (part.to(device, non_blocking=True) for part in parts)
        return first, second

    return inputs


class Trainer(Training):
    """The training state: a tower per device, moving averages, and what feeds them."""

    def __init__(
        self, torch: ModuleType, devices: Sequence[Any], images: Images, options: Options
    ) -> None:
        self.torch, self.fast = torch, options.mode == "limit"
        towers = []
        for device in devices:
            weights = [weight.requires_grad_() for weight in self._start(options.seed, device)]
            inputs = (
                resident_inputs(torch, images, options.dtype, device)
                if self.fast
                else fed_inputs(torch, device)
            )
            towers.append(Tower(device, weights, inputs))
        feed = (
            index_batches(len(images.train), options.batch, options.seed)
            if self.fast
            else tutorial_batches(torch, images, options)
        )
        super().__init__(options.batch, towers, feed)
        self.averages = self._start(options.seed, devices[0])
        self.loss_average = torch.zeros((), device=devices[0])

    def _start(self, seed: int, device: Any) -> list[Tensor]:  # noqa: ANN401 - a torch.device
        # Kernels as (out, in, height, width), which is what PyTorch's convolution takes.
        torch, tensors = self.torch, []
        for array in initial_weights(seed):
            tensor = torch.from_numpy(array).to(device)
            if tensor.ndim > 2:  # noqa: PLR2004 - no matrix
                tensor = tensor.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
            tensors.append(tensor)
        return tensors

    def step(self, batches: Sequence[Any], rate: Array, decay: Array, *, ready: bool) -> Tensor:
        """As the parent says."""
        torch, losses, gradients = self.torch, [], []
        for tower, batch in zip(self.towers, batches):  # noqa: B905 - Python 3.9 has no strict
            images, labels = batch if ready else tower.inputs(*batch)
            loss = total_loss(torch, tower.weights, images, labels, fast=self.fast)
            losses.append(loss.detach())
            gradients.append(torch.autograd.grad(loss, tower.weights))
        first = self.towers[0]
        with torch.no_grad():
            for index in range(len(first.weights)):
                mean = gradients[0][index]
                for others in gradients[1:]:
                    mean = mean + others[index].to(first.device)
                if len(gradients) > 1:
                    mean /= len(gradients)
                for tower in self.towers:
                    tower.weights[index].sub_(mean.to(tower.device), alpha=float(rate))
                self.averages[index].lerp_(first.weights[index], 1 - float(decay))
            self.loss_average.lerp_(losses[0], 1 - LOSS_AVERAGE)
        return losses[0]

    def inputs(self) -> list[Any]:
        """As the parent says."""
        return [tower.inputs(*next(self.feed)) for tower in self.towers]

    def wait(self, batches: Sequence[Any]) -> None:
        """As the parent says."""
        for images, _ in batches:
            float(images[0, 0, 0, 0])

    def accuracy(self, images: Images, *, averaged: bool) -> float:
        """Share of the test images, centrally cropped, whose class scores highest."""
        torch, edge, right = self.torch, (SIDE - CROP) // 2, 0
        first = self.towers[0]
        with torch.no_grad():
            for start in range(0, len(images.test), 500):
                batch = images.test[start : start + 500, edge : edge + CROP, edge : edge + CROP]
                batch = standardise(torch.from_numpy(batch).to(first.device).float())
                weights = self.averages if averaged else first.weights
                found = logits(torch, weights, batch, fast=False).argmax(1).cpu().numpy()
                right += int((found == images.test_labels[start : start + 500]).sum())
        return right / len(images.test)


# -------------------------------------------------------------- Backend


class Backend:
    """PyTorch on the devices asked for, and what they can do at best.

    Raises:
        WorkloadError: it does not start, or sees no such device.
    """

    def __init__(self, options: Options) -> None:
        self.options, self.torch = options, load_torch(options.device)
        torch, self.tf32 = self.torch, options.device != "cpu"
        self.version = str(torch.__version__)
        if options.device == "cpu":
            self.devices, self.name = [torch.device("cpu")], cpu_name()
            return
        if not torch.cuda.is_available():
            raise WorkloadError(
                "PyTorch sees no GPU",
                "See whether nvidia-smi lists it, and whether this environment's PyTorch is built for CUDA.",
                "no-device",
            )
        count = torch.cuda.device_count() if options.device == "all" else 1
        self.devices = [torch.device("cuda", index) for index in range(count)]
        self.name = torch.cuda.get_device_name(0)

    def trainer(self, images: Images) -> Trainer:
        """The model at its start."""
        if self.options.device != "cpu":  # the product before took some
            self.torch.cuda.reset_peak_memory_stats(0)
        return Trainer(self.torch, self.devices, images, self.options)

    def matmul_gflops(self) -> float:
        """Median rate of a square matrix product on the first device, in GFLOP/s."""
        torch, size = self.torch, 2048 if self.options.device == "cpu" else 8192
        kind = getattr(torch, self.options.dtype)
        factor = torch.randn(size, size, device=self.devices[0]).to(kind)
        result = torch.empty_like(factor)
        seconds = median_seconds(lambda: float(torch.matmul(factor, factor, out=result)[0, 0]), 0.4)
        return 2 * size**3 / seconds / 1e9

    def memory_gbps(self) -> float:
        """Median rate of adding one large array to another in the first device's memory, in GB/s."""
        torch, rounds = self.torch, 1 if self.options.device == "cpu" else 10
        total, added = (torch.ones(MEMORY_FLOATS, device=self.devices[0]) for _ in range(2))

        def add() -> None:
            for _ in range(rounds):
                total.add_(added)
            float(total[0])

        return MEMORY_BYTES * rounds / median_seconds(add, 0.3) / 1e9

    def peak_memory(self) -> int | None:
        """Bytes taken on the first device at most; PyTorch counts none on a CPU."""
        if self.options.device == "cpu":
            return None
        return int(self.torch.cuda.max_memory_allocated(0))


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
