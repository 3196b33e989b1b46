"""Train a residual network on CIFAR-10 with PyTorch until it is as accurate as asked; say how fast.

The tutorial's model of 2017 cannot fill a modern card; this one can: 2.3 GFLOP per example, wide layers, half
precision. It is a ResNet of nine layers, put together of what is published: David Page's network and schedule
("How to train your ResNet", 2018); pooling before the normalisation, GELU, label smoothing, and a test by image and
mirror image, as in Keller Jordan's airbench (2024). One file that needs the standard library, numpy and PyTorch 2,
sent over SSH; it leaves nothing behind:

    ssh RIG ENVIRONMENT/bin/python - --accuracy 0.94 --json < residual_torch.py

On a CPU it is a figure of throughput only: `--device cpu --steps N`. Exit codes: 0 measured; 2 wrong usage or
data; 3 could not measure. README.md lists the fields of the result.
"""
# Setup, Options, Data, Input, Model, Training, Windows, Measuring, Report: read from top to bottom.
# What stands between >>> and <<< is the same text in other programs; tools/same_sections.py keeps it so.

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import errno
import functools
import hashlib
import importlib
import io
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
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

FRAMEWORK = "torch"

# ---------------------------------------------------------------- Setup

STARTED = time.monotonic()
USAGE, UNMEASURED = 2, 3

CLASSES, SIDE, PAD = 10, 32, 4
FULL_SIZE = 50_000
RATE, MOMENTUM, WEIGHT_DECAY = 0.4, 0.9, 5e-4
RATED_BATCH = 512
"""Examples per step to which RATE belongs; the rate grows with them."""
RISE, SMOOTHING, SCALE = 0.2, 0.2, 0.125
UNIT = "examples/s"
WEIGHT_PASSES = 2 + 1 + 3 + 2
"""Read forward and backward; gradient written; it, weight and momentum read; the latter two written."""


class Layer(NamedTuple):
    """Weights of one layer, and at how many positions of its output they are applied."""

    shape: tuple[int, ...]
    pixels: int


LAYERS = (
    Layer((3, 3, 3, 64), 32 * 32),
    Layer((3, 3, 64, 128), 32 * 32),  # pooled
    Layer((3, 3, 128, 128), 16 * 16),
    Layer((3, 3, 128, 128), 16 * 16),  # added to what the layer before it was given
    Layer((3, 3, 128, 256), 16 * 16),  # pooled
    Layer((3, 3, 256, 512), 8 * 8),  # pooled
    Layer((3, 3, 512, 512), 4 * 4),
    Layer((3, 3, 512, 512), 4 * 4),  # added, as above
    Layer((512, CLASSES), 1),
)
# Forward, gradient by weights, gradient by inputs, of which the first layer has none; 2 FLOP each.
_FORWARD = [math.prod(layer.shape) * layer.pixels for layer in LAYERS]
FLOP_PER_EXAMPLE = 2 * (3 * sum(_FORWARD) - _FORWARD[0])

Array = Any  # numpy.ndarray: which parameters it takes depends on numpy's version
Tensor = Any  # PyTorch is imported only after options and data are known to be good

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


