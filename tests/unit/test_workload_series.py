"""The CIFAR-10 workloads' figures of a series, what disturbed it, and the kinds of failure."""

from __future__ import annotations

import ast
import errno
import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import pytest

# By path, as it is no part of a package: it is sent to rigs on standard input.
SOURCE = Path(__file__).parents[2] / "checks" / "workloads" / "cifar10_tensorflow.py"
_spec = importlib.util.spec_from_file_location("cifar10_tensorflow", SOURCE)
assert _spec is not None
assert _spec.loader is not None
workload = sys.modules.setdefault("cifar10_tensorflow", importlib.util.module_from_spec(_spec))
if not hasattr(workload, "main"):
    _spec.loader.exec_module(workload)


@pytest.mark.parametrize("path", sorted(SOURCE.parent.glob("cifar10_*.py")), ids=lambda p: p.stem)
def test_each_program_is_python_3_9_and_imports_numpy_only(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 9))

    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name) or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert {name.split(".")[0] for name in imported} - sys.stdlib_module_names == {"numpy"}
    assert "__file__" not in text


def test_initial_weights_are_truncated_normal_and_biases_constant() -> None:
    kernels = workload.initial_weights(0)[::2]
    biases = workload.initial_weights(0)[1::2]

    for layer, kernel, bias in zip(workload.LAYERS, kernels, biases, strict=True):
        assert (kernel.shape, kernel.dtype) == (layer.shape, np.float32)
        assert np.abs(kernel).max() <= 2 * layer.deviation * (1 + 1e-6)
        assert set(bias) == {np.float32(layer.bias)}
    # Deviation of a normal cut at two deviations: 0.880 of that before.
    assert kernels[2].std() == pytest.approx(0.04 * 0.8796, rel=0.01)
    assert all(
        np.array_equal(a, b) for a, b in zip(kernels, workload.initial_weights(0)[::2], strict=True)
    )
    assert not np.array_equal(kernels[0], workload.initial_weights(1)[0])


def test_spread_leaves_the_first_window_and_the_outermost_tenths_out() -> None:
    assert workload.spread([1.0, *np.linspace(90, 110, 11)]) == pytest.approx(0.08)
    assert workload.spread([1.0, 100.0, 100.0]) is None


def test_drift_compares_the_last_quarter_with_the_first() -> None:
    falling = [5000.0, 100.0, 100.0, 90.0, 90.0, 80.0, 80.0, 61.0, 61.0]

    assert workload.drift(falling) == pytest.approx(-0.39)
    assert workload.drift(falling[:-1]) is None


def times(total: float, busy: float, stolen: float, own: float) -> object:
    return workload.ProcessorTimes(total, busy, stolen, own)


@pytest.mark.parametrize(
    ("end", "before", "after", "says"),
    [
        (times(1000, 900, 0, 890), 200.0, 170.0, ""),
        (times(1000, 900, 0, 700), 200.0, 200.0, "other programs took 20% of the processors"),
        (times(1000, 700, 60, 690), 200.0, 200.0, "the host kept 6% of the processors' time"),
        (times(1000, 900, 0, 890), 150.0, 200.0, "matrix product went from 150 to 200 GFLOP/s"),
        (times(1000, 900, 0, 890), 200.0, 150.0, "matrix product went from 200 to 150 GFLOP/s"),
        (times(0, 0, 0, 0), 200.0, 200.0, ""),
        (None, 200.0, 200.0, ""),
    ],
)
def test_a_run_is_marked_where_something_disturbed_it(
    end: object, before: float, after: float, says: str
) -> None:
    start = end and times(0, 0, 0, 0)
    windows = [
        workload.Window(0, 4.68, 1, 1.0, 0.0, start),
        workload.Window(10, 4.6, 10, 1.0, 1.0, end),
    ]

    found = workload.disturbances(windows, before, after)

    assert says in found
    assert bool(says) == bool(found)


def test_the_kernel_counts_the_processors_time_and_ours() -> None:
    first = workload.ProcessorTimes.now()
    while workload.time.process_time() < first.own + 0.05:
        math.factorial(2000)
    last = workload.ProcessorTimes.now()

    assert last.own - first.own >= 0.05
    assert last.total >= first.total
    assert last.total >= last.busy + last.stolen


def test_traffic_per_example_is_that_of_the_products() -> None:
    # By hand: inputs 1728 + 9216 + 2304 + 384 + 192, outputs 36864 + 9216 + 384 + 192 + 10; weights 1,068,096.
    moved = 3 * (13_824 + 46_666) - (1_728 + 36_864)
    weights = 5 * 5 * 3 * 64 + 5 * 5 * 64 * 64 + 2304 * 384 + 384 * 192 + 192 * 10

    assert workload.mbyte_per_example("float32", 128) == pytest.approx(
        (4 * moved + 32 * weights / 128) / 1e6
    )
    assert workload.mbyte_per_example("bfloat16", 10**9) == pytest.approx(2 * moved / 1e6, rel=1e-3)


def test_what_is_measured_alone_stays_within_the_time_that_is_left() -> None:
    done: list[int] = []

    assert workload.alone(done.append, 0.1, 0.02, 0.9) is None
    assert workload.alone(done.append, 10.0, 0.02, 60.0) is None
    assert not done
    assert workload.alone(done.append, 0.1, 0.02, 60.0) > 0
    assert (done[0], set(done[1:])) == (2, {2})


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "out-of-memory"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying"), "out-of-memory"),
        (MemoryError(), "out-of-memory"),
        (RuntimeError("CUDA error: unspecified launch failure\nmore"), "device-lost"),
        (RuntimeError("INTERNAL: failed\nCUDA_ERROR_ILLEGAL_ADDRESS: an illegal"), "device-lost"),
        (RuntimeError("CUDA error: no kernel image is available for execution"), "failed"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk-full"),
        (OSError(errno.EIO, "Input/output error"), "failed"),
        (KeyboardInterrupt(), "interrupted"),
        (ValueError("shapes"), "failed"),
    ],
)
def test_a_failure_has_a_kind_and_a_hint(raised: BaseException, kind: str) -> None:
    failure = workload.failure_of(raised)

    assert (failure.kind, failure.code) == (kind, 3)
    assert failure.hint
    assert "\n" not in failure.what
