"""How fast does a device multiply matrices? TFLOP/s by form of number, and whether the product is right.

    python matrix_product.py --device cpu|gpu|gpu:1 [--framework auto|torch|tensorflow|jax] [--dtype float32] --json

Each GPU in turn, then all of them at once in their fastest form: what the power supply and the cooling bear.
Exit codes: 0 measured and right; 1 a product is wrong; 2 wrong usage; 3 could not measure. README.md lists the fields.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from devices import DTYPES, Device, Framework, free_memory, load, wrong_products
from program import figure, parser, rates, run

if TYPE_CHECKING:
    import argparse

ROWS, COLUMNS = 4, 16
TOLERANCE = {"float32": 1e-3, "tf32": 2e-2, "bfloat16": 8e-2, "float16": 2e-2}
"""Largest error of an element over the root of the inner length, for standard normal factors: rounding of the
factors (TF32: 11 bits) and of elements up to five times that root (bfloat16: 8 bits, float16: 11 bits), with room."""
SMALL, LARGE, MIDDLE = 2048, 8192, 4096
ROOM = 4 << 30
"""Bytes that must be free for the large size: three matrices of 256 MiB, and what the framework takes itself."""
TERA = 1e12

Factors = tuple[Any, Any]


def side(device: Device) -> int:
    """Rows and columns of the matrices: on a CPU small, as the caches are."""
    if device.cpu:
        return SMALL
    return LARGE if free_memory(device) >= ROOM else MIDDLE


def multiply(framework: Framework, factors: Factors, count: int) -> Any:  # noqa: ANN401 - the framework's array
    """So many products, queued; the last one."""
    product = None
    for _ in range(count):
        product = framework.matmul(*factors)
    return product


def one(
    framework: Framework, device: Device, dtype: str, size: int, seconds: float
) -> dict[str, Any]:
    """One form of number on one device."""
    framework.tf32(on=dtype == "tf32")
    factors = (
        framework.normal((size, size), dtype, device, 1),
        framework.normal((size, size), dtype, device, 2),
    )
    product = framework.matmul(*factors)
    error = wrong_products(
        framework.part(factors[0], ROWS, size),
        framework.part(factors[1], size, COLUMNS),
        framework.part(product, ROWS, COLUMNS),
    )
    samples = rates(
        lambda count: framework.wait(multiply(framework, factors, count)),
        2 * size**3 / TERA,
        seconds,
    )
    return {
        **figure(samples),
        "side": size,
        "error": float(f"{error:.3g}"),
        "tolerance": TOLERANCE[dtype],
        "right": error <= TOLERANCE[dtype],
    }


def alone(
    framework: Framework, device: Device, dtypes: list[str], seconds: float
) -> dict[str, Any]:
    """Every form of number on one device."""
    size = side(device)
    lacking = {dtype: lack for dtype in dtypes if (lack := device.lacks(dtype))}
    sensible = [dtype for dtype in dtypes if dtype not in lacking]
    found = {
        dtype: one(framework, device, dtype, size, seconds / len(sensible)) for dtype in sensible
    }
    return {"device": device.name, "model": device.model, "rates": found, "lacking": lacking}


def together(
    framework: Framework, devices: list[Device], alone_: list[dict[str, Any]], seconds: float
) -> dict[str, Any]:
    """All GPUs at once, each in its fastest form: the rate of each over the whole time."""
    best = [max(row["rates"], key=lambda dtype: row["rates"][dtype]["median"]) for row in alone_]
    framework.tf32(on="tf32" in best)
    factors, portions = [], []
    for device, dtype, row in zip(devices, best, alone_, strict=True):
        rate, size = row["rates"][dtype]["median"], row["rates"][dtype]["side"]
        portions.append(max(1, round(0.1 * rate * TERA / (2 * size**3))))
        factors.append(
            tuple(framework.normal((size, size), dtype, device, seed) for seed in (1, 2))
        )
    done, end = 0, time.monotonic() + seconds
    start = time.perf_counter()
    while not done or time.monotonic() < end:
        last = [
            multiply(framework, pair, portion)
            for pair, portion in zip(factors, portions, strict=True)
        ]
        for product in last:
            framework.wait(product)
        done += 1
    took = time.perf_counter() - start
    found = {}
    for device, dtype, row, portion in zip(devices, best, alone_, portions, strict=True):
        work = 2 * row["rates"][dtype]["side"] ** 3 * portion * done / TERA
        found[device.name] = {"dtype": dtype, "rate": float(f"{work / took:.5g}")}
    return found


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """All that was asked for."""
    framework = load(asked.framework, asked.device)
    devices = framework.devices(asked.device)
    dtypes = asked.dtype or list(DTYPES)
    rows = [alone(framework, device, dtypes, asked.seconds) for device in devices]
    right = all(rate["right"] for row in rows for rate in row["rates"].values())
    many = len(devices) > 1 and all(row["rates"] for row in rows)
    return {
        "program": "matrix_product",
        "unit": "TFLOP/s",
        "framework": framework.name,
        "version": framework.version,
        "devices": rows,
        "together": together(framework, devices, rows, asked.seconds) if many else {},
        "right": right,
    }


def main() -> int:
    """The program."""
    options = parser(__doc__ or "", seconds=8, limit=600)
    options.add_argument(
        "--dtype", action="append", choices=DTYPES, help="one or more; all by default"
    )
    return run(measure, options)


if __name__ == "__main__":
    sys.exit(main())
