"""Main memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.question import could_not_measure, question, require_reading
from provision.results import Status

if TYPE_CHECKING:
    from checks.question import Measure
    from provision.facts import Facts
    from provision.facts.gpus import PciDevice

GIB = 2**30
LEAST = 4 * GIB
_KERNEL = 0.9
"""Of the modules' size, what the kernel leaves and reports as MemTotal, with a graphics share taken off."""

FREE = 2 * GIB
MIB = 2**20
SWAPPED = 0.5
"""Share."""


@question(
    "Is there enough memory?",
    expected=f"{LEAST / GIB:g} GiB fitted, of which the kernel may keep a tenth",
    source="importing TensorFlow and a training run of CIFAR-10 take about 2 GiB",
    remedy="Fit more memory, or give the virtual machine more.",
)
def test_memory(facts: Facts, measure: Measure) -> None:
    """All of it."""
    require_reading(facts, "meminfo")
    total = facts.memory.total
    if total is None:
        could_not_measure("/proc/meminfo has no MemTotal")
    measure.found(f"{total / GIB:.1f} GiB")
    assert total >= LEAST * _KERNEL, f"{total / GIB:.1f} GiB"


@question(
    "Is enough of the memory free to work with?",
    expected=f"{FREE / GIB:g} GiB available",
    source="a training run of CIFAR-10 takes about 2 GiB",
    remedy="See what holds it: ps aux --sort=-rss | head",
    severity=Status.WARN,
)
def test_memory_available(facts: Facts, measure: Measure) -> None:
    """What the kernel could give without swapping."""
    require_reading(facts, "meminfo")
    available, swap = facts.memory.available, facts.memory.swap or 0
    if available is None:
        could_not_measure("/proc/meminfo has no MemAvailable")
    found = f"{available / GIB:.1f} GiB available, {swap / GIB:.1f} GiB of swap"
    measure.found(found)
    assert available >= FREE, found


@question(
    "Has the machine twice as much memory as its GPUs?",
    expected="main memory at least twice the memory of all GPUs, of which the kernel may keep a tenth",
    source="a rule of thumb, no maker's figure: loaders, pinned buffers and checkpoints of all cards lie there",
    remedy="Fit more memory; or expect to keep batches and checkpoints small.",
    severity=Status.WARN,
)
def test_memory_for_gpus(gpus: tuple[PciDevice, ...], facts: Facts, measure: Measure) -> None:
    """As nvidia-smi states the cards' memory."""
    require_reading(facts, "meminfo")
    sizes = [gpu.memory for gpu in facts.nvidia.gpus]
    if not sizes:
        pytest.skip("nvidia-smi lists no GPU: see driver/nvidia_smi_answers")
    if len(sizes) < len(gpus):
        pytest.skip(f"nvidia-smi lists {len(sizes)} of {len(gpus)} GPUs: see driver/gpu_count")
    known = [size * MIB for size in sizes if size is not None]
    total = facts.memory.total
    if len(known) < len(sizes) or total is None:
        could_not_measure(f"the memory of {len(known)} of {len(gpus)} GPUs is known")
    found = f"{total / GIB:.1f} GiB, and {sum(known) / GIB:.1f} GiB on {len(known)} GPUs"
    measure.found(found)
    assert total >= 2 * sum(known) * _KERNEL, found


@question(
    "Does the machine work without swapping?",
    expected=f"less than {SWAPPED:.0%} of the swap is used",
    source="LBNL nhc, check_hw_swap_free; what is swapped out comes back while a training step waits",
    remedy="See what holds memory: ps aux --sort=-rss | head; then: sudo swapoff -a && sudo swapon -a",
    severity=Status.WARN,
)
def test_swap(facts: Facts, measure: Measure) -> None:
    """At this moment."""
    require_reading(facts, "meminfo")
    swap, free = facts.memory.swap, facts.memory.swap_free
    if swap == 0:
        pytest.skip("this machine has no swap")
    if swap is None or free is None:
        could_not_measure("/proc/meminfo has no SwapTotal and SwapFree")
    found = f"{(swap - free) / GIB:.1f} of {swap / GIB:.1f} GiB of swap used"
    measure.found(found)
    assert swap - free <= swap * SWAPPED, found
