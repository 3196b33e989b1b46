"""The limit of a run, from numbers made from documentation; and that the decisive one decides."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from checks.training import limit
from checks.training.evidence import CardWork, Evidence
from checks.training.scaling import Scaling

CARD = CardWork(
    index=0,
    utilisation=98.0,
    clock=1850.0,
    clock_max=1900.0,
    hot=0.0,
    capped=0.0,
    temperature=70.0,
    slowdown=99.0,
    power=100.0,
    power_limit=120.0,
    traffic=0.3,
    link=15.8,
)
GPU = Evidence(
    on_cpu=False,
    devices=1,
    rate=6000.0,
    compute=6300.0,
    fed=15_000.0,
    step=128 / 6000,
    issue=0.002,
    cpu_step=0.03,
    processors=4,
    of_product=0.15,
    of_memory=0.1,
    memory=150.0,
    utilisation=0.4,
    busiest=0.6,
    cards=(CARD,),
)
CPU = msgspec.structs.replace(
    GPU,
    on_cpu=True,
    cards=(),
    rate=280.0,
    compute=300.0,
    fed=5000.0,
    issue=None,
    step=128 / 280,
    cpu_step=1.7,
    utilisation=0.95,
)


def card(**changes: float) -> tuple[CardWork, ...]:
    return (msgspec.structs.replace(CARD, **changes),)


MADE: dict[str, tuple[Evidence, dict[str, Any], dict[str, Any]]] = {
    "GPU compute": (GPU, {}, {"compute": 20_000.0, "fed": 6100.0}),
    "input pipeline": (GPU, {"fed": 6200.0, "compute": 12_000.0}, {"fed": 40_000.0}),
    "host": (GPU, {"compute": 12_000.0, "utilisation": 0.97}, {"utilisation": 0.5}),
    "transfer": (GPU, {"compute": 12_000.0, "cards": card(traffic=9.0)}, {"cards": card()}),
    "kernel launch": (GPU, {"issue": 0.02, "cards": card(utilisation=60.0)}, {"issue": 0.001}),
    "memory": (GPU, {"of_memory": 0.8}, {"of_memory": 0.2}),
    "heat": (GPU, {"cards": card(hot=0.9, clock=1300.0)}, {"cards": card()}),
    "power": (
        GPU,
        {"cards": card(capped=0.9, clock=1400.0)},
        {"cards": card(capped=0.9, clock=1890.0)},
    ),
    "communication": (
        GPU,
        {"devices": 2, "alone": 6000.0, "alone_compute": 6300.0},
        {"alone_compute": 3200.0},
    ),
    "CPU compute": (CPU, {}, {"compute": 3000.0}),
    "input pipeline on the CPU": (CPU, {"fed": 320.0, "compute": 2500.0}, {"fed": 9000.0}),
    "host on the CPU": (CPU, {"compute": 800.0}, {"compute": 290.0}),
    "host on the CPU, others there": (CPU, {"cpu_step": 0.6}, {"utilisation": 0.4}),
    "memory on the CPU": (CPU, {"of_memory": 0.8}, {"of_memory": 0.1}),
}
"""Limit → a run, what makes it limited so, and the decisive measurement as it would be otherwise."""


def first(seen: Evidence, changes: dict[str, Any]) -> limit.Limit:
    return limit.ranked(msgspec.structs.replace(seen, **changes))[0]


@pytest.mark.parametrize("case", MADE)
def test_what_was_made_to_limit_is_named(case: str) -> None:
    run, changes, _ = MADE[case]
    found = first(run, changes)
    assert (found.name, found.holds) == (case.partition(" on ")[0], True), found


@pytest.mark.parametrize("case", MADE)
def test_another_measurement_gives_another_answer(case: str) -> None:
    run, changes, otherwise = MADE[case]
    found = first(run, {**changes, **otherwise})
    assert (found.name, found.holds) != (case.partition(" on ")[0], True), found


def test_every_limit_that_there_is_has_a_case() -> None:
    assert {case.partition(" on ")[0] for case in MADE} == set(limit.ORDER)


@pytest.mark.parametrize("case", MADE)
def test_the_sentence_starts_with_the_limit_and_holds_numbers(case: str) -> None:
    run, changes, _ = MADE[case]
    found = limit.ranked(msgspec.structs.replace(run, **changes))
    words = limit.told(found)
    assert words.startswith(f"{found[0].name}: ")
    assert any(letter.isdecimal() for letter in found[0].evidence)
    assert f"what helps: {limit.HELPS[found[0].name]}" in words
    assert "None" not in words
    assert "nan" not in words


def test_a_full_queue_before_a_busy_gpu_is_no_limit_of_the_host() -> None:
    """Starts are slow where the queue is full; the GPU that never waits tells the two apart."""
    assert first(GPU, {"issue": 0.021, "cards": card(utilisation=99.0)}).name == "GPU compute"
    assert first(GPU, {"issue": 0.021, "cards": card(utilisation=70.0)}).name == "kernel launch"


def test_a_queue_that_a_pipeline_drains() -> None:
    """The reference rig on two GPUs at its end: what it starts with, it does not keep."""
    changes = {"devices": 2, "rate": 6168.0, "compute": 10_065.0, "fed": 6300.0}
    assert first(GPU, changes).name == "input pipeline"


def test_a_chip_without_a_driver_library_is_still_explained() -> None:
    """No NVML: no clocks, no heat, no use."""
    silent = CardWork(index=0)
    found = limit.ranked(msgspec.structs.replace(GPU, cards=(silent,), utilisation=None))
    assert {one.name for one in found} == {
        "input pipeline",
        "GPU compute",
        "kernel launch",
        "memory",
    }
    assert found[0].name == "GPU compute"


def test_use_alone_tells_that_a_gpu_computes() -> None:
    found = limit.ranked(msgspec.structs.replace(GPU, compute=None, fed=None))
    assert (found[0].name, found[0].evidence) == ("GPU compute", "a kernel ran in 98% of the time")


def test_more_than_the_memorys_whole_rate_is_no_evidence() -> None:
    for run in (GPU, CPU):
        found = limit.ranked(msgspec.structs.replace(run, of_memory=2.5))
        assert "memory" not in {one.name for one in found}


def test_nothing_measured_gives_no_answer() -> None:
    bare = Evidence(on_cpu=False, devices=1, rate=100.0, step=1.28)
    assert limit.ranked(bare) == []
    assert limit.told([]) == "nothing was measured that tells the limit"


def test_no_part_alone_is_said_so() -> None:
    found = limit.ranked(msgspec.structs.replace(GPU, compute=9000.0, fed=11_000.0))
    assert limit.told(found).startswith("no part alone limits it: GPU compute 67% (")


def test_others_on_the_processors_are_told_apart_from_the_programs_own_idleness() -> None:
    others = msgspec.structs.replace(CPU, cpu_step=0.6)
    assert limit.ranked(others)[0].evidence == "other programs take 62% of the 4 processors' time"
    both = msgspec.structs.replace(others, compute=800.0, utilisation=0.6)
    assert limit.ranked(both)[0].evidence == (
        "other programs take 27% of the 4 processors' time, "
        "and 43% of the step's time is neither input nor computing"
    )
    # A step alone that was slower still, as others took even more then, explains no more than what was left.
    later = msgspec.structs.replace(others, compute=90.0)
    assert next((one.name, one.holds) for one in limit.ranked(later)) == ("host", True)
    little = msgspec.structs.replace(CPU, cpu_step=1.6)
    assert limit.ranked(little)[0].name == "CPU compute"


@pytest.mark.parametrize(
    ("every", "speed_up", "serial", "words"),
    [
        (10_065.4, 1.64, 0.22, "22% of the work does not divide"),
        (6167.8, 1.0047, 0.991, "no number of them would do more than 1.0 times"),
        (12_278.0, 2.0, 0.0, "all of the work divides"),
        (13_000.0, 2.12, 0.0, "all of the work divides"),
        (3069.5, 0.5, 3.0, "no number of them would do more than 1.0 times"),
    ],
)
def test_amdahls_law(every: float, speed_up: float, serial: float, words: str) -> None:
    scaling = Scaling(devices=2, one=6139.0, every=every)
    assert scaling.speed_up == pytest.approx(speed_up, rel=0.01)
    assert scaling.efficiency == pytest.approx(speed_up / 2, rel=0.01)
    assert scaling.serial_share == pytest.approx(serial, abs=0.005)
    assert words in str(scaling)


@pytest.mark.parametrize(("devices", "serial"), [(2, 0.1), (4, 0.25), (8, 0.5)])
def test_amdahls_law_is_its_own_inverse(devices: int, serial: float) -> None:
    speed_up = 1 / (serial + (1 - serial) / devices)
    scaling = Scaling(devices=devices, one=100.0, every=100.0 * speed_up)
    assert scaling.serial_share == pytest.approx(serial)
