"""Main memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.question import could_not_measure, question, require_reading
from provision.results import Status

if TYPE_CHECKING:
    from checks.question import Measure
    from provision.facts import Facts

GIB = 2**30
LEAST = 4 * GIB
_KERNEL = 0.9
"""Of the modules' size, what the kernel leaves and reports as MemTotal, with a graphics share taken off."""

FREE = 2 * GIB


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
