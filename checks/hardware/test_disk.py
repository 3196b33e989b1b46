"""Room on the file system that the environments lie on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.question import could_not_measure, question, require_reading, warn_unless
from provision.layout import PREFIX

if TYPE_CHECKING:
    from checks.question import Measure
    from provision.facts import Facts
    from provision.facts.disks import FileSystem

GIB = 2**30
FULL = 0.95
"""Share used."""

LOW = 5 * GIB
_REMEDY = (
    "See what takes it: sudo du -xh --max-depth=2 {} | sort -h | tail; or mount a larger disk at {}"
)


@question(
    "Is there room for the environments?",
    expected=f"less than {FULL:.0%} used (else fail), {LOW / GIB:g} GiB free (else warn)",
    source="95 %: what the acceptance suites of GPU clusters agree on; 5 GiB: one environment more",
    remedy=_REMEDY.format("/", PREFIX),
)
def test_disk_space(facts: Facts, measure: Measure) -> None:
    """Bytes."""
    require_reading(facts, "df_bytes")
    disk = _disk(facts)
    if disk.size is None or disk.used is None or disk.free is None or not disk.used + disk.free:
        could_not_measure(f"df gives no size for {disk.mount}")
    # As df counts: what the file system keeps for root is neither used nor free.
    used = disk.used / (disk.used + disk.free)
    found = f"{disk.free / GIB:.1f} of {disk.size / GIB:.1f} GiB free on {disk.mount} ({disk.type})"
    measure.found(found)
    assert used < FULL, f"{found}: {used:.0%} used"
    warn_unless(disk.free >= LOW, found)


@question(
    "Are there inodes for the environments' files?",
    expected=f"less than {FULL:.0%} used",
    source="an environment with TensorFlow holds about 30,000 files",
    remedy="Find the folder with most files: sudo du --inodes -x / | sort -n | tail",
)
def test_disk_inodes(facts: Facts, measure: Measure) -> None:
    """Files that can still be made."""
    require_reading(facts, "df_inodes")
    disk = _disk(facts)
    if disk.inodes is None or disk.inodes_free is None:
        could_not_measure(f"df gives no inodes for {disk.mount}")
    if disk.inodes == 0:
        pytest.skip(f"{disk.type} on {disk.mount} has no fixed number of inodes")
    used = 1 - disk.inodes_free / disk.inodes
    found = f"{disk.inodes_free:,} of {disk.inodes:,} free on {disk.mount}"
    measure.found(found)
    assert used < FULL, f"{found}: {used:.0%} used"


def _disk(facts: Facts) -> FileSystem:
    disk = facts.disks.holding(PREFIX)
    if disk is None:
        could_not_measure(f"df lists no file system that {PREFIX} lies on")
    return disk
