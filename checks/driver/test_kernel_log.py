"""What the driver wrote into the kernel's log since the boot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.conditions import (
    card,
    clock_time,
    full_address,
    nvswitches,
    require_driver,
    times,
)
from checks.kernel_log import reach, readable_log, told
from checks.question import question, warn_unless
from provision import catalogue
from provision.results import Status

if TYPE_CHECKING:
    from checks.question import Measure
    from checks.rigs import Rig
    from provision.catalogue.xid import Severity
    from provision.facts import Facts
    from provision.facts.gpus import PciDevice
    from provision.facts.health.journal import Journal, Report

_UNKNOWN = "a code that dlrig's catalogue does not have: see docs.nvidia.com/deploy/xid-errors"
_OFF_THE_BUS = 79


@pytest.fixture
def log(gpus: tuple[PciDevice, ...], rig: Rig) -> Journal:  # noqa: ARG001 - skips where there is none
    """The kernel's log; the checks end as ``error`` where it may not be read."""
    return readable_log(rig)


@question(
    "Did the driver report errors of a GPU (Xid)?",
    expected="no Xid since the boot; those that programs cause, and those that only inform, warn",
    source="NVIDIA's Xid catalogue; facebookresearch/gcm: 13, 31, 43, 45, 63, 68, 92, 109 are not critical",
    remedy="sudo dmesg | grep Xid",
)
def test_xid(log: Journal, facts: Facts, measure: Measure) -> None:
    """NVRM: Xid (PCI:…): code."""
    weighed = [(_weigh(report), report) for report in log.xids]
    # What weighs most first, else in the order of the log.
    weighed.sort(key=lambda pair: ("fail", "warn", "note").index(pair[0][0]))
    found = told([_say(report, facts) for _, report in weighed], log)
    measure.found(f"{found or 'none'} {reach(log, facts)}")
    if weighed:
        (_, remedy), worst = weighed[0]
        measure.remedy = remedy.replace("ADDRESS", full_address(facts, worst.address))
    severities = {severity for (severity, _), _ in weighed}
    assert "fail" not in severities, found
    warn_unless("warn" not in severities, found)


def _weigh(report: Report) -> tuple[Severity, str]:
    row = catalogue.criteria().kernel_log.find(report.code)
    return (row.weighs(report.text), row.remedy) if row else ("warn", "")


def _say(report: Report, facts: Facts) -> str:
    row = catalogue.criteria().kernel_log.find(report.code)
    last = f", last at {clock_time(facts, report.last)}"
    said = f" ({report.text[:100]})" if row is None or row.harmless else ""
    return (
        f"Xid {report.code} of {card(facts, report.address)}{times(report.count)}{last}: "
        f"{row.meaning if row else _UNKNOWN}{said}"
    )


@question(
    "Did the driver report errors of an NVSwitch (SXid)?",
    expected="no SXid since the boot",
    source="NVIDIA Fabric Manager user guide, NVSwitch SXid errors",
    remedy="sudo dmesg | grep SXid; sudo systemctl restart nvidia-fabricmanager; after a fatal one: sudo reboot. If "
    "it returns, report it to the maker of the machine.",
    severity=Status.WARN,
)
def test_sxid(rig: Rig, facts: Facts, measure: Measure) -> None:
    """nvidia-nvswitch0: SXid (PCI:…): code, Fatal or Non-fatal, link."""
    switches = nvswitches(facts)
    if not switches:
        pytest.skip("no NVSwitch in this machine")
    log = readable_log(rig)
    found = told(
        [
            f"SXid {one.code} of the NVSwitch at {full_address(facts, one.address)}{times(one.count)}, last at "
            f"{clock_time(facts, one.last)}: {one.text[:100]}"
            for one in log.sxids
        ],
        log,
    )
    measure.found(f"none of {len(switches)} NVSwitches {reach(log, facts)}")
    assert not log.sxids, found


@question(
    "Did the driver start every GPU without a complaint?",
    expected="none of the driver's known complaints since the boot",
    source="the driver's messages; provision/catalog/xid.toml",
    remedy="sudo dmesg | grep -i nvrm",
)
def test_driver_complaints(log: Journal, rig: Rig, facts: Facts, measure: Measure) -> None:
    """RmInitAdapter failed, a failed probe, API mismatch and the like."""
    require_driver(rig.facts)
    known = catalogue.criteria().kernel_log
    gone = [report.address for report in log.xids if report.code == _OFF_THE_BUS]
    # That a card is off the bus is said once, by its Xid.
    lines = [line for line in log.driver if not any(address in line.text for address in gone)]
    rows = [(row, line) for line in lines if (row := known.complaint_of(line.text))]
    rows = [(row, line) for row, line in rows if row.severity != "note"]
    rows.sort(key=lambda pair: pair[0].severity != "fail")
    found = told(
        [
            f"{row.meaning}{times(line.count)}, last at {clock_time(facts, line.last)}: {line.text[:150]}"
            for row, line in rows
        ],
        log,
    )
    measure.found(f"none {reach(log, facts)}")
    measure.remedy = rows[0][0].remedy if rows else ""
    assert not any(row.severity == "fail" for row, _ in rows), found
    warn_unless(not rows, found)
