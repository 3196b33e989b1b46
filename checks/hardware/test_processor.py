"""The CPU: what the frameworks need of it, and whether it may run at full speed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.question import could_not_measure, question, require_reading
from provision.results import Status

if TYPE_CHECKING:
    from checks.question import Measure
    from provision.facts import Facts


@question(
    "Is the processor known?",
    expected="lscpu names a model and counts the logical processors",
    source="every figure of an acceptance is read beside it",
    remedy="Run lscpu on the rig and see what is missing.",
)
def test_cpu_readable(facts: Facts, measure: Measure) -> None:
    """Model, cores and threads."""
    require_reading(facts, "lscpu")
    cpu = facts.processor
    if not cpu.threads:
        could_not_measure("lscpu counts no processors")
    measure.found(f"{cpu.model or 'unnamed model'}, {cpu.cores} cores, {cpu.threads} threads")


@question(
    "Has the processor the instructions that the frameworks are compiled for?",
    expected="AVX",
    source="TensorFlow's installation guide: official packages use AVX since 1.6",
    remedy="Without AVX 'import tensorflow' ends in 'Illegal instruction'. On a virtual machine let the host "
    "pass its processor through (CPU type 'host'); an older processor needs TensorFlow built from source.",
)
def test_cpu_instructions(facts: Facts, measure: Measure) -> None:
    """AVX, and for the message what lies above it."""
    require_reading(facts, "lscpu")
    flags = facts.processor.flags
    if not flags:
        could_not_measure("lscpu lists no instruction sets")
    best = [flag for flag in ("avx", "avx2", "fma", "avx512f", "amx_bf16") if flag in flags]
    measure.found(" ".join(best))
    assert "avx" in flags, f"{facts.processor.model or 'this processor'} has no AVX"


@question(
    "May the processor run at full speed?",
    expected="the cpufreq governor 'performance' on every logical processor",
    source="facebookresearch/gcm; another governor makes throughput depend on what ran before",
    remedy="sudo cpupower frequency-set -g performance",
    severity=Status.WARN,
)
def test_cpu_governor(facts: Facts, measure: Measure) -> None:
    """Frequency scaling."""
    require_reading(facts, "governors")
    governors = facts.processor.governors
    if not governors:
        pytest.skip("the kernel offers no frequency scaling here, as is usual in virtual machines")
    found = ", ".join(f"{name} on {count}" for name, count in sorted(governors.items()))
    measure.found(found)
    assert set(governors) == {"performance"}, found
