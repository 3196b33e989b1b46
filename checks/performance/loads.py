"""The programs that a rig is loaded with, and how their results are read."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from checks.performance.loading import Load
from checks.question import could_not_measure
from provision import decode

_Form = TypeVar("_Form")

MATRIX_PRODUCT = Load(
    program="matrix_product.py",
    arguments=("--seconds", "8"),
    each=120.0,
    check="performance/matrix_product",
)
CPU_MATRIX_PRODUCT = Load(
    program="matrix_product.py",
    device="cpu",
    arguments=("--seconds", "3"),
    each=120.0,
    check="performance/cpu_matrix_product",
)
MEMORY = Load(
    program="device_memory.py",
    # Of the free memory: the frameworks' allocators cannot use quite all of it.
    arguments=("--seconds", "2", "--share", "0.75"),
    each=120.0,
    check="performance/memory_pattern",
)
CPU_MEMORY = Load(
    program="device_memory.py",
    device="cpu",
    arguments=("--seconds", "1", "--share", "0.5", "--most", "1"),
    each=120.0,
    check="performance/cpu_memory",
)
HOST_TRANSFER = Load(
    program="host_transfer.py",
    arguments=("--seconds", "3"),
    each=30.0,
    framework=False,
    check="performance/host_transfer",
)
PEER_TRANSFER = Load(
    program="peer_transfer.py",
    arguments=("--seconds", "0.5"),
    each=60.0,
    framework=False,
    check="performance/peer_transfer",
)
ALL_REDUCE = Load(
    program="all_reduce.py",
    arguments=("--seconds", "3"),
    each=60.0,
    check="performance/all_reduce",
)
SAME_RESULTS = Load(
    program="repeated_product.py",
    arguments=("--seconds", "5"),
    each=60.0,
    check="performance/same_results",
)


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Samples of a rate, in order of time."""

    samples: tuple[float, ...]


class Product(Measured, frozen=True, kw_only=True):
    """A matrix product in one form of number."""

    side: int
    error: float
    tolerance: float
    right: bool


class ProductRow(msgspec.Struct, frozen=True, kw_only=True):
    """Products on one device."""

    device: str
    model: str
    rates: dict[str, Product]


class AtOnce(msgspec.Struct, frozen=True, kw_only=True):
    """What one GPU did while all were at work."""

    dtype: str
    rate: float


class Products(msgspec.Struct, frozen=True, kw_only=True):
    """matrix_product.py's result."""

    framework: str
    version: str
    devices: list[ProductRow]
    together: dict[str, AtOnce] = {}


class Pattern(msgspec.Struct, frozen=True, kw_only=True):
    """What a device's memory kept: bytes tested, bytes that were free, elements that changed."""

    bytes: int
    free: int
    changed: int
    right: bool


class MemoryRow(msgspec.Struct, frozen=True, kw_only=True):
    """The memory of one device."""

    device: str
    model: str
    rate: Measured
    pattern: Pattern


class Memories(msgspec.Struct, frozen=True, kw_only=True):
    """device_memory.py's result."""

    framework: str
    version: str
    devices: list[MemoryRow]


class TransferRow(msgspec.Struct, frozen=True, kw_only=True):
    """Both ways between host and one GPU."""

    device: str
    model: str
    to_device: Measured
    to_host: Measured
    right: bool


class Transfers(msgspec.Struct, frozen=True, kw_only=True):
    """host_transfer.py's result."""

    devices: list[TransferRow]


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """One direction between two GPUs."""

    from_: str = msgspec.field(name="from")
    to: str
    models: list[str]
    direct: bool
    rate: Measured
    right: bool


class Pairs(msgspec.Struct, frozen=True, kw_only=True):
    """peer_transfer.py's result."""

    pairs: list[Pair]


class Reduced(msgspec.Struct, frozen=True, kw_only=True):
    """all_reduce.py's result."""

    framework: str
    version: str
    engine: str
    ranks: int
    algorithm: Measured
    bus: Measured
    wrong: int
    right: bool


class Repeated(msgspec.Struct, frozen=True, kw_only=True):
    """The same product again and again on one device."""

    device: str
    model: str
    products: int
    differing: int
    right: bool


class Repeats(msgspec.Struct, frozen=True, kw_only=True):
    """repeated_product.py's result; ``unlike``: model → digest → devices."""

    devices: list[Repeated]
    unlike: dict[str, dict[str, list[str]]] = {}


def read(result: dict[str, Any], form: type[_Form]) -> _Form:
    """A program's result in its form."""
    __tracebackhide__ = True
    try:
        return decode.plain(result, form)
    except msgspec.ValidationError as error:
        could_not_measure(f"the program's result is of another form: {error}")
