"""Does a convolution give what it should, forward and backward? On a GPU that is cuDNN's work.

    python convolution.py --device cpu|gpu|gpu:1 [--framework auto|torch|tensorflow|jax] --json

In float32, TF32 off: the result and both gradients are held against the same convolution on the CPU, and samples of
them against sums made here in double precision, which need no framework.
Exit codes: 0 right; 1 wrong; 2 wrong usage; 3 could not measure. README.md lists the fields.
"""

from __future__ import annotations

import array
import sys
from typing import TYPE_CHECKING, Any

from devices import Array, Device, Framework, load
from program import parser, run

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

BATCH, SIDE, IN, OUT, KERNEL = 8, 24, 32, 64, 3
SAMPLES = 40
TOLERANCE = 1e-4
"""Norm of the difference over the norm. Rounding of float32 over sums of at most BATCH·SIDE² = 4608 terms gives some
1e-6; fast algorithms (Winograd, FFT) lose about a digit more; TF32 that was not switched off gives 3e-4 and more."""
PARTS = ("forward", "gradient by images", "gradient by kernels")

Values = list[float]


def flat(framework: Framework, tensor: Array) -> Values:
    """All its elements, in C order."""
    values = array.array("f")
    values.frombytes(framework.raw(tensor))
    return values.tolist()


class Sums:
    """The convolution by its definition, in double precision, one element at a time."""

    def __init__(self, images: Values, kernels: Values, upstream: Values) -> None:
        self.images, self.kernels, self.upstream = images, kernels, upstream

    @staticmethod
    def _inside(row: int, column: int) -> bool:
        return 0 <= row < SIDE and 0 <= column < SIDE

    @staticmethod
    def _at(batch: int, row: int, column: int, channel: int, channels: int) -> int:
        return ((batch * SIDE + row) * SIDE + column) * channels + channel

    @staticmethod
    def _kernel(row: int, column: int, channel: int, out: int) -> int:
        return ((row * KERNEL + column) * IN + channel) * OUT + out

    def forward(self, place: int) -> float:
        """One element of the result."""
        rest, out = divmod(place, OUT)
        rest, column = divmod(rest, SIDE)
        batch, row = divmod(rest, SIDE)
        return sum(
            self.images[self._at(batch, row + r - 1, column + c - 1, channel, IN)]
            * self.kernels[self._kernel(r, c, channel, out)]
            for r in range(KERNEL)
            for c in range(KERNEL)
            if self._inside(row + r - 1, column + c - 1)
            for channel in range(IN)
        )

    def by_images(self, place: int) -> float:
        """One element of the gradient by the images."""
        rest, channel = divmod(place, IN)
        rest, column = divmod(rest, SIDE)
        batch, row = divmod(rest, SIDE)
        return sum(
            self.upstream[self._at(batch, row - r + 1, column - c + 1, out, OUT)]
            * self.kernels[self._kernel(r, c, channel, out)]
            for r in range(KERNEL)
            for c in range(KERNEL)
            if self._inside(row - r + 1, column - c + 1)
            for out in range(OUT)
        )

    def by_kernels(self, place: int) -> float:
        """One element of the gradient by the kernels."""
        rest, out = divmod(place, OUT)
        rest, channel = divmod(rest, IN)
        r, c = divmod(rest, KERNEL)
        return sum(
            self.images[self._at(batch, row + r - 1, column + c - 1, channel, IN)]
            * self.upstream[self._at(batch, row, column, out, OUT)]
            for batch in range(BATCH)
            for row in range(SIDE)
            for column in range(SIDE)
            if self._inside(row + r - 1, column + c - 1)
        )


def distance(found: Values, expected: Values) -> float:
    """Norm of the difference over the norm of what is expected; infinite for what is no number."""
    off = sum((a - b) ** 2 for a, b in zip(found, expected, strict=True)) ** 0.5
    norm = sum(b * b for b in expected) ** 0.5
    error = off / norm if norm else float("inf")
    return error if error == error else float("inf")  # noqa: PLR0124 - a NaN differs from itself


def against_sums(results: list[Values], sums: Sums) -> dict[str, float]:
    """Samples of each part against their sums: evenly spread, at a step that meets every channel and border."""
    found = {}
    ways: tuple[Callable[[int], float], ...] = (sums.forward, sums.by_images, sums.by_kernels)
    for name, values, way in zip(PARTS, results, ways, strict=True):
        places = [(number * len(values)) // SAMPLES + number % 7 for number in range(SAMPLES)]
        places = [min(place, len(values) - 1) for place in places]
        found[name] = distance(
            [values[place] for place in places], [way(place) for place in places]
        )
    return found


def one(framework: Framework, device: Device) -> dict[str, Any]:
    """One device."""
    shapes = ((BATCH, SIDE, SIDE, IN), (KERNEL, KERNEL, IN, OUT), (BATCH, SIDE, SIDE, OUT))
    inputs = [
        framework.normal(shape, "float32", device, seed) for seed, shape in enumerate(shapes, 21)
    ]
    results = [flat(framework, part) for part in framework.convolve(*inputs)]
    errors = {
        f"{name}, against sums": error
        for name, error in against_sums(
            results, Sums(*(flat(framework, each) for each in inputs))
        ).items()
    }
    if not device.cpu:
        here = framework.cpu()
        same = [
            framework.normal(shape, "float32", here, seed) for seed, shape in enumerate(shapes, 21)
        ]
        expected = [flat(framework, part) for part in framework.convolve(*same)]
        for name, found, wanted in zip(PARTS, results, expected, strict=True):
            errors[f"{name}, against the CPU"] = distance(found, wanted)
    worst = max(errors.values())
    return {
        "device": device.name,
        "model": device.model,
        "errors": {name: float(f"{error:.3g}") for name, error in errors.items()},
        "worst": float(f"{worst:.3g}"),
        "right": worst <= TOLERANCE,
    }


def library(framework: Framework) -> str:
    """The version of cuDNN that the framework uses; empty where it does not say."""
    if framework.name == "torch":
        number = framework.module.backends.cudnn.version() if framework.gpus() else None
        return str(number or "")
    if framework.name == "tensorflow":
        return str(framework.module.sysconfig.get_build_info().get("cudnn_version", ""))
    return ""


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """All that was asked for, each device in turn."""
    framework = load(asked.framework, asked.device)
    framework.tf32(on=False)
    rows = [one(framework, device) for device in framework.devices(asked.device)]
    return {
        "program": "convolution",
        "framework": framework.name,
        "version": framework.version,
        "cudnn": "" if asked.device == "cpu" else library(framework),
        "tolerance": TOLERANCE,
        "devices": rows,
        "right": all(row["right"] for row in rows),
    }


def main() -> int:
    """The program."""
    return run(measure, parser(__doc__ or "", seconds=1, limit=300))


if __name__ == "__main__":
    sys.exit(main())
