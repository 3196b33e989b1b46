"""``--waivers``: what a person sees of them, and what they do to a run."""

from __future__ import annotations

import datetime as dt
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from acceptance_suite import Suite

TODAY = dt.datetime.now(dt.UTC).date()
TOMORROW = TODAY + dt.timedelta(days=1)


def waivers(suite: Suite, *entries: tuple[str, dt.date]) -> list[str]:
    file: Path = suite.folder / "waivers.toml"
    file.write_text(
        "".join(
            f'[[waiver]]\ncheck = "{check}"\nreason = "the disk is ordered"\nuntil = {until}\n'
            for check, until in entries
        )
    )
    return ["--waivers", str(file)]


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_waived_failure_is_shown_and_does_not_reject(
    suite: Suite, workers: tuple[str, ...]
) -> None:
    report = suite.folder / "junit.xml"
    given = waivers(suite, ("hardware/disk_*", TOMORROW))
    ran = suite.run(*suite.record("disk_full"), *given, *workers, f"--junitxml={report}")
    assert ran.code == 0, ran.out
    assert "✗ fail  hardware/disk_space" in ran.out
    assert f"waived until {TOMORROW} because: the disk is ordered" in ran.out
    assert "1 waived" in ran.out
    assert "not met" not in ran.out
    assert ran.found["disk_full"]["verdict"] == "accepted"
    found = ran.results("disk_full")["hardware/disk_space"]
    assert found.status == "fail"
    assert found.waived is not None
    cases = {case.get("name"): case for case in ET.parse(report).iter("testcase")}
    case = cases["test_disk_space[disk_full]"]
    assert case.find("failure") is None
    assert "the disk is ordered" in str(next(case.iter("property")).get("value"))


def test_what_could_not_be_measured_is_not_waived(suite: Suite) -> None:
    given = waivers(suite, ("*", TOMORROW))
    ran = suite.run(*suite.record("disk_hung"), *given)
    assert ran.code == 1
    assert ran.found["disk_hung"]["verdict"] == "incomplete"


def test_a_stale_waiver_is_a_warning_of_its_own(suite: Suite) -> None:
    given = waivers(
        suite,
        ("hardware/disk_space", TOMORROW),
        ("hardware/memory", TODAY - dt.timedelta(days=1)),
        ("hardware/typo", TOMORROW),
    )
    ran = suite.run(*suite.record("healthy"), *given)
    assert ran.code == 0
    assert ran.found["healthy"]["verdict"] == "accepted with warnings"
    said = {check: one.message for check, one in ran.results("healthy").items()}
    assert said["waivers/hardware/disk_space"].startswith("hardware/disk_space passed")
    assert said["waivers/hardware/memory"].startswith("it ended on")
    assert said["waivers/hardware/typo"].startswith("there is no such check")
    assert "! warn  waivers/hardware/disk_space" in ran.out
    assert "waivers.toml, line 1 (waiver 1)" in ran.out


@pytest.mark.parametrize(
    "selection", [("-k", "memory"), ("-m", "driver"), ("-n", "1", "-k", "memory")]
)
def test_a_part_of_the_checks_says_nothing_about_the_others_waivers(
    suite: Suite, selection: tuple[str, ...]
) -> None:
    given = waivers(suite, ("hardware/disk_space", TOMORROW), ("hardware/typo", TOMORROW))
    ran = suite.run(*suite.record("healthy"), *given, *selection)
    assert not any(check.startswith("waivers/") for check in ran.results("healthy"))


def test_a_wrong_file_is_wrong_usage(suite: Suite) -> None:
    file = suite.folder / "bad.toml"
    file.write_text('\n[[waiver]]\ncheck = "x"\nreason = "y"\nuntil = "soon"\n')
    ran = suite.run(*suite.record("healthy"), "--waivers", str(file))
    assert ran.code == 4
    assert "bad.toml, line 2 (waiver 1): 'until'" in ran.out
    assert "Traceback" not in ran.out
