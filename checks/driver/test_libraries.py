"""The driver's libraries, which every framework loads: are they found, and of the loaded driver's version?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.conditions import require_answers, require_driver, require_loaded
from checks.question import could_not_measure, question
from provision.facts.health import libraries

if TYPE_CHECKING:
    from checks.question import Measure
    from checks.rigs import Rig
    from provision.facts.gpus import PciDevice
    from provision.facts.health.libraries import Library


@question(
    "Can programs load the driver's libraries?",
    expected=f"{libraries.NVML} and {libraries.CUDA} load, and are not a toolkit's stubs",
    source="dlopen(3) on the rig; NVIDIA DCGM's software test",
    remedy="Install the driver's library packages again (dlrig up does); then: sudo ldconfig",
)
def test_libraries_load(gpus: tuple[PciDevice, ...], rig: Rig, measure: Measure) -> None:  # noqa: ARG001 - skips where there is none
    """As the dynamic linker finds them, /etc/environment included."""
    require_driver(rig.facts)
    found = _libraries(rig)
    measure.found(", ".join(one.path or one.name for one in found))
    missing = [f"{one.error or one.name}{_other(one)}" for one in found if not one.loads]
    assert not missing, "; ".join(missing)
    stubs = [one for one in found if one.stub]
    if stubs:
        measure.remedy = (
            "Take the folder 'stubs' out of LD_LIBRARY_PATH, /etc/environment and /etc/ld.so.conf.d; "
            "then: sudo ldconfig"
        )
    assert not stubs, (
        f"{', '.join(one.path for one in stubs)} is found first: a stub to link against, whose every call fails"
    )


@question(
    "Are the libraries of the loaded driver's version?",
    expected="the version in the name of the file that is loaded is the kernel module's",
    source="the driver refuses libraries of another version: 'API mismatch' in the kernel's log",
    remedy="sudo reboot; if it stays, another copy is found first: ldconfig -p | grep -e libcuda.so -e libnvidia-ml",
)
def test_libraries_version(gpus: tuple[PciDevice, ...], rig: Rig, measure: Measure) -> None:  # noqa: ARG001 - skips where there is none
    """A copy that no package owns is found by nobody else."""
    facts = rig.facts
    loaded, installed = require_loaded(facts), facts.driver.version
    if "mismatch" in facts.nvidia.trouble or (installed and installed != loaded):
        pytest.skip("another version is installed than is loaded: see driver/driver_version")
    found = _libraries(rig)
    if not all(one.loads and not one.stub for one in found):
        pytest.skip("a library does not load: see driver/libraries_load")
    nameless = [one.path or one.name for one in found if not one.version]
    if nameless:
        could_not_measure(f"the name of the file says no version: {', '.join(nameless)}")
    measure.found(f"{loaded}, as the module")
    others = [f"{one.path}" for one in found if one.version != loaded]
    assert not others, f"{loaded} is loaded, and programs get {', '.join(others)}"


def _libraries(rig: Rig) -> tuple[Library, Library]:
    require_answers(rig, libraries.NAME)
    found = rig.facts.health.libraries
    both = found.get(libraries.NVML), found.get(libraries.CUDA)
    unasked = [one.name for one in both if one.loads is None]
    if unasked:
        could_not_measure(f"the dynamic linker said nothing of {', '.join(unasked)}")
    return both


def _other(library: Library) -> str:
    if library.other and not library.known:
        return " (there are only 32-bit ones)"
    return f" (there is {library.known[0]})" if library.known else ""
