"""Each check passes on a rig that is well, and says what is wrong on one that is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import rig_cases

if TYPE_CHECKING:
    from acceptance_suite import Ran, Suite

PASS, WARN, FAIL, SKIP, ERROR = "pass", "warn", "fail", "skip", "error"

PROBES = {
    "runtime/environment_consistent[tensorflow]",
    "runtime/environment_imports[tensorflow]",
    "runtime/framework_sees_devices[tensorflow]",
    "training/cifar10_limit[tensorflow]",
    "training/cifar10_smoke[tensorflow]",
    "training/cifar10_steady[tensorflow]",
}
"""These run something on the rig: test_live_rig.py breaks them."""

EXPECTED = [
    ("healthy", "hardware/disk_space", PASS, "GiB free on / (ext4)"),
    ("disk_full", "hardware/disk_space", FAIL, "2.8 of 93.1 GiB free on / (ext4): 97% used"),
    ("disk_low", "hardware/disk_space", WARN, "3.7 of 37.3 GiB free"),
    ("disk_hung", "hardware/disk_space", ERROR, "'df_bytes' gave no answer: hung"),
    ("disk_hung", "hardware/readings_answered", ERROR, "df_bytes: hung"),
    ("disk_strange", "hardware/disk_space", ERROR, "df lists no file system"),
    ("healthy", "hardware/disk_inodes", PASS, "free on /"),
    ("inodes_gone", "hardware/disk_inodes", FAIL, "10 of 1,000,000 free on /: 100% used"),
    ("btrfs", "hardware/disk_inodes", SKIP, "no fixed number of inodes"),
    ("healthy", "hardware/memory", PASS, "23.5 GiB"),
    ("memory_small", "hardware/memory", FAIL, "1.9 GiB"),
    ("memory_small", "hardware/memory_available", WARN, "1.0 GiB available"),
    ("healthy", "hardware/memory_available", PASS, "22.6 GiB available"),
    ("memory_unread", "hardware/memory", ERROR, "Input/output error"),
    ("healthy", "hardware/cpu_readable", PASS, "2 cores"),
    ("lscpu_empty", "hardware/cpu_readable", ERROR, "counts no processors"),
    ("healthy", "hardware/cpu_instructions", PASS, "avx"),
    ("no_avx", "hardware/cpu_instructions", FAIL, "Pentium(R) CPU G4400 @ 3.30GHz has no AVX"),
    ("lscpu_empty", "hardware/cpu_instructions", ERROR, "lists no instruction sets"),
    ("healthy", "hardware/cpu_governor", SKIP, "no frequency scaling"),
    ("governed", "hardware/cpu_governor", PASS, "performance on 2"),
    ("powersave", "hardware/cpu_governor", WARN, "powersave on 2"),
    ("healthy", "hardware/system_supported", PASS, "Debian GNU/Linux 12"),
    ("unknown_system", "hardware/system_supported", FAIL, "Arch Linux"),
    ("arm", "hardware/system_supported", FAIL, "aarch64; supported is x86_64"),
    ("healthy", "hardware/readings_answered", PASS, "every reading answered"),
    ("healthy", "hardware/gpus_on_bus", SKIP, "no NVIDIA GPU in this machine"),
    ("made_gtx1060x2", "hardware/gpus_on_bus", PASS, "2: 10de:1c03 at 0000:01:00.0"),
    ("healthy", "driver/driver_loaded", SKIP, "no NVIDIA GPU in this machine"),
    ("made_gtx1060x2", "driver/driver_loaded", PASS, "535.261.03 (proprietary kernel module)"),
    ("made_no_driver", "driver/driver_loaded", FAIL, "nouveau drives the GPUs"),
    ("made_gtx1060x2", "driver/nvidia_smi_answers", PASS, "it lists 2 of 2"),
    ("made_no_driver", "driver/nvidia_smi_answers", FAIL, "nvidia-smi is not installed"),
    ("made_smi_hung", "driver/nvidia_smi_answers", FAIL, "hung: no answer within its time limit"),
    ("made_off_the_bus", "driver/nvidia_smi_answers", FAIL, "a GPU has fallen off the bus"),
    ("made_gtx1060x2", "driver/gpu_count", PASS, "2: NVIDIA GeForce GTX 1060 6GB"),
    (
        "made_card_missing",
        "driver/gpu_count",
        FAIL,
        "1 in nvidia-smi, 2 on the bus; missing: 0000:02",
    ),
    ("made_smi_hung", "driver/gpu_count", SKIP, "see driver/nvidia_smi_answers"),
    ("made_gtx1060x2", "driver/driver_version", PASS, "535.261.03 on 2 GPUs"),
    ("made_mismatch", "driver/driver_version", FAIL, "Driver/library version mismatch"),
    ("made_upgraded", "driver/driver_version", FAIL, "535.261.03 is loaded, nvidia-smi states"),
    (
        "made_waiting_for_boot",
        "driver/driver_version",
        FAIL,
        "535.261.03 is loaded, 535.309.01 is installed",
    ),
    ("healthy", "driver/driver_whole", SKIP, "no NVIDIA GPU in this machine"),
    ("made_gtx1060x2", "driver/driver_whole", PASS, "535.261.03, 2 packages"),
    ("made_mixed", "driver/driver_whole", FAIL, "mixed: packages from several sources"),
    ("made_unmanaged", "driver/driver_whole", FAIL, "unmanaged: no package owns it"),
    ("made_no_module", "driver/driver_whole", FAIL, "broken: the driver has no module"),
    ("made_adopted", "driver/driver_whole", PASS, "taken as it is"),
    ("made_no_driver", "driver/driver_whole", SKIP, "see driver/driver_loaded"),
    ("made_driver_hung", "driver/driver_whole", ERROR, "'driver' gave no answer: hung"),
    ("healthy", "driver/driver_module", SKIP, "no NVIDIA GPU in this machine"),
    ("made_gtx1060x2", "driver/driver_module", PASS, "535.261.03 for 6.1.0-40-amd64"),
    ("made_no_module", "driver/driver_module", FAIL, "no module for 6.1.0-41-amd64"),
    (
        "made_old_module",
        "driver/driver_module",
        FAIL,
        "is 535.216.01, and 535.261.03 is installed",
    ),
    ("healthy", "driver/driver_held", SKIP, "no NVIDIA GPU in this machine"),
    ("made_gtx1060x2", "driver/driver_held", PASS, "2 packages, all held"),
    ("made_loose", "driver/driver_held", WARN, "1 of 2 packages are not held: libcuda1"),
    ("made_unmanaged", "driver/driver_held", SKIP, "no package has a part of the driver"),
    ("healthy", "driver/packages_whole", PASS, "none half installed"),
    ("dpkg_broken", "driver/packages_whole", FAIL, "packages are half installed"),
    ("healthy", "driver/reboot_pending", PASS, "no reboot pending"),
    ("reboot", "driver/reboot_pending", WARN, "asked for by linux-image-6.1.0-41-amd64"),
    ("healthy", "runtime/plan_possible", PASS, "tensorflow 2.21.0 on Python 3.11 (venv)"),
    ("healthy", "runtime/environment_present[tensorflow]", PASS, "2 packages on Python 3.11.2"),
    ("unfinished", "runtime/environment_present[tensorflow]", FAIL, "was never finished"),
    ("python_dead", "runtime/environment_present[tensorflow]", FAIL, "does not start"),
    ("drifted", "runtime/environment_present[tensorflow]", FAIL, "numpy 2.4.0 became 1.26.4"),
    ("drifted", "runtime/environment_present[tensorflow]", FAIL, "tensorflow_cpu 2.21.0 is gone"),
    ("other_requirements", "runtime/environment_present[tensorflow]", FAIL, "was made without"),
    ("hostile", "hardware/system_supported", PASS, "[31mred"),
    ("hostile", "hardware/disk_space", ERROR, "df lists no file system"),
    ("hostile", "runtime/environment_present[tensorflow]", FAIL, "is not there"),
    *[
        ("healthy", check, SKIP, "recorded transcript: nothing can be run")
        for check in sorted(PROBES)
    ],
]

VERDICTS = {
    "healthy": "accepted",
    "powersave": "accepted with warnings",
    "reboot": "accepted with warnings",
    "made_gtx1060x2": "accepted",
    "made_adopted": "accepted",
    "made_loose": "accepted with warnings",
    "made_no_module": "rejected",
    "made_driver_hung": "incomplete",
    "disk_full": "rejected",
    "disk_hung": "incomplete",
    "made_smi_hung": "rejected",
    "hostile": "rejected",
}


@pytest.fixture(scope="module")
def ran(suite: Suite) -> Ran:
    """All cases in one run: each is a rig of its own."""
    return suite.run(*[option for case in rig_cases.CHANGES for option in suite.record(case)])


@pytest.mark.parametrize(("case", "check", "status", "message"), EXPECTED)
def test_a_check_concludes(ran: Ran, case: str, check: str, status: str, message: str) -> None:
    result = ran.results(case)[check]
    assert (result.status, message) == (status, message if message in result.message else result)


@pytest.mark.parametrize(("case", "verdict"), VERDICTS.items())
def test_the_verdict_follows(ran: Ran, case: str, verdict: str) -> None:
    assert ran.found[case]["verdict"] == verdict
    assert f" {case}: {verdict} " in ran.out


def test_what_is_not_met_says_what_to_do(ran: Ran) -> None:
    for case in rig_cases.CHANGES:
        for result in ran.results(case).values():
            assert result.question.endswith("?")
            assert result.expected
            assert result.source
            assert bool(result.remedy) == (result.status in {"warn", "fail", "error"}), result


def test_the_remedy_fits_the_exit_code(ran: Ran) -> None:
    assert "Power off" in ran.results("made_off_the_bus")["driver/nvidia_smi_answers"].remedy
    assert ran.results("made_mismatch")["driver/driver_version"].remedy == "sudo reboot"


def test_a_hostile_rig_does_not_drive_the_terminal(ran: Ran) -> None:
    assert "\x1b" not in ran.out
    assert "\x07" not in ran.out


def test_gpus_that_the_plan_does_not_know(suite: Suite) -> None:
    transcript = suite.record("made_gtx1060x2")[:2]
    ran = suite.run(*transcript, *suite.plan("healthy"), "-k", "gpus_on_bus")
    result = ran.results("made_gtx1060x2")["hardware/gpus_on_bus"]
    assert (result.status, ran.code) == (FAIL, 1)
    assert "but the plan is for none" in result.message


def test_a_rig_that_cannot_be_planned(suite: Suite) -> None:
    ran = suite.run(*suite.record("unknown_system")[:2])
    results = ran.results("unknown_system")
    assert results["runtime/plan_possible"].status == FAIL
    assert "Arch Linux is not supported" in results["runtime/plan_possible"].message
    assert results["runtime/environment_present"].status == SKIP
    assert ran.found["unknown_system"]["plan"] is None


def test_a_plan_is_computed_where_none_is_given(suite: Suite) -> None:
    ran = suite.run(*suite.record("healthy")[:2], "-k", "plan_possible")
    assert ran.results("healthy")["runtime/plan_possible"].status == PASS
    assert ran.code == 0
