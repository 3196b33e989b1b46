"""The memory of GPUs and of the machine: how fast it is, and whether it keeps what is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.performance.judging import Rate, hold, lost, told
from checks.performance.loading import seen
from checks.performance.loads import CPU_MEMORY, MEMORY, Memories, read
from checks.question import could_not_measure, question, warn_unless
from provision import catalogue

if TYPE_CHECKING:
    from checks.question import Measure
    from checks.rigs import Rig
    from provision.results import Acceptance

_RATE = "performance/memory_rate"
_GIB = 2**30


@question(
    "Does the GPUs' memory keep what is written into it?",
    expected="three quarters of the free memory are filled with random bits, then with their inverse, and read back "
    "unchanged; memory that cannot be taken is not tested, and that is an error",
    source="NVIDIA/DCGM#284: a memory test that passes where it could not allocate tests nothing",
    remedy="sudo dmesg | grep -i xid; nvidia-smi -q -d ECC,ROW_REMAPPER,PAGE_RETIREMENT. Undo overclocking; if it "
    "stays, return the card.",
)
@pytest.mark.usefixtures("driven")
def test_memory_pattern(rig: Rig, measure: Measure) -> None:
    """Every bit is written and read as 0 and as 1."""
    found = read(seen(rig, MEMORY, tells=True).result, Memories)
    measure.found(
        "; ".join(
            f"{row.device} ({row.model}): {row.pattern.bytes / _GIB:.1f} of {row.pattern.free / _GIB:.1f} GiB free"
            for row in found.devices
        )
    )
    bad = [
        f"{row.device} ({row.model}): {row.pattern.changed} places of {row.pattern.bytes / _GIB:.1f} GiB changed"
        for row in found.devices
        if row.pattern.changed or not row.pattern.right
    ]
    assert not bad, "; ".join(bad)
    untested = [row.device for row in found.devices if not row.pattern.bytes]
    if untested or not found.devices:
        could_not_measure(f"nothing was tested on {', '.join(untested) or 'any GPU'}")


@question(
    "Is the GPUs' memory as fast as it should be?",
    expected="each rate within 10% of the best like card in the box and of the last acceptance",
    source="huggingface/gpu-fryer; provision/catalog/peaks.toml for what is published",
    remedy="nvidia-smi -q -d CLOCK,PERFORMANCE: a memory clock below its maximum; switching ECC on takes a share",
)
@pytest.mark.usefixtures("driven")
def test_memory_rate(rig: Rig, measure: Measure, baseline: Acceptance | None) -> None:
    """One array read and another written, both counted."""
    found = read(seen(rig, MEMORY, tells=False).result, Memories)
    rates = _rates(found, "gpu")
    figures = [rate.keep(measure) for rate in rates]
    measure.found(told(rates))
    assert rates, "nothing was measured"
    hold(rates, figures, baseline, _RATE)


@question(
    "Is the machine's memory as fast as it was, and does it keep what is written into it?",
    expected="a rate within 10% of the last acceptance; of 1 GB filled with random bits, nothing changes",
    source="every figure of a training run on the CPU is read beside this one",
    remedy="sudo dmesg | grep -i -e mce -e edac; count the modules: sudo dmidecode -t memory. One module of two, or "
    "two in one channel, halve the rate.",
)
def test_cpu_memory(rig: Rig, measure: Measure, baseline: Acceptance | None) -> None:
    """By all processors at once; a sample of the memory, not all of it."""
    run = seen(rig, CPU_MEMORY, tells=True)
    found = read(run.result, Memories)
    rates = _rates(found, "cpu")
    figures = [rate.keep(measure) for rate in rates]
    disturbed = f"; not its own pace: {run.disturbed}" if run.disturbed else ""
    measure.found(told(rates) + disturbed)
    changed = sum(row.pattern.changed for row in found.devices)
    assert not changed, (
        f"{changed} places of the machine's memory changed what was written into them"
    )
    worse = lost(rates, figures, baseline, CPU_MEMORY.check)
    # Other work, or a virtual machine's host: seldom a fault of the rig.
    warn_unless(not worse, "; ".join(worse) + disturbed)


def _rates(found: Memories, place: str) -> list[Rate]:
    peaks = catalogue.criteria().peaks
    rates = []
    for row in found.devices:
        peak = peaks.find(row.model) if place == "gpu" else None
        rates.append(
            Rate(
                name=f"memory_{row.device.replace(':', '')}",
                what="memory",
                device=row.device,
                model=row.model,
                unit="GB/s",
                samples=row.rate.samples,
                published=peak.memory if peak else None,
                # The CPU is measured without the framework.
                how=f"{found.framework} {found.version}"
                if place == "gpu"
                else "copies by all processors",
            )
        )
    return rates
