"""NVIDIA's driver as it is installed: is it whole, will it run after the next boot, and does it stay?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.question import could_not_measure, question, require_reading
from provision.facts.driver import State
from provision.results import Status

if TYPE_CHECKING:
    from checks.question import Measure
    from provision.facts import Facts
    from provision.facts.driver import Driver
    from provision.facts.gpus import PciDevice

_SHOWN = 4
"""Packages that a message names."""


@pytest.fixture
def driver(gpus: tuple[PciDevice, ...], facts: Facts) -> Driver:
    """The installed driver; the checks do not apply where there is none."""
    require_reading(facts, "driver")
    if not gpus or facts.driver.state is State.MISSING:
        pytest.skip("no driver is installed: see driver/driver_loaded")
    if facts.driver.state is State.UNKNOWN:
        could_not_measure("the reading 'driver' gave no answer")
    return facts.driver


@question(
    "Is the driver whole, of one version and one source?",
    expected="all its packages are configured, of one release, from one archive; nothing lies beside them",
    source="dpkg's list, and the files that NVIDIA's installer leaves",
    remedy="dlrig up says what is in the way. Take the driver as it is: dlrig up --adopt; replace it: "
    "dlrig up --purge-conflicts",
)
def test_driver_whole(driver: Driver, measure: Measure) -> None:
    """A mixture works until the next upgrade of a part of it."""
    adopted = driver.record is not None and driver.record.how == "adopted"
    why = driver.why or driver.state.value
    measure.found(
        f"{driver.version or driver.loaded}, taken as it is: {why}"
        if adopted
        else f"{driver.version}, {len(driver.packages)} packages"
    )
    if driver.state is State.BROKEN:
        measure.remedy = "dlrig up repairs it."
    accepted = {State.MANAGED, State.MIXED, State.UNMANAGED} if adopted else {State.MANAGED}
    assert driver.state in accepted, f"the driver is {driver.state.value}: {why}"


@question(
    "Will the driver run after the next boot?",
    expected="the installed driver's module is there for the kernel that boots next",
    source="GRUB's default entry and modinfo: DKMS leaves a kernel out without a word",
    remedy="sudo apt-get install linux-headers-$(uname -r); sudo dkms autoinstall; or let dlrig up do it",
)
def test_driver_module(driver: Driver, measure: Measure) -> None:
    """A kernel that was upgraded without its headers boots without GPUs."""
    kernel = driver.next_kernel or "the kernel that boots next"
    measure.found(f"{driver.module_next} for {kernel}")
    assert driver.module_next, f"there is no module for {kernel}, which boots next"
    assert driver.module_next == driver.version or not driver.version, (
        f"the module for {kernel} is {driver.module_next}, and {driver.version} is installed"
    )


@question(
    "Does the driver stay as it is?",
    expected="every package of the driver is held",
    source="unattended-upgrades replaces libraries under a loaded module: driver/library version mismatch",
    remedy="dlrig up holds them; by hand: sudo apt-mark hold, with the packages",
    severity=Status.WARN,
)
def test_driver_held(driver: Driver, measure: Measure) -> None:
    """What is not held changes by itself."""
    if not driver.packages:
        pytest.skip("no package has a part of the driver")
    loose = sorted(driver.packages.keys() - set(driver.held))
    measure.found(f"{len(driver.packages)} packages, all held")
    more = f" and {len(loose) - _SHOWN} more" if len(loose) > _SHOWN else ""
    assert not loose, (
        f"{len(loose)} of {len(driver.packages)} packages are not held: "
        f"{', '.join(loose[:_SHOWN])}{more}"
    )
