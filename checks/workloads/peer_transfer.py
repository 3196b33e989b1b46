"""How fast do data travel from each GPU to each other one, and do they arrive?

    python peer_transfer.py --json

Through CUDA's driver library: no framework is needed. ``direct`` says whether a GPU reaches the other's memory by
itself (NVLink or PCI Express); where it does not, the driver goes through the host's memory.
Exit codes: 0 measured and right; 1 data have changed; 2 wrong usage; 3 could not measure. README.md lists the fields.
"""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING, Any

from cuda import Cuda, Gpu
from host_transfer import GIGA, SIZE, noise
from program import WorkloadError, figure, parser, rates, run

if TYPE_CHECKING:
    import argparse


def one(cuda: Cuda, here: Gpu, there: Gpu, seconds: float) -> dict[str, Any]:
    """One direction of one pair."""
    direct = cuda.reaches(here, there)
    source, target = cuda.on_gpu(here, SIZE), cuda.on_gpu(there, SIZE)
    data = noise(100 * here.number + there.number)
    kept = cuda.on_host(here, SIZE)
    ctypes.memmove(kept, data, SIZE)
    cuda.use(here)
    cuda.to_gpu(source, kept, SIZE)
    cuda.wait(here)
    ctypes.memset(kept, 0, SIZE)

    def work(count: int) -> None:
        cuda.use(here)
        for _ in range(count):
            cuda.to_peer((there, target), (here, source), SIZE)
        cuda.wait(here)

    samples = rates(work, SIZE / GIGA, seconds)
    cuda.use(there)
    cuda.to_host(kept, target, SIZE)
    cuda.wait(there)
    return {
        "from": here.name,
        "to": there.name,
        "models": [here.model, there.model],
        "direct": direct,
        "rate": figure(samples),
        "right": ctypes.string_at(kept, SIZE) == data,
    }


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Every ordered pair, one after the other."""
    if asked.device != "gpu":
        raise WorkloadError("a transfer between GPUs needs all of them", "Use --device gpu.", 2)
    rows = []
    with Cuda() as cuda:
        count = cuda.count()
        if count < 2:  # noqa: PLR2004 - a pair
            raise WorkloadError(f"a transfer between GPUs needs two, and there are {count}")
        pairs = [(here, there) for here in range(count) for there in range(count) if here != there]
        for here, there in pairs:
            rows.append(one(cuda, cuda.gpu(here), cuda.gpu(there), asked.seconds))
            cuda.close()
    return {
        "program": "peer_transfer",
        "unit": "GB/s",
        "size": SIZE,
        "pairs": rows,
        "right": all(row["right"] for row in rows),
    }


def main() -> int:
    """The program."""
    return run(measure, parser(__doc__ or "", seconds=0.5, limit=300, framework=False))


if __name__ == "__main__":
    sys.exit(main())
