"""Markers and selections, as pytest's users know them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import msgspec
import pytest
import rig_cases

from checks.collect import MARKERS
from provision.facts.reading import to_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from acceptance_suite import Ran, Suite

CHECK = """
import pytest
from checks.question import question
@pytest.mark.root
@question('May we?', expected='x', source='y', remedy='z')
def test_needs_root(rig, measure): measure.found('as root')
"""


@pytest.fixture(scope="module")
def marked(suite: Suite) -> Iterator[Suite]:
    """With a check in the chapter that few machines reach, and one that needs root."""
    timed = suite.checks / "performance" / "test_made_timed.py"
    timed.parent.mkdir(exist_ok=True)
    timed.write_text(CHECK.replace("needs_root", "made_timed").replace("@pytest.mark.root\n", ""))
    rooted = suite.checks / "driver" / "test_made_root.py"
    rooted.write_text(CHECK)
    yield suite
    timed.unlink()
    rooted.unlink()


def chapters(ran: Ran) -> set[str]:
    return {check.partition("/")[0] for check in ran.results("made_gtx1060x2")}


CHAPTERS = {"hardware", "driver", "runtime", "performance", "training"}


@pytest.mark.parametrize(
    ("marker", "expected"),
    [(chapter, {chapter}) for chapter in sorted(CHAPTERS)]
    + [
        ("quick", {"hardware", "driver", "runtime"}),
        ("not quick", {"performance", "training"}),
        ("hardware or training", {"hardware", "training"}),
    ],
)
def test_a_marker_selects_its_chapter(marked: Suite, marker: str, expected: set[str]) -> None:
    assert chapters(marked.run(*marked.record("made_gtx1060x2"), "-m", marker)) == expected


def test_every_marker_is_known_to_pytest_and_explained(suite: Suite) -> None:
    ran = suite.run("--markers")
    for marker, meaning in MARKERS.items():
        assert f"@pytest.mark.{marker}: {meaning}" in ran.out


def with_privilege(suite: Suite, privilege: str) -> Ran:
    plain = rig_cases.transcript("healthy")
    transcript = msgspec.structs.replace(plain, target=privilege, privilege=privilege)
    file = suite.folder / f"{privilege}.json"
    file.write_bytes(to_json(transcript))
    return suite.run("--transcript", str(file), "-k", "needs_root")


@pytest.mark.parametrize("privilege", ["root", "sudo", "password"])
def test_with_root_it_is_asked(marked: Suite, privilege: str) -> None:
    found = with_privilege(marked, privilege).results(privilege)["driver/needs_root"]
    assert (found.status, found.message) == ("pass", "as root")


def test_without_root_it_is_neither_a_pass_nor_a_fault(marked: Suite) -> None:
    ran = with_privilege(marked, "none")
    found = ran.results("none")["driver/needs_root"]
    assert found.status == "error"
    assert "this needs root" in found.message
    assert "-m 'not root'" in ran.out
    assert ran.found["none"]["verdict"] == "incomplete"


def test_root_can_be_left_out(marked: Suite) -> None:
    ran = marked.run(*marked.record("made_gtx1060x2"), "-m", "driver and not root")
    assert "driver/needs_root" not in ran.results("made_gtx1060x2")
    assert chapters(ran) == {"driver"}


def test_several_rigs_with_workers_selection_and_junit(suite: Suite) -> None:
    report = suite.folder / "several.xml"
    options = [*suite.record("disk_full"), *suite.record("made_smi_hung")]
    ran = suite.run(*options, "-n", "2", "-k", "disk or smi", f"--junitxml={report}")
    names = {case.get("name") for case in ET.parse(report).iter("testcase")}
    assert "test_disk_space[disk_full]" in names
    assert "test_nvidia_smi_answers[made_smi_hung]" in names
    assert "fail  disk_full: hardware/disk_space" in ran.out
    assert "fail  made_smi_hung: driver/nvidia_smi_answers" in ran.out
    assert "disk_full: rejected" in ran.out


def test_one_check_by_its_place(suite: Suite) -> None:
    ran = suite.run(*suite.record("healthy"), select="/hardware/test_disk.py")
    assert set(ran.results("healthy")) == {"hardware/disk_space", "hardware/disk_inodes"}


def test_last_failed_with_workers(suite: Suite) -> None:
    options = [*suite.record("disk_full"), "-m", "hardware"]
    suite.run(*options)
    again = suite.run(*options, "--lf", "-n", "2")
    assert list(again.results("disk_full")) == ["hardware/disk_space"]
    assert again.code == 1


def test_one_check_as_its_page_says(suite: Suite) -> None:
    ran = suite.run(*suite.record("healthy"), select="/hardware/test_disk.py::test_disk_space")
    assert set(ran.results("healthy")) == {"hardware/disk_space"}