@dataclasses.dataclass(frozen=True)
class Options:
    """What the command line asked for; times are in seconds."""

    steps: int = 0
    accuracy: float = 0.94
    epochs: int = 24
    device: str = "gpu"
    mode: str = "limit"
    dtype: str = "auto"
    data: str = "auto"
    mirror: str = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    cache: str = "/var/cache/dlrig"
    download_limit: float = 60.0
    batch: int = 512
    window: int = 10
    seed: int = 0
    time_limit: float = math.inf
    json: bool = False

    @property
    def evaluate(self) -> bool:
        """Test images are needed."""
        return not self.steps


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
        prog="residual_torch.py",
        description="Train a residual network on CIFAR-10 until it is as accurate as asked.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    text, number = parser.add_argument, int
    forms = ("auto", "float32", "float16", "bfloat16")
    text("--steps", type=number, default=default.steps, help="only so many, for the throughput")
    text(
        "--accuracy", type=float, default=default.accuracy, help="on the test images; then it ends"
    )
    text("--epochs", type=number, default=default.epochs, help="at most; the rate is 0 after them")
    text("--device", choices=("cpu", "gpu", "all"), default=default.device, help="all: every GPU")
    text("--mode", choices=("reference", "limit"), default=default.mode, help="reference: float32")
    text("--dtype", choices=forms, default=default.dtype, help="auto: the device's half precision")
    text("--data", default=default.data, help="auto, synthetic, an archive, a folder or an .npz")
    text("--mirror", default=default.mirror, help="where auto downloads cifar-10-python.tar.gz")
    text("--cache", default=default.cache, help="folder where auto looks for the archive")
    text("--download-limit", type=float, default=default.download_limit, help="seconds")
    text("--batch", type=number, default=default.batch, help="examples per step and device")
    text("--window", type=number, default=default.window, help="steps per line and per figure")
    text("--seed", type=number, default=default.seed, help="of weights, order and distortions")
    text("--time-limit", type=float, default=default.time_limit, help="seconds, start-up included")
    text("--json", action="store_true", help="the last line is the result as one object")
    options = Options(**vars(parser.parse_args(arguments)))
    _check(options)
    return options


def _check(options: Options) -> None:
    few = 0 < options.steps < 2 * options.window or options.steps < 0
    rules = (
        (options.window > 0, "--window must be at least 1"),
        (options.batch > 1, "--batch must be at least 2: layers are normalised over it"),
        (not few, "--steps must be 2 windows or more: one is dropped"),
        (
            options.steps or options.device != "cpu",
            "--device cpu needs --steps: it would take days",
        ),
        (0 < options.accuracy <= 1, "--accuracy must lie between 0 and 1"),
        (options.epochs > 0, "--epochs must be at least 1"),
        (options.time_limit > 0, "--time-limit must be above 0 seconds"),
        (options.download_limit > 0, "--download-limit must be above 0 seconds"),
        (0 <= options.seed < 2**31, "--seed must lie between 0 and 2147483647"),
        (options.mirror.startswith(("https://", "http://")), "--mirror must be an http(s) URL"),
        (options.mode == "limit" or not options.dtype.endswith("16"), "--dtype needs --mode limit"),
        (options.device != "cpu" or options.dtype != "float16", "--dtype float16 needs a GPU"),
    )
    for holds, message in rules:
        if not holds:
            raise WorkloadError(f"Wrong usage: {message}")


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

# ---------------------------------------------------------------- Input


def initial_weights(seed: int) -> list[Array]:
    """Kernel, scale, bias of each convolution in order; matrix and bias of the last layer; float32.

    Kernels: truncated normal, redrawn beyond two deviations, of deviation √(2 / inputs); scales 1, biases 0.
    """
    random, weights = np.random.default_rng(seed), []
    for layer in LAYERS:
        values = random.standard_normal(layer.shape)
        while (far := np.abs(values) > 2).any():  # noqa: PLR2004 - as the docstring says
            values[far] = random.standard_normal(far.sum())
        weights.append((values * math.sqrt(2 / math.prod(layer.shape[:-1]))).astype(np.float32))
        if len(layer.shape) == 4:  # noqa: PLR2004 - a kernel
            weights.append(np.ones(layer.shape[-1], np.float32))
        weights.append(np.zeros(layer.shape[-1], np.float32))
    return weights


class Feed:
    """For each step without end, numbers of images (batch,), and (batch, 3) where from and whether mirrored.

    Rows and columns from which the padded image is cut, 0 to 8. Every epoch is in a new order; partial batches are
    dropped. The images themselves are cut on the device.
    """

    host = None

    def __init__(self, images: Images, options: Options) -> None:
        self._source = self._endless(len(images.train), options.batch, options.seed)

    @staticmethod
    def _endless(count: int, batch: int, seed: int) -> Iterator[tuple[Array, Array]]:
        random, most = np.random.default_rng(seed), (2 * PAD + 1, 2 * PAD + 1, 2)
        while True:
            numbers = random.permutation(count)
            for start in range(0, count - batch + 1, batch):
                yield numbers[start : start + batch], random.integers(0, most, (batch, 3))

    def batches(self, devices: int) -> list[Any]:
        """One for each device."""
        return [next(self._source) for _ in range(devices)]

    def close(self) -> None:
        """Nothing works ahead."""


