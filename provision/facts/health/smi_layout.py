"""From nvidia-smi's XML to a card. The layouts differ by release (seen from 470 to 595) and by generation of card."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from provision.facts.health.smi_card import (
    Card,
    Clocks,
    Ecc,
    Errors,
    Fabric,
    Link,
    Pages,
    Power,
    Process,
    Rows,
    Temperature,
)

if TYPE_CHECKING:
    from provision.facts.health.smi_document import Part

_SRAM = ("sram_uncorrectable", "sram_uncorrectable_parity", "sram_uncorrectable_secded")
_CACHES = ("register_file", "l1_cache", "l2_cache", "texture_memory", "texture_shm", "cbu")
_TROUBLES = 16
"""Fields without an answer that are kept."""


def card(index: int, part: Part) -> Card:
    """Make sense of one ``<gpu>``."""
    return Card(
        index=index,
        name=part.text("product_name"),
        brand=part.text("product_brand"),
        architecture=part.text("product_architecture"),
        address=_address(part.text("pci/pci_bus_id") or part.attribute("id")),
        uuid=part.text("uuid"),
        vbios=part.text("vbios_version"),
        inforom=_inforom(part.part("inforom_version")),
        persistence=part.flag("persistence_mode"),
        compute_mode=part.text("compute_mode"),
        mig=part.flag("mig_mode/current_mig"),
        mig_pending=part.flag("mig_mode/pending_mig"),
        mig_devices=len(part.part("mig_devices").parts("mig_device")),
        display=part.flag("display_active"),
        virtualization=_unless_none(part.text("gpu_virtualization_mode/virtualization_mode")),
        recovery=_recovery(part),
        ecc=_ecc(part),
        pages=_pages(part.part("retired_pages")),
        rows=_rows(part.part("remapped_rows")),
        link=_link(part.part("pci")),
        temperature=_temperature(part.part("temperature")),
        power=_power(part.first("gpu_power_readings", "power_readings")),
        clocks=_clocks(part),
        state=part.text("performance_state"),
        reasons=_reasons(part.first("clocks_event_reasons", "clocks_throttle_reasons")),
        throttled=_throttled(part.part("clocks_event_reasons_counters")),
        memory=part.whole("fb_memory_usage/total"),
        memory_used=part.whole("fb_memory_usage/used"),
        utilisation=part.whole("utilization/gpu_util"),
        processes=_processes(part.part("processes")),
        fabric=_fabric(part.part("fabric")),
        gsp=part.text("gsp_firmware_version"),
        troubles=dict(list(part.troubles().items())[:_TROUBLES]),
    )


def _address(text: str) -> str:
    """``00000000:01:00.0`` as the kernel writes it."""
    match = re.fullmatch(
        r"[0-9a-f]{0,4}([0-9a-f]{4}):([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])", text.lower()
    )
    return f"{match[1]}:{match[2]}" if match else ""


def _unless_none(text: str) -> str:
    return "" if text.lower() == "none" else text


def _inforom(part: Part) -> dict[str, str]:
    tags = {"image": "img_version", "oem": "oem_object", "ecc": "ecc_object", "power": "pwr_object"}
    versions = {name: part.text(tag) for name, tag in tags.items()}
    return {name: version for name, version in versions.items() if version}


def _recovery(part: Part) -> str:
    asked = _unless_none(part.text("gpu_recovery_action"))
    if asked:
        return asked
    status = part.part("gpu_reset_status")
    return "Reset" if status.flag("reset_required") else ""


def _ecc(part: Part) -> Ecc:
    errors = part.part("ecc_errors")
    repairs = [errors.flag("channel_repair_pending"), errors.flag("tpc_repair_pending")]
    known = [flag for flag in repairs if flag is not None]
    return Ecc(
        current=part.flag("ecc_mode/current_ecc"),
        pending=part.flag("ecc_mode/pending_ecc"),
        volatile=_errors(errors.part("volatile")),
        aggregate=_errors(errors.part("aggregate")),
        threshold=errors.flag("aggregate/sram_threshold_exceeded"),
        repair_pending=any(known) if known else None,
        unrepairable=errors.flag("unrepairable_memory"),
    )


def _errors(part: Part) -> Errors:
    """Cards before Turing count by bits, later ones by kind of memory; from 550 on SRAM has two counters."""
    if part.part("double_bit").there:
        double = part.part("double_bit")
        return Errors(
            corrected=part.whole("single_bit/total"),
            uncorrected=double.whole("total"),
            sram=double.sum(*_CACHES),
            dram=double.whole("device_memory"),
        )
    return Errors(
        corrected=part.sum("sram_correctable", "dram_correctable"),
        uncorrected=part.sum(*_SRAM, "dram_uncorrectable"),
        sram=part.sum(*_SRAM),
        dram=part.whole("dram_uncorrectable"),
    )


def _pages(part: Part) -> Pages:
    waiting = part.first("pending_retirement", "pending_blacklist")
    return Pages(
        single=part.whole("multiple_single_bit_retirement/retired_count"),
        double=part.whole("double_bit_retirement/retired_count"),
        pending=waiting.flag(),
    )


def _rows(part: Part) -> Rows:
    return Rows(
        corrected=part.whole("remapped_row_corr"),
        uncorrected=part.whole("remapped_row_unc"),
        pending=part.flag("remapped_row_pending"),
        failure=part.flag("remapped_row_failure"),
        exhausted=part.whole("row_remapper_histogram/row_remapper_histogram_none"),
    )


def _link(pci: Part) -> Link:
    generation, width = (
        pci.part(f"pci_gpu_link_info/{tag}") for tag in ("pcie_gen", "link_widths")
    )
    return Link(
        generation=generation.whole("current_link_gen"),
        width=width.whole("current_link_width"),
        max_generation=generation.whole("max_link_gen"),
        max_width=width.whole("max_link_width"),
        card_generation=generation.whole("max_device_link_gen"),
        host_generation=generation.whole("max_host_link_gen"),
        replays=pci.whole("replay_counter"),
        rollovers=pci.whole("replay_rollover_counter"),
    )


def _temperature(part: Part) -> Temperature:
    return Temperature(
        now=part.number("gpu_temp"),
        slowdown=part.number("gpu_temp_slow_threshold"),
        shutdown=part.number("gpu_temp_max_threshold"),
        margin=part.number("gpu_temp_tlimit"),
        slowdown_margin=part.number("gpu_temp_slow_tlimit_threshold"),
        shutdown_margin=part.number("gpu_temp_max_tlimit_threshold"),
        memory=part.number("memory_temp"),
    )


def _power(part: Part) -> Power:
    return Power(
        draw=_any(part, "instant_power_draw", "power_draw", "average_power_draw"),
        limit=_any(part, "current_power_limit", "enforced_power_limit", "power_limit"),
        default=part.number("default_power_limit"),
        least=part.number("min_power_limit"),
        most=part.number("max_power_limit"),
    )


def _any(part: Part, *tags: str) -> float | None:
    """The first of them that has a value."""
    return next((number for number in map(part.number, tags) if number is not None), None)


def _clocks(part: Part) -> Clocks:
    return Clocks(
        sm=part.whole("clocks/sm_clock"),
        memory=part.whole("clocks/mem_clock"),
        max_sm=part.whole("max_clocks/sm_clock"),
        max_memory=part.whole("max_clocks/mem_clock"),
    )


def _reasons(part: Part) -> tuple[str, ...]:
    prefix = re.compile(r"clocks_(?:event|throttle)_reason_")
    return tuple(prefix.sub("", tag) for tag, one in part.children().items() if one.flag())


def _throttled(part: Part) -> dict[str, float]:
    prefix = "clocks_event_reasons_counters_"
    spent = {tag.removeprefix(prefix): one.whole() for tag, one in part.children().items()}
    return {name: micro / 1e6 for name, micro in spent.items() if micro is not None}


def _processes(part: Part) -> tuple[Process, ...]:
    found = []
    for one in part.parts("process_info"):
        pid = one.whole("pid")
        if pid is not None:
            found.append(
                Process(
                    pid=pid,
                    name=(one.text("process_name").split() or [""])[0],
                    kind=one.text("type"),
                    memory=one.whole("used_memory"),
                )
            )
    return tuple(found)


def _fabric(part: Part) -> Fabric:
    health = {tag: one.text() for tag, one in part.part("health").children().items()}
    well = {"", "healthy", "full", "false", "no", "none", "not supported"}
    return Fabric(
        state=part.text("state"),
        status=part.text("status"),
        health={tag: text for tag, text in health.items() if text.lower() not in well},
    )
