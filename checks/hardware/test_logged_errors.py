"""What the kernel logged of the bus that the GPUs are on, of processors and of memory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from checks.conditions import card, clock_time, times
from checks.kernel_log import reach, readable_log, told
from checks.question import question
from provision.results import Status

if TYPE_CHECKING:
    from checks.question import Measure
    from checks.rigs import Rig
    from provision.facts import Facts
    from provision.facts.gpus import PciDevice

_UNCORRECTED = re.compile(
    r"\bUE\b|uncorrect|fatal|deferred|recoverable|memory failure", re.IGNORECASE
)
_CORRECTED = re.compile(r"\bCE\b|correct", re.IGNORECASE)


@question(
    "Did the PCI Express links of the GPUs have errors that nothing corrected?",
    expected="none logged since the boot, of the cards and of the ports above them; corrected ones are only counted",
    source="the kernel's PCIe AER messages; facebookresearch/gcm: uncorrectable ones are a finding",
    remedy="Seat the card and its riser again, try another slot, update the firmware of the machine; "
    "sudo dmesg | grep AER",
    severity=Status.WARN,
)
def test_bus_errors(gpus: tuple[PciDevice, ...], rig: Rig, facts: Facts, measure: Measure) -> None:
    """Advanced error reporting, as it was logged."""
    log = readable_log(rig)
    above = {
        port: gpu.address for gpu in gpus for port in log.paths.get(gpu.address, (gpu.address,))
    }
    ours = [error for error in log.bus if error.address in above]
    corrected = sum(error.count for error in ours if error.severity == "corrected")
    measure.found(f"none {reach(log, facts)}; {corrected} corrected")
    found = [
        f"{error.severity} at {error.address}, {_place(facts, error.address, above)}{times(error.count)}, last at "
        f"{clock_time(facts, error.last)}"
        for error in ours
        if error.severity != "corrected"
    ]
    assert not found, told(found, log)


def _place(facts: Facts, address: str, above: dict[str, str]) -> str:
    below = card(facts, above[address])
    return below if above[address] == address else f"the port above {below}"


@question(
    "Did processors and memory report errors?",
    expected="no machine check, and no memory error that was not corrected, since the boot",
    source="the kernel's MCE, EDAC and APEI messages; facebookresearch/gcm",
    remedy="sudo dmesg | grep -i -e mce -e edac -e 'hardware error'; test the memory (memtest86+), replace the module "
    "that is named",
    severity=Status.WARN,
)
def test_machine_errors(rig: Rig, facts: Facts, measure: Measure) -> None:
    """Machine checks, EDAC, firmware's reports."""
    log = readable_log(rig)
    bad = [line for line in log.machine if _UNCORRECTED.search(line.text)]
    corrected = [line for line in log.machine if line not in bad and _CORRECTED.search(line.text)]
    # Without a word of how it ended, a machine check is not known to be harmless.
    bad = bad or ([] if corrected else list(log.machine))
    count = sum(line.count for line in corrected)
    measure.found(f"none {reach(log, facts)}" + (f"; {count} corrected" if count else ""))
    found = [
        f"{line.text[:150]}{times(line.count)}, last at {clock_time(facts, line.last)}"
        for line in bad
    ]
    assert not found, told(found, log)