# ---------------------------------------------------------------- Model


def load_torch(device: str) -> ModuleType:
    """PyTorch, with the GPUs hidden where the CPU is asked for.

    Raises:
        WorkloadError: this Python has no PyTorch, or one that does not start.
    """
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    try:
        torch = importlib.import_module("torch")
    except (ImportError, OSError) as error:  # OSError: a library of CUDA that it cannot load
        raise WorkloadError(
            f"PyTorch does not start in {sys.executable}: {_first_line(error)}",
            "Run this with the Python of an environment that has PyTorch.",
            "no-framework",
        ) from error
    if device == "cpu":
        torch.set_num_threads(len(os.sched_getaffinity(0)))
    return torch


def select_devices(torch: ModuleType, wanted: str) -> tuple[list[Any], str]:
    """The devices to train on, and the model of the hardware.

    Raises:
        WorkloadError: a GPU is asked for and PyTorch sees none.
    """
    if wanted == "cpu":
        return [torch.device("cpu")], cpu_name()
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        raise WorkloadError(
            "PyTorch sees no GPU",
            "See whether nvidia-smi lists it, and whether this environment's PyTorch is built for CUDA.",
            "no-device",
        )
    numbers = range(count if wanted == "all" else 1)
    return [torch.device(f"cuda:{i}") for i in numbers], torch.cuda.get_device_name(0)


def half_precision(torch: ModuleType, options: Options) -> str:
    """The form that `--dtype auto` means.

    Tensor cores know float16 from compute capability 7.0 and bfloat16 from 8.0: CUDA C++ Programming Guide.
    """
    if options.dtype != "auto":
        return options.dtype
    if options.mode == "reference" or options.device == "cpu":
        return "float32"
    major = torch.cuda.get_device_capability(0)[0]
    return "float32" if major < 7 else "float16" if major < 8 else "bfloat16"  # noqa: PLR2004 - as above


class Tower(NamedTuple):
    """One device with its own copy of everything."""

    device: Any
    weights: list[Tensor]
    running: list[tuple[Tensor, Tensor]]
    """Mean and variance of each normalised layer."""
    descent: Any
    scaler: Any
    images: Tensor
    labels: Tensor


def scores(torch: ModuleType, tower: Tower, images: Tensor, *, training: bool) -> Tensor:
    """Scores (N, 10) of standardised images (N, 3, 32, 32)."""
    nn = torch.nn.functional

    def unit(values: Tensor, index: int, *, pooled: bool = False) -> Tensor:
        kernel, scale, bias = tower.weights[3 * index : 3 * index + 3]
        values = nn.conv2d(values, kernel, padding=1)
        if pooled:
            values = nn.max_pool2d(values, 2)
        mean, variance = tower.running[index]
        return nn.gelu(nn.batch_norm(values, mean, variance, scale, bias, training))

    values = unit(unit(images, 0), 1, pooled=True)
    values = values + unit(unit(values, 2), 3)
    values = unit(unit(values, 4, pooled=True), 5, pooled=True)
    values = values + unit(unit(values, 6), 7)
    matrix, offset = tower.weights[-2:]
    return SCALE * torch.addmm(offset, values.amax((2, 3)), matrix)


# ------------------------------------------------------------- Training


def schedule(step: int, steps: int) -> float:
    """Share of the highest rate: a triangle with its top after a fifth of all steps, 0 beyond them."""
    return max(0.0, min((step + 1) / (RISE * steps), (steps - step) / ((1 - RISE) * steps)))


