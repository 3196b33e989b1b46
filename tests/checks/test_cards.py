"""The checks of cards and bus: each passes on a rig that is well, and says what is wrong on one that is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cards_cases
import msgspec
import pytest

if TYPE_CHECKING:
    from acceptance_suite import Ran, Suite

PASS, WARN, FAIL, SKIP, ERROR = "pass", "warn", "fail", "skip", "error"

EXPECTED = [
    ("gtx1060x2", "hardware/gpu_fields", PASS, "every field answered (all 2 GPUs)"),
    ("field_unknown", "hardware/gpu_fields", WARN, "'Unknown Error' for fan_speed"),
    ("field_lost", "hardware/gpu_fields", FAIL, "GTX 1060 6GB, 0000:02:00.0): 'GPU is lost'"),
    ("core_unknown", "hardware/gpu_fields", FAIL, "'Unknown Error' for gpu_temp"),
    ("smi_query_hung", "hardware/gpu_fields", ERROR, "'smi_query' gave no answer: hung"),
    ("smi_query_cut", "hardware/gpu_fields", ERROR, "is no whole XML document"),
    ("smi_query_bomb", "hardware/gpu_fields", ERROR, "is no whole XML document"),
    ("smi_hung", "hardware/gpu_fields", SKIP, "see driver/nvidia_smi_answers"),
    ("not_loaded", "hardware/gpu_fields", SKIP, "see driver/driver_loaded"),
    ("a100", "hardware/gpu_recovery", PASS, "no action asked for"),
    ("reset_asked", "hardware/gpu_recovery", FAIL, "asks for 'Reset': the card must be reset"),
    ("reset_asked_old", "hardware/gpu_recovery", FAIL, "asks for 'Reset'"),
    ("strange_asked", "hardware/gpu_recovery", FAIL, "asks for 'Call Somebody'"),
    ("h100x8", "hardware/ecc_mode", PASS, "ECC on (all 8 GPUs)"),
    ("gtx1060x2", "hardware/ecc_mode", SKIP, "NVIDIA GeForce GTX 1060 6GB has no ECC"),
    ("ecc_off", "hardware/ecc_mode", WARN, "A100 80GB PCIe, 0000:01:00.0): ECC is off"),
    ("ecc_off_workstation", "hardware/ecc_mode", PASS, "ECC off"),
    ("ecc_waits", "hardware/ecc_mode", WARN, "ECC is on, and off after the next restart"),
    ("a100", "hardware/ecc_uncorrected", PASS, "0 uncorrected, 0 corrected errors"),
    ("ecc_corrected", "hardware/ecc_uncorrected", PASS, "0 uncorrected, 17 corrected errors"),
    ("ecc_dram", "hardware/ecc_uncorrected", FAIL, "since the driver was loaded: 3"),
    ("ecc_double_bit", "hardware/ecc_uncorrected", FAIL, "since the driver was loaded: 2"),
    ("ecc_off", "hardware/ecc_uncorrected", SKIP, "see hardware/ecc_mode"),
    ("ecc_silent", "hardware/ecc_uncorrected", ERROR, "ECC is on, but nvidia-smi counts no errors"),
    ("sram_some", "hardware/ecc_sram", PASS, "4 uncorrected errors in SRAM"),
    ("sram_many", "hardware/ecc_sram", FAIL, "since the card was made: 5"),
    ("sram_threshold", "hardware/ecc_sram", FAIL, "passed its threshold"),
    ("rtx5090", "hardware/memory_repair", PASS, "0 remapped rows"),
    ("rows_remapped", "hardware/memory_repair", PASS, "2 remapped rows"),
    ("t4x2", "hardware/memory_repair", PASS, "0 retired pages"),
    ("gtx1060x2", "hardware/memory_repair", SKIP, "neither remaps rows nor retires pages"),
    ("rows_pending", "hardware/memory_repair", FAIL, "remapping a row waits for a reset"),
    ("rows_failed", "hardware/memory_repair", FAIL, "a row could not be remapped"),
    ("rows_exhausted", "hardware/memory_repair", WARN, "without a spare row left: 1"),
    ("pages_pending", "hardware/memory_repair", FAIL, "retiring a page waits for a reset"),
    ("pages_soft", "hardware/memory_repair", WARN, "15 retired pages"),
    ("pages_many", "hardware/memory_repair", FAIL, "64 retired pages"),
    ("gtx1060x2", "hardware/inforom_valid", PASS, "InfoROM G520.0200.00.05"),
    ("inforom", "hardware/inforom_valid", WARN, "infoROM is corrupted at gpu 0000:02:00.0"),
    ("gtx1060x2", "hardware/gpu_firmware", PASS, "VBIOS 96.00.89.00.01"),
    (
        "vbios_other",
        "hardware/gpu_firmware",
        WARN,
        "VBIOS 86.06.0E.00.1A, InfoROM G520.0200.00.05 (GPU 1)",
    ),
    ("rtx3090", "hardware/gpu_firmware", SKIP, "no two cards are of one model"),
    ("h100x8", "hardware/gpus_alike", PASS, "81559 MiB, ECC on, MIG off"),
    ("memory_other", "hardware/gpus_alike", WARN, "3072 MiB, no GSP firmware (GPU 1)"),
    ("gtx1060x2", "hardware/gpu_identity", SKIP, "no earlier acceptance"),
    ("gtx1060x2", "hardware/power_limit", PASS, "a limit of 120 W"),
    ("power_low", "hardware/power_limit", WARN, "a limit of 250 W, default 350 W"),
    ("power_high", "hardware/power_limit", PASS, "a limit of 400 W, default 350 W"),
    ("power_unstated", "hardware/power_limit", SKIP, "states no power limit"),
    ("rtx3090", "hardware/temperature_at_rest", PASS, "31 °C, 64 °C to its slowdown"),
    ("warm", "hardware/temperature_at_rest", WARN, "80 °C, 15 °C to its slowdown"),
    ("hot", "hardware/temperature_at_rest", FAIL, "88 °C, 7 °C to its slowdown"),
    (
        "hot_margin",
        "hardware/temperature_at_rest",
        FAIL,
        "GPU 7 (NVIDIA H100 80GB HBM3, 0000:62:00.0)",
    ),
    ("heat_unstated", "hardware/temperature_at_rest", SKIP, "does not state where heat slows it"),
    ("rtx3090", "hardware/clocks_at_rest", PASS, "gpu_idle"),
    ("capped", "hardware/clocks_at_rest", PASS, "gpu_idle, sw_power_cap"),
    ("slowed_heat", "hardware/clocks_at_rest", FAIL, "because it is too hot"),
    ("slowed_old", "hardware/clocks_at_rest", FAIL, "hw_slowdown"),
    ("slowed_soft", "hardware/clocks_at_rest", WARN, "sw_thermal_slowdown"),
    ("slowed_before", "hardware/clocks_at_rest", WARN, "12.5 s slowed by the hardware"),
    ("gtx1060x2", "hardware/persistence_mode", PASS, "persistence mode on"),
    (
        "persistence_off",
        "hardware/persistence_mode",
        WARN,
        "off (GPU 0); persistence mode on (GPU 1)",
    ),
    ("a100", "hardware/compute_mode", PASS, "Default"),
    ("exclusive", "hardware/compute_mode", WARN, "one program at a time"),
    ("prohibited", "hardware/compute_mode", FAIL, "no program may compute"),
    ("mode_strange", "hardware/compute_mode", WARN, "Sometimes: not known to dlrig"),
    ("a100", "hardware/mig_mode", PASS, "MIG off"),
    ("mig_on", "hardware/mig_mode", WARN, "MIG is on, no instances"),
    ("mig_waits", "hardware/mig_mode", WARN, "MIG is off, and on after the next reset"),
    ("rtx3090", "hardware/mig_mode", SKIP, "cannot be divided"),
    ("drawing", "hardware/gpu_idle", PASS, "no process computes"),
    ("busy", "hardware/gpu_idle", ERROR, "/opt/a/bin/python3 (process 4711, 5120 MiB)"),
    ("busy_hidden", "hardware/gpu_idle", ERROR, "97 % busy, with no process to be seen"),
    ("busy_starting", "hardware/gpu_idle", PASS, "no process computes"),
    ("busy_display", "hardware/gpu_idle", PASS, "no process computes"),
    ("rtx3090", "hardware/pcie_width", PASS, "x16 at 0000:01:00.0"),
    (
        "narrow",
        "hardware/pcie_width",
        WARN,
        "0000:01:00.0 uses 4 of 16 lanes (port 0000:00:01.0: 16)",
    ),
    ("narrow_slot", "hardware/pcie_width", PASS, "x8 at 0000:01:00.0"),
    (
        "narrow_virtual",
        "hardware/pcie_width",
        SKIP,
        "the host decides it: this is a virtual machine (kvm)",
    ),
    ("width_smi", "hardware/pcie_width", WARN, "0000:01:00.0 uses 8 of 16 lanes"),
    ("width_unstated", "hardware/pcie_width", ERROR, "does not state the width of 0000:01:00.0"),
    ("off_the_bus_silent", "hardware/pcie_width", SKIP, "0000:01:00.0 does not answer"),
    ("pcie_hung", "hardware/pcie_width", ERROR, "'pcie' gave no answer: hung"),
    ("replays_few", "hardware/pcie_replays", PASS, "80 replays"),
    ("replays", "hardware/pcie_replays", WARN, "81 replays"),
    ("aer_few", "hardware/pcie_errors", PASS, "30 corrected errors since boot"),
    ("aer_many", "hardware/pcie_errors", WARN, "0000:01:00.0: 5000 corrected errors in 37 minutes"),
    ("aer_fatal", "hardware/pcie_errors", WARN, "0000:00:01.0: 1 uncorrected errors"),
    ("aer_none", "hardware/pcie_errors", SKIP, "keeps no error counters"),
    ("h100x8", "hardware/gpu_numa", PASS, "0000:62:00.0: node 1"),
    ("rtx3090", "hardware/gpu_numa", SKIP, "one NUMA node"),
    (
        "numa_unknown",
        "hardware/gpu_numa",
        WARN,
        "no NUMA node is known for 0000:01:00.0, of 2 nodes",
    ),
    ("h100x8", "hardware/pcie_acs", PASS, "16 ports, none redirects"),
    ("acs_on", "hardware/pcie_acs", WARN, "0000:00:01.0 (SrcValid+, ReqRedir+, CmpltRedir+)"),
    ("acs_unreadable", "hardware/pcie_acs", ERROR, "only root can read"),
    ("a100", "hardware/pcie_acs", SKIP, "one GPU has no peer"),
    ("gtx1060x2", "hardware/pcie_acs", SKIP, "GeForce cards do not send data to each other"),
    (
        "acs_virtual",
        "hardware/pcie_acs",
        SKIP,
        "the host decides it: this is a virtual machine (kvm)",
    ),
    ("iommu_passes", "hardware/iommu", PASS, "identity, none"),
    ("iommu_on", "hardware/iommu", WARN, "translated: 0000:01:00.0 (DMA-FQ)"),
    ("h100x8", "hardware/nvlink_up", PASS, "18 links (GPU 0, 1, 2, 3, 4, 5, 6, 7)"),
    ("a6000x2", "hardware/nvlink_up", PASS, "4 links (GPU 0, 1)"),
    ("rtx3090", "hardware/nvlink_up", SKIP, "has no NVLink here"),
    ("unbridged", "hardware/nvlink_up", SKIP, "can be bridged by NVLink, and is not"),
    ("link_down", "hardware/nvlink_up", FAIL, "GPU 5: 17 of 18 links up, down: 3"),
    ("links_gone", "hardware/nvlink_up", FAIL, "GPU 0: no link up"),
    ("pair_apart", "hardware/nvlink_up", FAIL, "GPU0-GPU5 by SYS"),
    ("bridge_lame", "hardware/nvlink_up", FAIL, "GPU 1: 3 of 4 links up, down: 2"),
    ("nvlink_hung", "hardware/nvlink_up", ERROR, "'nvlink_status' gave no answer: hung"),
    ("links_wait", "hardware/nvlink_up", SKIP, "see hardware/fabric_state"),
    ("mig_links", "hardware/nvlink_up", PASS, "18 links (GPU 1, 2, 3, 4, 5, 6, 7)"),
    ("h100x8", "hardware/nvlink_errors", PASS, "no errors on 144 links"),
    ("link_errors", "hardware/nvlink_errors", WARN, "GPU 5, link 3: 2 Recovery Errors"),
    ("link_errors_hung", "hardware/nvlink_errors", ERROR, "'nvlink_errors' gave no answer: hung"),
    ("h100x8", "hardware/fabric_state", PASS, "fabric Completed, Success"),
    ("a100", "hardware/fabric_state", SKIP, "no NVSwitch in this machine"),
    ("fabric_waits", "hardware/fabric_state", FAIL, "fabric In Progress"),
    ("fabric_failed", "hardware/fabric_state", FAIL, "GPU 4 (NVIDIA H100 80GB HBM3, 0000:41:00.0)"),
    ("fabric_slow", "hardware/fabric_state", FAIL, "bandwidth: Degraded"),
    ("gtx1060x2", "driver/module_flavour", PASS, "the proprietary modules drive Pascal"),
    ("rtx3090", "driver/module_flavour", PASS, "the open modules drive Ampere"),
    ("flavour_open", "driver/module_flavour", FAIL, "do not drive GeForce GTX 1060 6GB"),
    ("flavour_proprietary", "driver/module_flavour", FAIL, "RTX 5090 at 0000:01:00.0 (Blackwell)"),
    ("flavour_untold", "driver/module_flavour", ERROR, "does not tell the flavour"),
]

APART = {"hardware/gpu_identity"}
"""Compared with an acceptance; see below."""

OURS = " or ".join(sorted({check.partition("/")[2] for _, check, _, _ in EXPECTED}))


@pytest.fixture(scope="module")
def ran(suite: Suite) -> Ran:
    """Each case is a rig of its own."""
    cases = sorted({case for case, _, _, _ in EXPECTED})
    return cards_cases.run(suite, cases, "-k", OURS)


@pytest.mark.parametrize(("case", "check", "status", "message"), EXPECTED)
def test_a_check_concludes(ran: Ran, case: str, check: str, status: str, message: str) -> None:
    result = ran.results(case)[check]
    assert (result.status, message) == (status, message if message in result.message else result)


def test_every_check_is_seen_passing_and_not_passing() -> None:
    checks = {check for _, check, _, _ in EXPECTED} - APART
    assert {check for _, check, status, _ in EXPECTED if status == PASS} >= checks
    assert {check for _, check, status, _ in EXPECTED if status in {WARN, FAIL, ERROR}} >= checks


def test_what_is_not_met_says_what_to_do(ran: Ran) -> None:
    for case, check, _, _ in EXPECTED:
        result = ran.results(case)[check]
        assert result.question.endswith("?")
        assert result.expected
        assert result.source
        assert bool(result.remedy) == (result.status in {WARN, FAIL, ERROR}), result


def test_the_remedy_fits_what_was_found(ran: Ran) -> None:
    assert "sudo reboot" in ran.results("rows_pending")["hardware/memory_repair"].remedy
    assert "return it" in ran.results("rows_failed")["hardware/memory_repair"].remedy
    assert "--gpu-reset" in ran.results("reset_asked")["hardware/gpu_recovery"].remedy
    assert "power supplies" in ran.results("slowed_heat")["hardware/clocks_at_rest"].remedy or (
        "fans" in ran.results("slowed_heat")["hardware/clocks_at_rest"].remedy
    )


def test_an_old_recording_was_not_asked(suite: Suite) -> None:
    case = "gtx1060x2"
    options = cards_cases.options(
        suite.folder, [case], without=("smi_query", "pcie", "nvlink_status")
    )
    results = suite.run(*options, "-k", OURS).results(case)
    assert {result.status for result in results.values()} == {SKIP, PASS}
    assert "recorded before there was one" in results["hardware/gpu_fields"].message
    assert "recorded before there was one" in results["hardware/pcie_width"].message
    assert [check for check, result in results.items() if result.status == PASS] == [
        "driver/module_flavour"
    ]


# --- identity, against an acceptance ---------------------------------------------------------------------------------


IDENTITY = [
    ("gtx1060x2", PASS, "the 2 GPUs of "),
    ("card_swapped", WARN, "gone: NVIDIA GeForce GTX 1060 6GB at 0000:02:00.0, GPU-00000001"),
    ("card_swapped", WARN, "new: NVIDIA GeForce GTX 1060 6GB at 0000:02:00.0, GPU-77777777"),
    ("card_moved", WARN, "was NVIDIA GeForce GTX 1060 6GB at 0000:02:00.0, is NVIDIA"),
    ("card_renamed", WARN, "is NVIDIA GeForce GTX 1060 3GB at 0000:02:00.0"),
    ("smi_hung", SKIP, "see driver/nvidia_smi_answers"),
]


@pytest.fixture(scope="module")
def compared(suite: Suite) -> dict[str, Ran]:
    """The cases against what ``--results`` keeps of the healthy host.

    ``old``: as a version keeps it that did not ask for the cards' state. ``blind``: of a host that told no cards.
    """
    found: dict[str, Any] = suite.run(
        *cards_cases.options(suite.folder, ["gtx1060x2", "smi_hung"]), "-k", "gpu_count"
    ).found
    good, blind = found["gtx1060x2"], found["smi_hung"]
    old = {**good, "facts": {key: one for key, one in good["facts"].items() if key != "health"}}
    ran = {}
    for name, kept in {"new": good, "old": old, "blind": blind}.items():
        path = suite.folder / f"{name}.baseline.json"
        path.write_bytes(msgspec.json.encode({"before": kept}))
        cases = list(dict.fromkeys(case for case, _, _ in IDENTITY))
        ran[name] = cards_cases.run(suite, cases, "-k", "gpu_identity", "--baseline", str(path))
    return ran


@pytest.mark.parametrize("baseline", ["new", "old"])
@pytest.mark.parametrize(("case", "status", "message"), IDENTITY)
def test_the_gpus_are_those_of_the_last_acceptance(
    compared: dict[str, Ran], baseline: str, case: str, status: str, message: str
) -> None:
    result = compared[baseline].results(case)["hardware/gpu_identity"]
    assert (result.status, message) == (status, message if message in result.message else result)


def test_an_acceptance_without_gpus_tells_nothing(compared: dict[str, Ran]) -> None:
    result = compared["blind"].results("gtx1060x2")["hardware/gpu_identity"]
    assert (result.status, "does not tell its GPUs" in result.message) == (SKIP, True)
