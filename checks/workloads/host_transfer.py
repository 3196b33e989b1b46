"""How fast do data travel between the host's memory and a GPU's, and do they arrive?

    python host_transfer.py --device gpu|gpu:1|cpu --json

Through CUDA's driver library and pinned memory: no framework is needed. With ``--device cpu`` the same bytes are
copied within the host's memory by one thread, which no transfer can beat by much.
Exit codes: 0 measured and right; 1 data have changed; 2 wrong usage; 3 could not measure. README.md lists the fields.
"""

from __future__ import annotations

import ctypes
import random
import sys
from typing import TYPE_CHECKING, Any

from cuda import Cuda, Gpu
from program import chosen, figure, parser, rates, run

if TYPE_CHECKING:
    import argparse

SIZE = 128 << 20
"""Bytes of one copy: start-up is then no part of it that counts."""
GIGA = 1e9


def noise(seed: int) -> bytes:
    """Bytes that no fault produces by chance: a random MiB, repeated."""
    return random.Random(seed).randbytes(1 << 20) * (SIZE >> 20)  # noqa: S311 - no secret


def one(cuda: Cuda, gpu: Gpu, seconds: float) -> dict[str, Any]:
    """Both ways on one GPU."""
    there = cuda.on_gpu(gpu, SIZE)
    source, target = cuda.on_host(gpu, SIZE), cuda.on_host(gpu, SIZE)
    data = noise(gpu.number)
    ctypes.memmove(source, data, SIZE)
    ctypes.memset(target, 0, SIZE)

    def send(count: int) -> None:
        for _ in range(count):
            cuda.to_gpu(there, source, SIZE)
        cuda.wait(gpu)

    def fetch(count: int) -> None:
        for _ in range(count):
            cuda.to_host(target, there, SIZE)
        cuda.wait(gpu)

    cuda.use(gpu)
    sent = rates(send, SIZE / GIGA, seconds / 2)
    fetched = rates(fetch, SIZE / GIGA, seconds / 2)
    right = ctypes.string_at(target, SIZE) == data
    return {
        "device": gpu.name,
        "model": gpu.model,
        "pinned": True,
        "to_device": figure(sent),
        "to_host": figure(fetched),
        "right": right,
    }


def host(seconds: float) -> dict[str, Any]:
    """The same within the host's memory."""
    data = noise(0)
    source, target = ctypes.create_string_buffer(data, SIZE), ctypes.create_string_buffer(SIZE)

    def work(count: int) -> None:
        for _ in range(count):
            ctypes.memmove(target, source, SIZE)

    copied = figure(rates(work, SIZE / GIGA, seconds))
    right = target.raw == data
    row = {"device": "cpu", "model": "host memory", "pinned": False}
    return {**row, "to_device": copied, "to_host": copied, "right": right}


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """All that was asked for, each GPU in turn."""
    if asked.device == "cpu":
        rows = [host(asked.seconds)]
    else:
        rows = []
        with Cuda() as cuda:
            for number in chosen(cuda.count(), asked.device):
                rows.append(one(cuda, cuda.gpu(number), asked.seconds))
                cuda.close()
    return {
        "program": "host_transfer",
        "unit": "GB/s",
        "size": SIZE,
        "devices": rows,
        "right": all(row["right"] for row in rows),
    }


def main() -> int:
    """The program."""
    return run(measure, parser(__doc__ or "", seconds=3, limit=300, framework=False))


if __name__ == "__main__":
    sys.exit(main())
