"""Rigs whose cards or bus have something wrong, one thing each. All made from documentation; see ``made_rigs``."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import made_rigs
import made_smi
import msgspec
import rig_cases
from acceptance_suite import Ran
from made_rigs import MACHINES, Card, Machine
from made_smi_query import NONE, query
from rig_cases import HUNG, said

from provision.facts.reading import to_json

if TYPE_CHECKING:
    from pathlib import Path

    from acceptance_suite import Suite

    from provision.facts.reading import Outcome, Transcript

T4 = Card(
    name="Tesla T4",
    architecture="Turing",
    device="1eb8",
    subsystem="10de:12a2",
    cls="0x030200",
    memory=15360,
    power=70,
    slowdown=93,
    generation=3,
    ecc=True,
)
P100 = Card(
    name="Tesla P100-PCIE-16GB",
    architecture="Pascal",
    device="15f8",
    subsystem="10de:118f",
    cls="0x030200",
    memory=16384,
    power=250,
    slowdown=82,
    generation=3,
    ecc=True,
)
A6000 = Card(
    name="NVIDIA RTX A6000",
    architecture="Ampere",
    device="2230",
    subsystem="10de:1459",
    memory=49140,
    power=300,
    slowdown=95,
    generation=4,
    nvlinks=4,
)

_AT_A_TIME = 40

HOSTS = {
    **MACHINES,
    "t4x2": Machine(card=T4, count=2, driver="535.261.03"),
    "p100": Machine(card=P100, driver="470.256.02", flavour="proprietary"),
    "a6000x2": Machine(card=A6000, count=2),
    "a100x2": dataclasses.replace(MACHINES["a100"], count=2),
}
"""Healthy ones; the last four have old layouts, bridges, and switches of PCI Express between them."""


def outcomes_of(machine: Machine) -> dict[str, Outcome]:
    return made_rigs.outcomes(machine)


def changed(
    host: str,
    changes: dict[str, str | None] | None = None,
    *,
    on: int | None = 0,
    processes: tuple[tuple[int, str, str, int], ...] = (),
    **readings: Outcome,
) -> tuple[str, dict[str, Outcome]]:
    """A host with another answer of ``nvidia-smi -q -x``, or of whole readings."""
    found = dict(readings)
    if changes or processes:
        found["smi_query"] = said(query(HOSTS[host], changes, on=on, processes=processes))
    return host, found


def bus(host: str, **places: dict[str, str]) -> tuple[str, dict[str, Outcome]]:
    """A host whose kernel states something else of the bus; see ``made_smi.pcie``."""
    return host, {"pcie": said(made_smi.pcie(HOSTS[host], **places))}


def failing(host: str, code: int, words: str) -> tuple[str, dict[str, Outcome]]:
    """A host on which no call of nvidia-smi works."""
    return host, dict.fromkeys(SMI, said("", code=code, err=words))


SMI = ("nvidia_smi", "smi_query", "nvlink_status", "nvlink_errors", "smi_topology")
"""Every reading that asks nvidia-smi."""

H100 = HOSTS["h100x8"]
A6 = HOSTS["a6000x2"]
VOLATILE, AGGREGATE = "ecc_errors/volatile/", "ecc_errors/aggregate/"
LINKS = "pci/pci_gpu_link_info/link_widths/"
REASON = "clocks_event_reasons/clocks_event_reason_"
SPENT = "clocks_event_reasons_counters/clocks_event_reasons_counters_"
LOST_LINE = (
    "Unable to determine the device handle for GPU0000:02:00.0: GPU is lost.  "
    "Reboot the system to recover this GPU\n"
)

CASES: dict[str, tuple[str, dict[str, Outcome]]] = {
    **{name: (name, {}) for name in HOSTS},
    # answers
    "field_unknown": changed("rtx3090", {"fan_speed": "[Unknown Error]"}),
    "core_unknown": changed("gtx1060x2", {"temperature/gpu_temp": "Unknown Error"}, on=1),
    "field_lost": changed("gtx1060x2", {"fan_speed": "GPU is lost"}, on=1),
    "reset_asked": changed("a100", {"gpu_recovery_action": "Reset"}),
    "reboot_asked": changed("a100", {"gpu_recovery_action": "Reboot"}),
    "strange_asked": changed("a100", {"gpu_recovery_action": "Call Somebody"}),
    "reset_asked_old": changed("t4x2", {"gpu_reset_status/reset_required": "Yes"}),
    # memory
    "ecc_off": changed(
        "a100", {"ecc_mode/current_ecc": "Disabled", "ecc_mode/pending_ecc": "Disabled"}
    ),
    "ecc_off_workstation": changed(
        "a6000x2",
        {
            "product_brand": "NVIDIA RTX",
            "ecc_mode/current_ecc": "Disabled",
            "ecc_mode/pending_ecc": "Disabled",
        },
        on=None,
    ),
    "ecc_waits": changed("a100", {"ecc_mode/pending_ecc": "Disabled"}),
    "ecc_dram": changed("a100", {VOLATILE + "dram_uncorrectable": "3"}),
    "ecc_parity": changed("a100", {VOLATILE + "sram_uncorrectable_parity": "1"}),
    "ecc_double_bit": changed("p100", {VOLATILE + "double_bit/total": "2"}),
    "ecc_corrected": changed("a100", {VOLATILE + "dram_correctable": "17"}),
    "ecc_silent": changed("a100", {"ecc_errors": NONE}),
    "sram_some": changed("a100", {AGGREGATE + "sram_uncorrectable_secded": "4"}),
    "sram_many": changed("a100", {AGGREGATE + "sram_uncorrectable_secded": "5"}),
    "sram_threshold": changed("a100", {AGGREGATE + "sram_threshold_exceeded": "Yes"}),
    "rows_pending": changed("h100x8", {"remapped_rows/remapped_row_pending": "Yes"}, on=3),
    "rows_failed": changed("h100x8", {"remapped_rows/remapped_row_failure": "Yes"}, on=3),
    "rows_exhausted": changed(
        "a100", {"remapped_rows/row_remapper_histogram/row_remapper_histogram_none": "1 bank(s)"}
    ),
    "rows_remapped": changed("a100", {"remapped_rows/remapped_row_unc": "2"}),
    "unrepairable": changed("a100", {"ecc_errors/unrepairable_memory": "Yes"}),
    "repair_pending": changed("a100", {"ecc_errors/channel_repair_pending": "Yes"}),
    "pages_pending": changed("t4x2", {"retired_pages/pending_retirement": "Yes"}),
    "pages_soft": changed("t4x2", {"retired_pages/double_bit_retirement/retired_count": "15"}),
    "pages_single": changed(
        "t4x2", {"retired_pages/multiple_single_bit_retirement/retired_count": "64"}
    ),
    "pages_many": changed("t4x2", {"retired_pages/double_bit_retirement/retired_count": "64"}),
    # firmware, likeness
    "inforom": changed(
        "gtx1060x2",
        smi_query=said(
            query(HOSTS["gtx1060x2"]) + "WARNING: infoROM is corrupted at gpu 0000:02:00.0\n",
            code=14,
        ),
    ),
    "vbios_other": changed("gtx1060x2", {"vbios_version": "86.06.0E.00.1A"}, on=1),
    "inforom_other": changed("gtx1060x2", {"inforom_version/img_version": "G001.0000.01.03"}, on=1),
    "gsp_other": changed("a100x2", {"gsp_firmware_version": NONE}, on=1),
    "card_swapped": changed(
        "gtx1060x2", {"uuid": "GPU-77777777-0000-4000-8000-000000000000"}, on=1
    ),
    "card_moved": changed("gtx1060x2", {"pci/pci_bus_id": "00000000:03:00.0"}, on=1),
    "card_renamed": changed("gtx1060x2", {"product_name": "NVIDIA GeForce GTX 1060 3GB"}, on=1),
    "memory_other": changed("gtx1060x2", {"fb_memory_usage/total": "3072 MiB"}, on=1),
    # modes
    "persistence_off": changed("gtx1060x2", {"persistence_mode": "Disabled"}),
    "exclusive": changed("a100", {"compute_mode": "Exclusive_Process"}),
    "prohibited": changed("a100", {"compute_mode": "Prohibited"}),
    "mode_strange": changed("a100", {"compute_mode": "Sometimes"}),
    "mig_on": changed(
        "a100",
        {"mig_mode/current_mig": "Enabled", "mig_mode/pending_mig": "Enabled"},
    ),
    "mig_waits": changed("a100", {"mig_mode/pending_mig": "Enabled"}),
    "power_low": changed("rtx3090", {"gpu_power_readings/current_power_limit": "250.00 W"}),
    "power_default": changed("rtx3090", {"gpu_power_readings/default_power_limit": "400.00 W"}),
    "power_high": changed("rtx3090", {"gpu_power_readings/current_power_limit": "400.00 W"}),
    "power_unstated": changed("rtx3090", {"gpu_power_readings/current_power_limit": NONE}),
    # heat and clocks
    "warm": changed("rtx3090", {"temperature/gpu_temp": "80 C"}),
    "hot": changed("rtx3090", {"temperature/gpu_temp": "88 C"}),
    "hot_margin": changed("h100x8", {"temperature/gpu_temp_tlimit": "5 C"}, on=7),
    "hot_threshold": changed(
        "h100x8", {"temperature/gpu_temp_slow_tlimit_threshold": "50 C"}, on=6
    ),
    "heat_unstated": changed("rtx3090", {"temperature/gpu_temp_slow_threshold": NONE}),
    "slowed_heat": changed("rtx3090", {REASON + "hw_thermal_slowdown": "Active"}),
    "slowed_brake": changed("h100x8", {REASON + "hw_power_brake_slowdown": "Active"}, on=2),
    "slowed_soft": changed("rtx3090", {REASON + "sw_thermal_slowdown": "Active"}),
    "slowed_before": changed("rtx3090", {SPENT + "hw_therm_slowdown": "12500000 us"}),
    "capped": changed("rtx3090", {REASON + "sw_power_cap": "Active"}),
    "slowed_old": changed(
        "p100", {"clocks_throttle_reasons/clocks_throttle_reason_hw_slowdown": "Active"}
    ),
    # in use
    "busy": changed("gtx1060x2", processes=((4711, "C", "/opt/a/bin/python3", 5120),), on=1),
    "drawing": changed("rtx3090", processes=((900, "G", "/usr/lib/xorg/Xorg", 40),)),
    "busy_hidden": changed(
        "rtx3090", {"utilization/gpu_util": "97 %", "fb_memory_usage/used": "9000 MiB"}
    ),
    "busy_starting": changed("rtx3090", {"utilization/gpu_util": "97 %"}),
    "busy_display": changed(
        "rtx3090", {"utilization/gpu_util": "30 %", "display_active": "Enabled"}
    ),
    # PCI Express
    "narrow": bus("rtx3090", card={"width": "4"}),
    "narrow_slot": bus("rtx3090", card={"width": "8"}, port={"width": "8", "max_width": "8"}),
    "narrow_card": bus("rtx3090", card={"width": "8", "max_width": "8"}),
    "narrow_virtual": (
        "rtx3090",
        {**bus("rtx3090", card={"width": "8"})[1], "virtualization": said("kvm\n")},
    ),
    "width_smi": (
        "rtx3090",
        {
            "pcie": said("system - nodes 1\nsystem - iommus 0\n"),
            "smi_query": said(query(HOSTS["rtx3090"], {LINKS + "current_link_width": "8x"})),
        },
    ),
    "width_unstated": (
        "rtx3090",
        {
            "pcie": said("system - nodes 1\nsystem - iommus 0\n"),
            "smi_query": said(query(HOSTS["rtx3090"], {"pci/pci_gpu_link_info": NONE})),
        },
    ),
    "replays": changed("rtx3090", {"pci/replay_counter": "81"}),
    "replays_few": changed("rtx3090", {"pci/replay_counter": "80"}),
    "replays_uncounted": changed("rtx3090", {"pci/replay_counter": NONE}),
    "aer_fatal": bus("rtx3090", port={"fatal": "1"}),
    "aer_nonfatal": bus("rtx3090", port={"nonfatal": "2"}),
    "aer_many": bus("rtx3090", card={"correctable": "5000"}),
    "aer_few": bus("rtx3090", card={"correctable": "30"}),
    "aer_none": ("rtx3090", {"pcie": said("system - nodes 1\nsystem - iommus 0\n")}),
    "pcie_hung": ("rtx3090", {"pcie": HUNG}),
    "numa_unknown": bus("h100x8", card={"numa": "-1"}),
    "acs_on": bus("a100x2", port={"acs": "29"}),
    "acs_unreadable": bus("a100x2", port={"acs": "unreadable"}),
    "acs_absent": bus("a100x2", port={"acs": "none"}),
    "acs_virtual": ("a100x2", {"virtualization": said("kvm\n")}),
    "iommu_on": bus("a100x2", card={"iommu": "DMA-FQ"}, system={"iommus": "2"}),
    "iommu_passes": bus("a100x2", card={"iommu": "identity"}, system={"iommus": "2"}),
    # NVLink and its fabric
    "link_down": (
        "h100x8",
        {"nvlink_status": said(made_smi.nvlink_status(H100, {(5, 3): "<inactive>"}))},
    ),
    "links_gone": (
        "h100x8",
        {
            "nvlink_status": said(
                "NVML: Unable to retrieve NVLink information as all links are inActive\n"
            )
        },
    ),
    "pair_apart": ("h100x8", {"smi_topology": said(made_smi.topology(H100, {(0, 5): "SYS"}))}),
    "bridge_lame": (
        "a6000x2",
        {"nvlink_status": said(made_smi.nvlink_status(A6, {(1, 2): "<inactive>"}))},
    ),
    "unbridged": (
        "a6000x2",
        {
            "nvlink_status": said(
                made_smi.nvlink_status(A6, {(n, m): "<inactive>" for n in (0, 1) for m in range(4)})
            )
        },
    ),
    "link_errors": (
        "h100x8",
        {"nvlink_errors": said(made_smi.nvlink_errors(H100, {(5, 3, "Recovery"): 2}))},
    ),
    "link_errors_hung": ("h100x8", {"nvlink_errors": HUNG}),
    "nvlink_hung": ("h100x8", {"nvlink_status": HUNG}),
    "fabric_waits": changed("h100x8", {"fabric/state": "In Progress"}, on=None),
    "fabric_failed": changed("h100x8", {"fabric/status": "NVML_ERROR_SYSTEM"}, on=4),
    "fabric_slow": changed("h100x8", {"fabric/health/bandwidth": "Degraded"}, on=4),
    # module
    "flavour_open": (
        "gtx1060x2",
        {
            "nvidia_proc": said(
                "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build\n"
            )
        },
    ),
    "flavour_proprietary": (
        "rtx5090",
        {"nvidia_proc": said("NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.95.05  Thu\n")},
    ),
    "flavour_untold": ("rtx5090", {"nvidia_proc": said("", code=1, err="cat: no such file\n")}),
    # whole machines
    "not_loaded": (
        "gtx1060x2",
        {
            **failing(
                "gtx1060x2",
                9,
                "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n",
            )[1],
            "nvidia_module": said("", code=1, err="cat: no such file\n"),
            "nvidia_proc": said("", code=1, err="cat: no such file\n"),
        },
    ),
    "off_the_bus": failing("gtx1060x2", 15, LOST_LINE),
    # From 610 on nvidia-smi lists the cards that are left.
    "off_the_bus_rest": (
        "gtx1060x2",
        {
            "nvidia_smi": said(rig_cases.SMI_1.replace("535.261.03", "580.95.05"), code=0),
            "smi_query": said(
                LOST_LINE + query(dataclasses.replace(HOSTS["gtx1060x2"], count=1)), code=0
            ),
        },
    ),
    "off_the_bus_silent": (
        "gtx1060x2",
        {
            **failing("gtx1060x2", 15, LOST_LINE)[1],
            # What a card that is gone leaves in its registers: all bits set.
            "pcie": said(
                made_smi.pcie(HOSTS["gtx1060x2"], card={"width": "63", "max_width": "255"})
            ),
        },
    ),
    "mismatch": failing("gtx1060x2", 18, rig_cases.MISMATCH),
    "smi_hung": ("h100x8", dict.fromkeys(SMI, HUNG)),
    "smi_query_hung": ("gtx1060x2", {"smi_query": HUNG}),
    "smi_query_cut": ("gtx1060x2", {"smi_query": said(query(HOSTS["gtx1060x2"])[:5000])}),
    "smi_query_bomb": (
        "gtx1060x2",
        {
            "smi_query": said(
                '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
                "<nvidia_smi_log><gpu><uuid>&b;</uuid></gpu></nvidia_smi_log>"
            )
        },
    ),
    "mig_links": changed(
        "h100x8",
        {
            "mig_mode/current_mig": "Enabled",
            "mig_mode/pending_mig": "Enabled",
            "remapped_rows": NONE,
        },
    ),
    "links_wait": (
        "h100x8",
        {
            "nvlink_status": said(made_smi.nvlink_status(H100, {(5, 3): "<inactive>"})),
            "smi_query": said(query(H100, {"fabric/state": "In Progress"}, on=None)),
        },
    ),
}
"""Case → host, and the readings that differ on it."""


def transcript(case: str) -> Transcript:
    host, readings = CASES[case]
    made = {**rig_cases.BASE.outcomes, **outcomes_of(HOSTS[host]), **readings}
    return msgspec.structs.replace(rig_cases.BASE, target=case, outcomes=made)


def options(folder: Path, cases: list[str], *, without: tuple[str, ...] = ()) -> list[str]:
    """The options that judge these cases, each held against a plan with a GPU; ``without`` some readings."""
    found = []
    for case in cases:
        taken, plan = folder / f"{case}.transcript.json", folder / f"{case}.plan.json"
        made = transcript(case)
        kept = {name: one for name, one in made.outcomes.items() if name not in without}
        taken.write_bytes(to_json(msgspec.structs.replace(made, outcomes=kept)))
        planned = msgspec.structs.replace(rig_cases.plan("made_gpu"), target=case)
        plan.write_bytes(msgspec.json.encode(planned))
        found += ["--transcript", str(taken), "--plan", str(plan)]
    return found


def run(suite: Suite, cases: list[str], *more: str) -> Ran:
    """The acceptance of these cases, some at a time: a run has a time limit."""
    found: dict[str, dict[str, object]] = {}
    out, code = "", 0
    for start in range(0, len(cases), _AT_A_TIME):
        ran = suite.run(*options(suite.folder, cases[start : start + _AT_A_TIME]), *more)
        assert ran.found, ran.out
        found |= ran.found
        out, code = out + ran.out, max(code, ran.code)
    return Ran(code, out, found)
