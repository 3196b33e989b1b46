"""Does cuDNN compute rightly in each environment for GPUs? Each brings its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from checks.performance.loading import Load, seen
from checks.performance.loads import read
from checks.question import question
from checks.runtime.asking import require_present

if TYPE_CHECKING:
    from checks.question import Measure
    from checks.rigs import Rig
    from provision.facts import Facts
    from provision.facts.gpus import PciDevice
    from provision.plan import EnvironmentPlan

LOAD = Load(program="convolution.py", each=60.0, check="runtime/cudnn_convolution")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A convolution on one device: its errors by part, and the largest."""

    device: str
    model: str
    errors: dict[str, float]
    worst: float
    right: bool


class Convolutions(msgspec.Struct, frozen=True, kw_only=True):
    """convolution.py's result."""

    framework: str
    version: str
    cudnn: str
    tolerance: float
    devices: list[Row]


@question(
    "Does cuDNN give what it should, in every environment for GPUs?",
    expected="a convolution and both of its gradients in float32 agree with the CPU's, and with sums in double "
    "precision, to 1e-4 of their norm",
    source="checks/workloads/convolution.py: rounding gives some 1e-6, Winograd's way about ten times that",
    remedy="dlrig up TARGET makes the environment again; then, on the rig: sudo dmesg | grep -i xid",
)
def test_cudnn_convolution(
    rig: Rig,
    environment: EnvironmentPlan,
    gpus: tuple[PciDevice, ...],
    facts: Facts,
    measure: Measure,
) -> None:
    """Forward and backward, on every GPU."""
    if environment.device != "gpu":
        pytest.skip(f"{environment.name} computes on the CPU: cuDNN has no part in it")
    if not facts.nvidia.loaded:
        pytest.skip(f"no driver is loaded for {len(gpus)} GPUs: see driver/driver_loaded")
    require_present(rig, environment)
    run = seen(rig, LOAD, tells=True, environment=environment)
    found = read(run.result, Convolutions)
    library = f"cuDNN {found.cudnn}" if found.cudnn else "cuDNN"
    measure.found(
        f"{library} in {found.framework} {found.version}: "
        + ", ".join(f"{row.device} off by {row.worst:g}" for row in found.devices)
    )
    bad = [
        f"{row.device} ({row.model}): {part} off by {error:g}, and {found.tolerance:g} is allowed"
        for row in found.devices
        for part, error in row.errors.items()
        if not error <= found.tolerance
    ]
    bad += [
        f"{row.device} ({row.model}) is wrong" for row in found.devices if not row.right and not bad
    ]
    assert not bad, "; ".join(bad)
    assert found.devices, "no GPU took part"
