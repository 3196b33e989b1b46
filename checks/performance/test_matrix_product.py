"""How fast processors and GPUs multiply matrices: what deep learning spends its time on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.performance.judging import Rate, hold, lost, told
from checks.performance.loading import seen
from checks.performance.loads import CPU_MATRIX_PRODUCT, MATRIX_PRODUCT, Products, read
from checks.question import question, warn_unless
from provision import catalogue

if TYPE_CHECKING:
    from checks.question import Measure
    from checks.rigs import Rig
    from provision.results import Acceptance

_WRONG = "A result that is wrong is worse than none: exchange cables and supply, then the card. "


@question(
    "Do the GPUs multiply matrices as fast as they should, and rightly?",
    expected="right products; each rate within 10% of the best like card in the box and of the last acceptance; with "
    "all GPUs at work, at least 80% of what each does alone",
    source="huggingface/gpu-fryer; provision/catalog/peaks.toml for what is published",
    remedy="See performance/clocks_under_load and performance/heat_under_load, and on the rig: nvidia-smi dmon. A "
    "driver that was changed: dlrig rollback",
)
@pytest.mark.usefixtures("driven")
def test_matrix_product(rig: Rig, measure: Measure, baseline: Acceptance | None) -> None:
    """In each form of number that the card has units for, each GPU alone, then all at once."""
    found = read(seen(rig, MATRIX_PRODUCT, tells=True).result, Products)
    rates = _rates(found, "gpu", "TFLOP/s", 1.0)
    figures = [rate.keep(measure) for rate in rates]
    measure.found(told(rates) + _together(found))
    _assert_right(found, measure)
    assert rates, "no form of number was measured"
    hold(rates, figures, baseline, MATRIX_PRODUCT.check)
    weak = _weak(found)
    warn_unless(not weak, f"{'; '.join(weak)}: what the GPUs share is too weak for all of them")


@question(
    "Does the processor multiply matrices as fast as it did, and rightly?",
    expected="right products; each rate within 10% of the last acceptance",
    source="every figure of a training run on the CPU is read beside this one",
    remedy="See hardware/cpu_governor; other programs: top; a virtual machine: ask its host. Then measure again.",
)
def test_cpu_matrix_product(rig: Rig, measure: Measure, baseline: Acceptance | None) -> None:
    """All processors together."""
    run = seen(rig, CPU_MATRIX_PRODUCT, tells=True)
    found = read(run.result, Products)
    rates = _rates(found, "cpu", "GFLOP/s", 1000.0)
    figures = [rate.keep(measure) for rate in rates]
    disturbed = f"; not its own pace: {run.disturbed}" if run.disturbed else ""
    measure.found(told(rates) + disturbed)
    _assert_right(found, measure)
    worse = lost(rates, figures, baseline, CPU_MATRIX_PRODUCT.check)
    # Other work, or a virtual machine's host: seldom a fault of the rig.
    warn_unless(not worse, "; ".join(worse) + disturbed)


def _rates(found: Products, place: str, unit: str, factor: float) -> list[Rate]:
    peaks = catalogue.criteria().peaks
    rates = []
    for row in found.devices:
        peak = peaks.find(row.model) if place == "gpu" else None
        known = {str(form): rate for form, rate in peak.tflops.items()} if peak else {}
        for dtype, product in row.rates.items():
            rates.append(
                Rate(
                    name=f"matrix_product_{dtype}_{row.device.replace(':', '')}",
                    what=dtype,
                    device=row.device,
                    model=row.model,
                    unit=unit,
                    samples=tuple(sample * factor for sample in product.samples),
                    published=known.get(dtype),
                    how=f"{found.framework} {found.version}",
                )
            )
    return rates


def _assert_right(found: Products, measure: Measure) -> None:
    __tracebackhide__ = True
    wrong = [
        f"{row.device} ({row.model}): {dtype} products are off by {one.error:g}, and {one.tolerance:g} is allowed"
        for row in found.devices
        for dtype, one in row.rates.items()
        if not one.right
    ]
    if wrong:
        measure.remedy = _WRONG + "On the rig: nvidia-smi -q -d ECC; sudo dmesg | grep -i xid"
    assert not wrong, "; ".join(wrong)


def _shares(found: Products) -> dict[str, float]:
    """Device → what it does beside the others, as a fraction of what it does alone."""
    alone = {
        (row.device, dtype): sum(one.samples) / len(one.samples)
        for row in found.devices
        for dtype, one in row.rates.items()
    }
    return {
        device: both.rate / alone[device, both.dtype]
        for device, both in found.together.items()
        if alone.get((device, both.dtype))
    }


def _together(found: Products) -> str:
    shares = _shares(found)
    if not shares:
        return ""
    return (
        f"; all at once: {', '.join(f'{device} {share:.0%}' for device, share in shares.items())}"
    )


def _weak(found: Products) -> list[str]:
    least = catalogue.criteria().peaks.together.share
    return [
        f"{device} does {share:.0%} of what it does alone"
        for device, share in _shares(found).items()
        if share < least
    ]
