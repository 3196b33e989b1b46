"""Does the same product come out the same every time, and on every like card? Silent corruption shows as a difference.

    python repeated_product.py --device cpu|gpu|gpu:1 [--framework auto|torch|tensorflow|jax] [--seconds 5] --json

The factors are made on the CPU, so every device gets the same bits. On one device the libraries promise the same bits
each time; on cards of one model with the same library, too. Digests of different models are not to be compared.
Exit codes: 0 always the same; 1 a product differed; 2 wrong usage; 3 could not measure. README.md lists the fields.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from devices import Device, Framework, load
from program import parser, run

if TYPE_CHECKING:
    import argparse

SIDE = 4096
SMALL = 512
"""On a CPU: many products in the same time find more than few."""
ROUND = 16
"""Products between two looks at the clock."""


def repeat(framework: Framework, device: Device, seconds: float) -> dict[str, Any]:
    """Products for so many seconds, each compared with the first by the device itself."""
    size = SMALL if device.cpu else SIDE
    shape = (size, size)
    left = framework.normal(shape, "float32", device, 11)
    right = framework.normal(shape, "float32", device, 12)
    first = framework.matmul(left, right)
    products, differing, elements = 1, 0, 0
    end = time.monotonic() + seconds
    while products == 1 or time.monotonic() < end:
        for _ in range(ROUND):
            changed = framework.differing(framework.matmul(left, right), first)
            products += 1
            differing += bool(changed)
            elements += changed
    # The last one by its bytes: what reading back spoils, a comparison on the device would not see.
    last = framework.matmul(left, right)
    digests = {hashlib.sha256(framework.raw(each)).hexdigest() for each in (first, last)}
    return {
        "device": device.name,
        "model": device.model,
        "side": size,
        "products": products + 1,
        "differing": differing,
        "elements": elements,
        "digest": min(digests) if len(digests) == 1 else "",
        "right": differing == 0 and len(digests) == 1,
    }


def unlike(rows: list[dict[str, Any]]) -> dict[str, dict[str, list[str]]]:
    """Models whose cards disagree: digest → devices."""
    models: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        models.setdefault(row["model"], {}).setdefault(row["digest"], []).append(row["device"])
    return {model: digests for model, digests in models.items() if len(digests) > 1}


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """All that was asked for, each device in turn."""
    # Otherwise the libraries may choose an algorithm by timing, and cards then differ without a fault.
    os.environ["TF_MATMUL_AUTOTUNE_ENABLE"] = "0"
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    framework = load(asked.framework, asked.device)
    framework.tf32(on=False)
    rows = [repeat(framework, device, asked.seconds) for device in framework.devices(asked.device)]
    disagreeing = unlike(rows)
    return {
        "program": "repeated_product",
        "framework": framework.name,
        "version": framework.version,
        "devices": rows,
        "unlike": disagreeing,
        "right": all(row["right"] for row in rows) and not disagreeing,
    }


def main() -> int:
    """The program."""
    return run(measure, parser(__doc__ or "", seconds=5, limit=600))


if __name__ == "__main__":
    sys.exit(main())
