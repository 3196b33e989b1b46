"""How fast is a device's memory, and does it keep what is written into it?

    python device_memory.py --device cpu|gpu|gpu:1 [--framework auto|torch|tensorflow|jax] [--share 0.8] --json

The rate is that of reading one array and writing another. Then ``--share`` of the free memory is filled with random
bits, a different pattern in each block, and read back; and again with every bit inverted. Memory that cannot be taken
is not tested, and the program then ends with 3: it never passes for tested.
Exit codes: 0 measured and right; 1 bits have changed; 2 wrong usage; 3 could not measure. README.md lists the fields.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from devices import Array, Device, Framework, free_memory, load
from program import WorkloadError, figure, parser, rates, run

if TYPE_CHECKING:
    from collections.abc import Callable

GIGA = 1e9
BLOCK = 64 << 20
"""Bytes of one block of the pattern test: beside what is tested, its check takes three of them."""
RATE_BLOCK = 256 << 20
"""Bytes of the array that is copied for the rate: several times the largest cache of a GPU or a CPU."""
SCRATCH = 5
"""Blocks left free for the framework's own needs and for the comparison."""
WIDTH = {"int64": 8, "int32": 4}
INVERTED = 0x7FFFFFFF


def rate(framework: Framework, device: Device, seconds: float) -> dict[str, Any]:
    """GB/s, read and written together."""
    size = min(RATE_BLOCK, free_memory(device) // 8)
    if device.cpu:
        return {**figure(rates(host_copy(size), 2 * size / GIGA, seconds)), "block": size}
    array = framework.pattern(size // WIDTH[framework.bits], device, 0)

    def work(count: int) -> None:
        copy = array
        for number in range(count):
            copy = framework.xor(array, number)
        framework.wait(copy)

    return {**figure(rates(work, 2 * size / GIGA, seconds)), "block": size}


def host_copy(size: int) -> Callable[[int], None]:
    """Copies by every processor at once: a framework's way would measure how it takes memory from the system."""
    threads = len(os.sched_getaffinity(0))
    source, target = (ctypes.create_string_buffer(size) for _ in range(2))
    ctypes.memset(source, 1, size)
    part = size // threads

    def copy(number: int, count: int) -> None:
        for _ in range(count):
            ctypes.memmove(
                ctypes.byref(target, number * part), ctypes.byref(source, number * part), part
            )

    def work(count: int) -> None:
        workers = [threading.Thread(target=copy, args=(number, count)) for number in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    return work


def blocks(device: Device, share: float, most: float) -> int:
    """How many blocks are to be tested."""
    wanted = min(free_memory(device) * share, most * GIGA)
    count = int(wanted // BLOCK) - SCRATCH
    if count < 1:
        raise WorkloadError(f"{device.name}: too little memory is free for a test")
    return count


def fill_and_read(
    framework: Framework,
    base: Array,
    count: int,
    *,
    inverted: bool,
) -> tuple[int, int]:
    """Write every block, then read every block; how many blocks were read, how many elements had changed."""
    flip = INVERTED if inverted else 0
    written = []
    for number in range(count):
        try:
            written.append(framework.xor(base, number ^ flip))
            framework.wait(written[-1])
        except Exception as error:
            tested = f"{number} of {count} blocks of {BLOCK >> 20} MiB could be taken"
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            raise WorkloadError(
                f"the memory could not be tested: {tested}; {reason}",
                "Something else uses the memory: nvidia-smi; or give a smaller --share.",
            ) from error
    changed = 0
    for number, block in enumerate(written):
        changed += framework.differing(framework.xor(block, number ^ flip), base)
    return len(written), changed


def pattern(framework: Framework, device: Device, share: float, most: float) -> dict[str, Any]:
    """The test of what the memory keeps."""
    count, start = blocks(device, share, most), time.monotonic()
    base = framework.pattern(BLOCK // WIDTH[framework.bits], device, 3)
    changed = 0
    for inverted in (False, True):
        read, wrong = fill_and_read(framework, base, count, inverted=inverted)
        changed += wrong
    return {
        "bytes": read * BLOCK,
        "free": free_memory(device) + read * BLOCK,
        "changed": changed,
        "right": changed == 0,
        "seconds": round(time.monotonic() - start, 3),
    }


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """All that was asked for, each device in turn."""
    framework = load(asked.framework, asked.device)
    rows = []
    for device in framework.devices(asked.device):
        row: dict[str, Any] = {"device": device.name, "model": device.model}
        row["rate"] = rate(framework, device, asked.seconds)
        row["pattern"] = pattern(framework, device, asked.share, asked.most)
        rows.append(row)
    return {
        "program": "device_memory",
        "unit": "GB/s",
        "framework": framework.name,
        "version": framework.version,
        "share": asked.share,
        "devices": rows,
        "right": all(row["pattern"]["right"] for row in rows),
    }


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value <= 0.95:  # noqa: PLR2004 - the framework needs some of it
        raise argparse.ArgumentTypeError(f"'{text}' is not above 0 and at most 0.95")
    return value


def main() -> int:
    """The program."""
    options = parser(__doc__ or "", seconds=2, limit=600)
    options.add_argument(
        "--share", type=_share, default=0.8, help="of the free memory, to be tested"
    )
    options.add_argument("--most", type=float, default=1e6, help="GB to be tested at most")
    return run(measure, options)


if __name__ == "__main__":
    sys.exit(main())
