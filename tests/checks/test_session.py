"""The suite as pytest's users know it: options, selection, workers, reports, exit codes."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from checks.options import CHAPTERS

if TYPE_CHECKING:
    from acceptance_suite import Suite

NOBODY = "nobody@127.0.0.1:9"
"""Port 9 of this machine: nothing listens there."""


def test_a_healthy_rig_is_accepted(suite: Suite) -> None:
    ran = suite.run(*suite.record("healthy"))
    assert ran.code == 0, ran.out
    assert "✓ pass  hardware/disk_space" in ran.out
    assert " healthy: accepted " in ran.out


def test_a_warning_is_shown_and_accepted(suite: Suite) -> None:
    ran = suite.run(*suite.record("reboot"))
    assert ran.code == 0
    assert "! warn  driver/reboot_pending" in ran.out
    assert "remedy:   sudo reboot" in ran.out
    assert "1 warned" in ran.out


def test_a_finding_is_one_readable_line_without_a_traceback(suite: Suite) -> None:
    ran = suite.run(*suite.record("disk_full"))
    assert ran.code == 1
    assert "✗ fail  hardware/disk_space" in ran.out
    assert "Traceback" not in ran.out
    assert "assert " not in ran.out


def test_a_broken_check_is_no_pass_and_shows_its_traceback_when_asked(suite: Suite) -> None:
    broken = suite.checks / "hardware" / "test_broken.py"
    broken.write_text(
        "from checks.question import question\n"
        "@question('Well?', expected='x', source='y', remedy='z')\n"
        "def test_broken(rig): raise KeyError('oops')\n"
    )
    try:
        quiet = suite.run(*suite.record("healthy"), "-k", "broken")
        loud = suite.run(*suite.record("healthy"), "-k", "broken", "-v")
    finally:
        broken.unlink()
    assert (quiet.code, quiet.found["healthy"]["verdict"]) == (1, "incomplete")
    assert "? error hardware/broken" in quiet.out
    assert "the check itself failed: KeyError: 'oops'" in quiet.out
    assert "raise KeyError" not in quiet.out
    assert "raise KeyError" in loud.out


@pytest.mark.parametrize(
    ("action", "options", "message"),
    [
        ("raise KeyboardInterrupt", (), ""),
        ("import os; os._exit(9)", ("-n", "1", "--max-worker-restart=0"), "crashed"),
    ],
)
def test_a_run_that_is_cut_accepts_nothing(
    suite: Suite, action: str, options: tuple[str, ...], message: str
) -> None:
    cutting = suite.checks / "training" / "test_cutting.py"
    cutting.write_text(
        "from checks.question import question\n"
        "@question('Well?', expected='x', source='y', remedy='z')\n"
        f"def test_cutting(rig): {action}\n"
    )
    try:
        ran = suite.run(*suite.record("healthy"), *options)
    finally:
        cutting.unlink()
    assert ran.code != 0
    assert ran.found["healthy"]["verdict"] == "incomplete", ran.out
    assert message in ran.out


def test_an_unreachable_rig_is_one_error(suite: Suite) -> None:
    ran = suite.run("--rig", NOBODY)
    assert ran.code == 1
    assert list(ran.results(NOBODY)) == ["connection/reachable"]
    assert ran.found[NOBODY]["verdict"] == "incomplete"
    assert ran.out.count("nothing listens on port 9 of 127.0.0.1") == 1
    assert "Traceback" not in ran.out


@pytest.mark.parametrize("selection", [("-m", "driver"), ("-k", "disk"), ("-n", "2"), ("-q",)])
def test_no_selection_hides_an_unreachable_rig(suite: Suite, selection: tuple[str, ...]) -> None:
    ran = suite.run("--rig", NOBODY, *suite.record("healthy"), *selection)
    assert ran.code == 1
    assert ran.found[NOBODY]["verdict"] == "incomplete"
    assert ran.found["healthy"]["verdict"] == "accepted"


def test_workers_find_what_one_process_finds(suite: Suite) -> None:
    options = [*suite.record("disk_full"), *suite.record("made_smi_hung")]
    one, two = suite.run(*options), suite.run(*options, "-n", "2")
    for rig in ("disk_full", "made_smi_hung"):
        found = [
            {check: (result.status, result.message) for check, result in ran.results(rig).items()}
            for ran in (one, two)
        ]
        assert found[0] == found[1]
    assert one.code == two.code == 1


def test_chapters_come_in_order(suite: Suite) -> None:
    ran = suite.run(*suite.record("healthy"))
    chapters = [check.partition("/")[0] for check in ran.results("healthy")]
    assert tuple(dict.fromkeys(chapters)) == CHAPTERS


def test_junit_has_failures_skips_and_warnings(suite: Suite) -> None:
    path = suite.folder / "junit.xml"
    options = [*suite.record("disk_full"), *suite.record("reboot")]
    suite.run(*options, "--junitxml", str(path))
    root = ET.fromstring(path.read_text())
    cases = {case.get("name"): case for case in root.iter("testcase")}
    failure = cases["test_disk_space[disk_full]"].find("failure")
    assert failure is not None
    assert "97% used" in str(failure.get("message"))
    assert cases["test_driver_loaded[reboot]"].find("skipped") is not None
    warned = cases["test_reboot_pending[reboot]"]
    assert warned.find("failure") is None
    assert "a reboot is pending" in str(next(warned.iter("property")).get("value"))


def test_last_failed_and_first_failure(suite: Suite) -> None:
    options = [*suite.record("disk_full"), "-m", "hardware"]
    first = suite.run(*options, "-x")
    assert list(first.results("disk_full"))[-1] == "hardware/disk_space"
    again = suite.run(*options, "--lf")
    assert list(again.results("disk_full")) == ["hardware/disk_space"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--rig", "user:secret@host"], "a password in a target is refused"),
        (["--rig", "local", "--rig", "local"], "local is named twice"),
        (["--transcript", "missing.json"], "cannot be read: No such file or directory"),
        (["--inventory", "missing.ini"], "there is no such inventory"),
        (["--plan", "checks.md"], "is not a plan"),
    ],
)
def test_wrong_usage_is_said_in_words(suite: Suite, options: list[str], complaint: str) -> None:
    (suite.folder / "checks.md").write_text("no JSON")
    ran = suite.run(*options)
    assert ran.code == 4
    assert complaint in ran.out
    assert "Traceback" not in ran.out
    assert "secret" not in ran.out


def test_rigs_of_an_inventory(suite: Suite) -> None:
    inventory = suite.folder / "hosts.ini"
    inventory.write_text("[rigs]\none ansible_host=127.0.0.1 ansible_port=9 ansible_user=nobody\n")
    ran = suite.run("--inventory", str(inventory))
    assert list(ran.found) == ["one"]
    assert "nothing listens on port 9 of 127.0.0.1" in ran.out


def test_only_skips_conclude_nothing(suite: Suite) -> None:
    ran = suite.run(*suite.record("healthy"), "-m", "training")
    assert (ran.code, ran.found["healthy"]["verdict"]) == (1, "incomplete")


def test_collecting_alone_concludes_nothing(suite: Suite) -> None:
    ran = suite.run(*suite.record("healthy"), "--collect-only", "-q")
    assert ran.code == 0
    assert "test_disk_space[healthy]" in ran.out
    assert "accepted" not in ran.out


def test_a_terminal_that_knows_only_ascii(suite: Suite) -> None:
    ran = suite.run(
        *suite.record("healthy"), before=["env", "PYTHONIOENCODING=ascii", "PYTHONUTF8=0"]
    )
    assert ran.code == 0, ran.out
    assert "+ pass  hardware/disk_space" in ran.out
