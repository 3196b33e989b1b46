"""The kernel's log: what its lines mean, how they are chosen on the rig, and that no line breaks it."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from hostile_answers import HUNG, QUICK, answers, outcomes, said, torture, whole_facts
from hypothesis import given

from provision import catalogue
from provision.facts.health import journal

if TYPE_CHECKING:
    from pathlib import Path

    from provision.facts.health.journal import Journal
    from provision.facts.reading import Outcome

SAMPLE = """\
path=/sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0
source=dmesg
= [    5.100000] nvidia: loading out-of-tree module taints kernel.
= [   10.000000] NVRM: Xid (PCI:0000:01:00): 31, pid=812, name=python, Ch 00000008, intr 00000000. MMU Fault
= [   11.000000] NVRM: Xid (PCI:0000:01:00): 31, pid=813, name=python, Ch 00000009
= [   12.000000][  T812] NVRM: Xid (PCI:0000:C1:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.
= [   13.000000] kernel: NVRM: Xid (0000:02:00): 62, 0096(1c54) 00000000
= [   14.000000] nvidia-nvswitch3: SXid (PCI:0000:05:00.0): 28006, Non-fatal, Link 46 MC TS crumbstore MCTO
= [   15.000000] NVRM: GPU 0000:04:01.0: RmInitAdapter failed! (0x11:0x45:2525)
= [   16.000000] NVRM: GPU 0000:04:01.0: RmInitAdapter failed! (0x11:0x45:2525)
= [   20.000000] pcieport 0000:00:1b.2: AER: Correctable error message received from 0000:01:00.0
= [   20.000001] nvidia 0000:01:00.0: PCIe Bus Error: severity=Correctable, type=Physical Layer, (Receiver ID)
= [   21.000000] pcieport 0000:00:01.0: AER: Multiple Uncorrected (Non-Fatal) error received: 0000:00:01.0
= [   22.000000] nvidia 0000:01:00.0: AER: can't recover (no error_detected callback)
= [   30.000000] mce: [Hardware Error]: Machine check events logged
= [   31.000000] EDAC MC0: 1 CE memory read error on CPU_SrcID#0_MC#0_Chan#0_DIMM#0
since=0.000000
lines=1332
whole=yes
skipped=7
"""
STRANGE = (
    "= [99999999999999.0] NVRM: Xid (PCI:0000:01:00): 999999999999999, x",
    "= NVRM: Xid (PCI:" + "0" * 300 + "): 1",
    "= [1.0] " + "AER: " * 70,
    "source=/etc/passwd",
    "since=٣.٤",
    "path=" + "0000:01:00.0/" * 40,
)


def parse(out: str | Outcome) -> Journal:
    return journal.parse(answers(kernel_log=out))


def test_reports_are_counted_by_card_and_code() -> None:
    found = parse(SAMPLE)
    assert [(one.address, one.code, one.count) for one in found.xids] == [
        ("0000:01:00", 31, 2),
        ("0000:c1:00", 79, 1),
        ("0000:02:00", 62, 1),
    ]
    assert (found.xids[0].first, found.xids[0].last) == (10.0, 11.0)
    assert "GPU has fallen off the bus" in found.xids[1].text
    (switch,) = found.sxids
    assert (switch.address, switch.code) == ("0000:05:00.0", 28006)
    assert switch.text.startswith("Non-fatal, Link 46")
    assert (found.source, found.whole, found.skipped) == ("dmesg", True, 7)


def test_other_lines_of_the_driver_are_kept_once() -> None:
    found = parse(SAMPLE)
    failed = [line for line in found.driver if "RmInitAdapter" in line.text]
    assert [(line.count, line.first, line.last) for line in failed] == [(2, 15.0, 16.0)]
    assert not any("Xid" in line.text for line in found.driver)


def test_an_error_of_the_bus_that_is_stated_and_received_counts_once() -> None:
    found = {(one.address, one.severity): one.count for one in parse(SAMPLE).bus}
    assert found == {
        ("0000:01:00.0", "corrected"): 1,
        ("0000:00:01.0", "nonfatal"): 1,
        ("0000:01:00.0", "fatal"): 1,
    }


def test_machine_errors_and_the_ports_above_a_card() -> None:
    found = parse(SAMPLE)
    assert [line.first for line in found.machine] == [30.0, 31.0]
    assert found.paths == {"0000:01:00.0": ("0000:00:01.0", "0000:01:00.0")}


def test_a_log_that_was_not_read_says_why() -> None:
    assert parse("denied=dmesg: read kernel buffer failed\n").denied.startswith("dmesg: read")
    for out in ("", HUNG, said("", code=1), "source=elsewhere\n= NVRM: Xid (PCI:0000:01:00): 79\n"):
        found = parse(out)
        assert (found.source, found.xids) == ("", ())


def test_every_code_and_complaint_is_in_the_catalogue_once() -> None:
    known = catalogue.criteria().kernel_log
    codes = [code for row in known.xid for code in row.codes]
    assert len(codes) == len(set(codes))
    for code in (13, 31, 43, 45, 63, 68, 92, 109):
        row = known.find(code)
        assert row
        assert row.severity == "warn", "facebookresearch/gcm does not count it as critical"
    for code in (48, 62, 64, 74, 79, 94, 95, 119, 120, 140):
        row = known.find(code)
        assert row
        assert row.severity == "fail"
    assert known.find(4_000) is None
    patterns = [row.pattern for row in known.complaint]
    assert len(patterns) == len(set(patterns))
    for row in (*known.xid, *known.complaint):
        assert row.meaning == row.meaning.strip(" .")
        assert row.remedy


@QUICK
@given(outcomes(SAMPLE, STRANGE))
def test_any_answer_can_be_parsed(outcome: Outcome) -> None:
    whole_facts(answers(kernel_log=outcome))


def test_a_flood_can_be_parsed() -> None:
    torture(journal.parse, "kernel_log", SAMPLE, STRANGE)


# --- the reading itself, with the logs of programs that are not the system's own -------------------------------------

BOOT = "[    0.000000] Linux version 6.1.0-40-amd64\n[    1.000000] usb 1-1: new device\n"
XID = "[  100.000000] NVRM: Xid (PCI:0000:01:00): {}, pid=1\n"


def read(folder: Path, *, dmesg: str, journalctl: str = "", code: int = 0) -> Journal:
    """Run the reading with these answers of dmesg (which may refuse) and of journalctl."""
    for name, text, end in (
        ("dmesg", dmesg, code),
        ("journalctl", journalctl, 0 if journalctl else 1),
    ):
        (folder / f"{name}.txt").write_text(text)
        program = folder / name
        said_ = f"cat {folder}/{name}.txt" if not end else f"cat {folder}/{name}.txt >&2"
        program.write_text(f"#!/bin/sh\n{said_}\nexit {end}\n")
        program.chmod(0o755)
    (reading,) = journal.READINGS
    done = subprocess.run(
        ["sh", "-c", reading.command],
        env={"PATH": f"{folder}:{os.environ['PATH']}", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return parse(said(done.stdout, code=done.returncode, err=done.stderr))


@pytest.mark.subprocess
def test_the_ring_buffer_is_enough_where_it_begins_at_the_boot(tmp_path: Path) -> None:
    found = read(tmp_path, dmesg=BOOT + XID.format(79), journalctl=BOOT + XID.format(13))
    assert (found.source, found.whole) == ("dmesg", True)
    assert [one.code for one in found.xids] == [79]


@pytest.mark.subprocess
def test_the_journal_is_asked_where_the_buffer_has_wrapped(tmp_path: Path) -> None:
    kept = BOOT.replace("] ", "] kernel: ") + XID.format(13).replace("] ", "] kernel: ")
    found = read(tmp_path, dmesg=XID.format(79), journalctl=kept)
    assert (found.source, found.whole) == ("journal", True)
    assert [one.code for one in found.xids] == [13]


@pytest.mark.subprocess
def test_a_buffer_that_has_wrapped_without_a_journal_says_since_when(tmp_path: Path) -> None:
    found = read(tmp_path, dmesg=XID.format(79))
    assert (found.source, found.whole, found.since) == ("dmesg", False, 100.0)


@pytest.mark.subprocess
def test_the_journal_is_read_where_the_buffer_may_not_be(tmp_path: Path) -> None:
    found = read(tmp_path, dmesg="not permitted\n", code=1, journalctl=BOOT + XID.format(48))
    assert (found.source, [one.code for one in found.xids]) == ("journal", [48])


@pytest.mark.subprocess
def test_a_log_that_nobody_may_read_is_not_an_empty_one(tmp_path: Path) -> None:
    found = read(tmp_path, dmesg="dmesg: Operation not permitted\n", code=1)
    assert (found.source, found.denied) == ("", "dmesg: Operation not permitted")


@pytest.mark.subprocess
def test_of_a_flood_the_beginning_and_the_end_are_kept(tmp_path: Path) -> None:
    middle = "".join(f"[  {n}.000000] NVRM: Xid (PCI:0000:01:00): {n}, x\n" for n in range(5000))
    found = read(tmp_path, dmesg=BOOT + middle)
    codes = [one.code for one in found.xids]
    assert (codes[:2], codes[-1], len(codes), found.skipped) == ([0, 1], 4999, 2000, 3000)