class Trainer:
    """The training state on one or several devices, and the rates of the first of them.

    Raises:
        WorkloadError: PyTorch does not start, or sees no such device.
    """

    def __init__(self, images: Images, options: Options) -> None:
        self.torch = torch = load_torch(options.device)
        devices, self.device_name = select_devices(torch, options.device)
        self.version, self.devices, self.done = torch.__version__, len(devices), 0
        self.cpu, self.fast = options.device == "cpu", options.mode == "limit"
        self.form = half_precision(torch, options)
        self.dtype = getattr(torch, self.form)
        self.tf32 = self.fast and not self.cpu
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = self.tf32
        torch.backends.cudnn.benchmark = True  # every step has the same shapes
        together = options.batch * self.devices
        self.rate = RATE * together / RATED_BATCH
        self.epoch = max(1, len(images.train) // together)
        self.steps = self.epoch * options.epochs
        pixels = images.train.astype(np.float32)
        self.mean, self.deviation = (
            torch.from_numpy(found.astype(np.float32)).view(3, 1, 1)
            for found in (pixels.mean((0, 1, 2)), pixels.std((0, 1, 2)))
        )
        self.towers = [self._tower(device, images, options) for device in devices]

    def _tower(self, device: Any, images: Images, options: Options) -> Tower:  # noqa: ANN401 - PyTorch's
        torch, weights = self.torch, []
        form = torch.channels_last if self.fast else torch.contiguous_format
        for value in initial_weights(options.seed):
            weight = torch.from_numpy(value)
            if weight.dim() == 4:  # noqa: PLR2004 - a kernel
                weight = weight.permute(3, 2, 0, 1).contiguous(memory_format=form)
            weights.append(weight.to(device).requires_grad_())
        groups = [
            {"params": [w for w in weights if w.dim() > 1], "weight_decay": WEIGHT_DECAY},
            {"params": [w for w in weights if w.dim() == 1], "weight_decay": 0.0},
        ]
        running = [
            (
                torch.zeros(layer.shape[-1], device=device),
                torch.ones(layer.shape[-1], device=device),
            )
            for layer in LAYERS[:-1]
        ]
        edges = ((0, 0), (PAD, PAD), (PAD, PAD), (0, 0))
        padded = torch.from_numpy(np.pad(images.train, edges, mode="reflect")).to(device)
        return Tower(
            device,
            weights,
            running,
            torch.optim.SGD(groups, lr=0.0, momentum=MOMENTUM, nesterov=True),
            torch.amp.GradScaler(device.type, enabled=self.form == "float16"),
            padded,
            torch.from_numpy(images.train_labels).to(device),
        )

    def _standardised(self, tower: Tower, pixels: Tensor) -> Tensor:
        """(N, 32, 32, 3) uint8 on the device as (N, 3, 32, 32)."""
        images = pixels.permute(0, 3, 1, 2).float()
        images = (images - self.mean.to(tower.device)) / self.deviation.to(tower.device)
        form = self.torch.channels_last if self.fast else self.torch.contiguous_format
        return images.contiguous(memory_format=form)

    def _prepare(self, tower: Tower, numbers: Array, ways: Array) -> tuple[Tensor, Tensor]:
        torch = self.torch
        chosen = torch.from_numpy(numbers).to(tower.device, non_blocking=True)
        down, right, mirrored = (
            torch.from_numpy(ways).to(tower.device, non_blocking=True)[:, :, None].unbind(1)
        )
        steps = torch.arange(SIDE, device=tower.device)
        rows = down + steps
        columns = right + torch.where(mirrored > 0, SIDE - 1 - steps, steps)
        pixels = tower.images[chosen[:, None, None], rows[:, :, None], columns[:, None, :]]
        return self._standardised(tower, pixels), tower.labels[chosen]

    def prepare(self, batches: Sequence[Any]) -> list[tuple[Tensor, Tensor]]:
        """Images and labels of what `Feed` gave, on the devices."""
        return [self._prepare(tower, *batch) for tower, batch in zip(self.towers, batches)]  # noqa: B905 - Python 3.9

    def _halved(self, tower: Tower) -> Any:  # noqa: ANN401 - PyTorch's
        on = self.form != "float32"
        return self.torch.autocast(tower.device.type, self.dtype if on else None, enabled=on)

    def start(self, batches: Sequence[Any], *, ready: bool = False) -> Tensor:
        """Start a step on what `Feed` gave for each device, or on images and labels (ready); the loss."""
        loss_of, losses = self.torch.nn.functional.cross_entropy, []
        if not ready:
            batches = self.prepare(batches)
        for tower, (images, labels) in zip(self.towers, batches):  # noqa: B905 - as above
            tower.descent.zero_grad(set_to_none=True)
            with self._halved(tower):
                found = scores(self.torch, tower, images, training=True)
            loss = loss_of(found.float(), labels, label_smoothing=SMOOTHING)
            tower.scaler.scale(loss).backward()
            losses.append(loss.detach())
        if self.devices > 1:
            self._average()
        for tower in self.towers:
            for group in tower.descent.param_groups:
                group["lr"] = self.rate * schedule(self.done, self.steps)
            tower.scaler.step(tower.descent)
            tower.scaler.update()
        self.done += 1
        return losses[0]

    def _average(self) -> None:
        """Give every tower the mean of the towers' gradients."""
        first = self.towers[0].device
        for copies in zip(*(tower.weights for tower in self.towers)):  # noqa: B905 - as above
            mean = self.torch.stack([weight.grad.to(first) for weight in copies]).mean(0)
            for weight in copies:
                weight.grad.copy_(mean)

    def wait(self, values: Tensor) -> float:
        """A number, or the first of a batch, when it is done, and all that was started before it."""
        return float(values.reshape(-1)[0])

    def accuracy(self, images: Images) -> float:
        """Share of the test images whose class scores highest, image and mirror image together."""
        torch, tower, right = self.torch, self.towers[0], 0
        with torch.no_grad(), self._halved(tower):
            for start in range(0, len(images.test), 500):
                part = torch.from_numpy(images.test[start : start + 500]).to(tower.device)
                shown = self._standardised(tower, part)
                found = [
                    scores(torch, tower, each, training=False) for each in (shown, shown.flip(3))
                ]
                classes = (found[0] + found[1]).argmax(1).cpu().numpy()
                right += int((classes == images.test_labels[start : start + 500]).sum())
        return right / len(images.test)

    def product(self) -> tuple[Callable[[], object], float]:
        """A square matrix product on the first device, and its FLOP."""
        torch, size = self.torch, 2048 if self.cpu else 8192
        source = torch.Generator().manual_seed(1)
        factor = torch.randn((size, size), generator=source).to(self.towers[0].device, self.dtype)
        return lambda: float((factor @ factor)[0, 0]), 2 * size**3

    def stream(self) -> tuple[Callable[[], object], float]:
        """One large array added to another in the first device's memory, and the bytes this moves."""
        torch, size, rounds = self.torch, 2**26, 1 if self.cpu else 10
        total, added = (
            make(size, device=self.towers[0].device) for make in (torch.zeros, torch.ones)
        )

        def add() -> None:
            for _ in range(rounds):
                total.add_(added)
            float(total[0])

        return add, rounds * 3 * 4 * size

    def forget_peak(self) -> None:
        """Count `peak_memory` from now on: the product before the training took some, too."""
        if not self.cpu:
            self.torch.cuda.reset_peak_memory_stats(0)

    def peak_memory(self) -> int | None:
        """Bytes taken on the first device at most; PyTorch counts none on a CPU."""
        return None if self.cpu else int(self.torch.cuda.max_memory_allocated(0))


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


class Progress:
    """Accuracy by epoch, and the seconds of training until it was the one asked for."""

    def __init__(self, wanted: float) -> None:
        self.wanted, self.trained = wanted, 0.0
        self.accuracies: dict[int, float] = {}
        self.reached: float | None = None

    def add(self, epoch: int, accuracy: float) -> bool:
        """Whether that is enough."""
        self.accuracies[epoch] = round(accuracy, 4)
        if accuracy >= self.wanted:
            self.reached = round(self.trained, 3)
        return self.reached is not None


def train(
    trainer: Trainer, feed: Feed, options: Options, images: Images, progress: Progress
) -> Iterator[Window]:
    """Step 0, then whole windows, each printed as it ends; after every epoch the accuracy, if steps are not counted.

    Ends with the accuracy asked for, the last step, or where the time would run out.

    Raises:
        WorkloadError: the loss is no number any more.
    """
    together, scoring, longest, first = options.batch * trainer.devices, 0.0, 0.0, 0
    last = options.steps or math.ceil(trainer.steps / options.window) * options.window
    while first <= last:
        count = min(options.window, last - first + 1) if first else 1
        if first and _left(options) < 1.2 * (longest + scoring) + reserve(options):
            return
        window = run_window(trainer, feed, first, count)
        if not math.isfinite(window.loss):
            raise WorkloadError(
                f"The loss is {window.loss} at step {window.step}", kind="not-a-number"
            )
        if count == options.window or not first:
            print(log_line(window, together, images.tag), flush=True)
            yield window
        longest = max(longest, window.seconds) if first else 0.0
        progress.trained += window.seconds if first else 0.0
        first += count
        epoch = (trainer.done - 1) // trainer.epoch
        if not options.steps and epoch > max(progress.accuracies, default=0):
            start = time.perf_counter()
            done = progress.add(epoch, trainer.accuracy(images))
            scoring = time.perf_counter() - start
            print(f"epoch {epoch}: accuracy {progress.accuracies[epoch]:.4f} {images.tag}".rstrip())
            if done:
                return


def log_line(window: Window, examples: int, tag: str, now: datetime | None = None) -> str:
    """As the CIFAR-10 tutorial's; a batch is what one step takes, on all devices."""
    rate, seconds = window.steps * examples / window.seconds, window.seconds / window.steps
    stamp = f"{now or datetime.now().astimezone():%Y-%m-%d %H:%M:%S.%f}"
    line = f"{stamp}: step {window.step}, loss = {window.loss:.2f} "
    return f"{line}({rate:.1f} examples/sec; {seconds:.3f} sec/batch) {tag}".rstrip()


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


def measure(options: Options) -> dict[str, Any]:
    """Load, train and report; see README.md for the fields."""
    images = load(options)
    trainer = Trainer(images, options)
    options = dataclasses.replace(options, dtype=trainer.form)
    before, memory = per_second(trainer.product(), 0.4), per_second(trainer.stream(), 0.3)
    trainer.forget_peak()
    feed, progress = Feed(images, options), Progress(options.accuracy)
    startup = time.monotonic() - STARTED
    windows = list(train(trainer, feed, options, images, progress))
    steps, peak = trainer.done - 1, trainer.peak_memory()
    after = per_second(trainer.product(), 0.4)
    found = series(windows, options.batch * trainer.devices)
    speed, traffic = found["examples_per_sec"] / trainer.devices, mbyte_per_example(options)
    return {
        **found,
        **described(trainer, images, options),
        "steps": steps,
        "stopped_by": stopped_by(steps, trainer, options, progress),
        "target": None if options.steps else options.accuracy,
        "accuracy": max(progress.accuracies.items(), default=(0, None))[1],
        "accuracies": {str(epoch): found for epoch, found in progress.accuracies.items()},
        "seconds_to_accuracy": progress.reached,
        "epochs": round(steps / trainer.epoch, 2),
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
        **alone(trainer, images, options),  # last, as it trains on
        "startup_seconds": round(startup, 3),
        "seconds": round(time.monotonic() - STARTED, 3),
    }


def stopped_by(steps: int, trainer: Trainer, options: Options, progress: Progress) -> str:
    """What ended the training."""
    if progress.reached is not None:
        return "accuracy"
    if options.steps:
        return "steps" if steps == options.steps else "time limit"
    return "epochs" if steps >= trainer.steps else "time limit"


def summary(result: dict[str, Any]) -> str:
    """The result for a reader."""
    lines = [
        "{examples_per_sec} examples/sec",
        "data: {data} ({data_note})",
        "device: {devices} of {device_name}, {mode} mode, {dtype}",
        "{fraction_of_matmul:.0%} of the matrix product's rate, {fraction_of_memory:.0%} of the memory's",
        "{steps} steps, {epochs} epochs, stopped by: {stopped_by}",
    ]
    if result["accuracy"] is not None:
        lines.append("accuracy on {data} test images: {accuracy:.2%}")
    if result["seconds_to_accuracy"] is not None:
        lines.append("{target:.0%} after {seconds_to_accuracy} s of training")
    if result["disturbed"]:
        lines.append("disturbed: {disturbed}")
    return "\n".join(lines).format(**result)


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
