"""``nvidia-smi -q -x`` of a rig, made from the layouts that releases from 470 to 595 have; see ``made_rigs``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from made_rigs import Machine

NONE = "N/A"
DEPRECATED = "Requested functionality has been deprecated"
REASONS = (
    "gpu_idle",
    "applications_clocks_setting",
    "sw_power_cap",
    "hw_slowdown",
    "hw_thermal_slowdown",
    "hw_power_brake_slowdown",
    "sync_boost",
    "sw_thermal_slowdown",
    "display_clocks_setting",
)

Tree = dict[str, Any]
"""Tag → text, or what lies below; a list where a tag repeats."""


def query(
    machine: Machine,
    changes: Mapping[str, str | None] | None = None,
    *,
    on: int | None = 0,
    processes: tuple[tuple[int, str, str, int], ...] = (),
) -> str:
    """The document of a healthy, idle machine.

    Args:
        machine: which.
        changes: path of tags, e.g. ``ecc_errors/volatile/dram_correctable`` → other text; None takes it away.
        on: the card that they are made on; None for all of them.
        processes: pid, kind, name and MiB, on that card.
    """
    cards = []
    for number in range(machine.count):
        tree = card(machine, number)
        if on is None or on == number:
            tree["processes"] = {"process_info": [_process(*one) for one in processes]}
            for path, text in (changes or {}).items():
                _set(tree, path.split("/"), text)
        identity = "0000" + machine.address(number).upper()
        cards.append(f'\t<gpu id="{identity}">\n{_text(tree, 2)}\t</gpu>\n')
    release = branch(machine)
    return (
        '<?xml version="1.0" ?>\n'
        f'<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v{_form(release)}.dtd">\n<nvidia_smi_log>\n'
        "\t<timestamp>Mon Nov 23 10:00:00 2026</timestamp>\n"
        f"\t<driver_version>{machine.driver}</driver_version>\n\t<cuda_version>13.0</cuda_version>\n"
        f"\t<attached_gpus>{machine.count}</attached_gpus>\n{''.join(cards)}</nvidia_smi_log>\n"
    )


def branch(machine: Machine) -> int:
    return int(machine.driver.partition(".")[0])


def _form(release: int) -> int:
    return 11 if release < 530 else 12 if release < 580 else 13


def _set(tree: Tree, path: list[str], text: str | None) -> None:
    *above, last = path
    for tag in above:
        if not isinstance(tree.get(tag), dict):
            tree[tag] = {}
        tree = tree[tag]
    if text is None:
        tree.pop(last)
    else:
        tree[last] = text


def _text(tree: Tree, depth: int) -> str:
    lines = []
    for tag, value in tree.items():
        for one in value if isinstance(value, list) else [value]:
            inner = (
                f"\n{_text(one, depth + 1)}" + "\t" * depth
                if isinstance(one, dict)
                else escape(str(one))
            )
            lines.append("\t" * depth + f"<{tag}>{inner}</{tag}>\n")
    return "".join(lines)


def _process(pid: int, kind: str, name: str, memory: int) -> Tree:
    return {
        "gpu_instance_id": NONE,
        "compute_instance_id": NONE,
        "pid": pid,
        "type": kind,
        "process_name": name,
        "used_memory": f"{memory} MiB",
    }


def card(machine: Machine, number: int) -> Tree:
    """One card at rest."""
    kind, release = machine.card, branch(machine)
    mig = "Disabled" if kind.mig else NONE
    ecc = "Enabled" if kind.ecc else NONE
    tree: Tree = {
        "product_name": kind.name,
        "product_brand": "GeForce" if "GeForce" in kind.name else "NVIDIA",
        "product_architecture": kind.architecture,
        "display_mode": DEPRECATED if release >= 575 else "Disabled",
        "display_active": "Disabled",
        "persistence_mode": "Enabled",
        "mig_mode": {"current_mig": mig, "pending_mig": mig},
        "mig_devices": "\n\t\t\tNone\n\t\t",
        "driver_model": {"current_dm": NONE, "pending_dm": NONE},
        "uuid": machine.uuid(number),
        "minor_number": number,
        "vbios_version": "96.00.89.00.01",
        "multigpu_board": "No",
        "inforom_version": _inforom(kind.ecc),
        "gpu_virtualization_mode": {"virtualization_mode": "None", "host_vgpu_mode": NONE},
        **_reset(release),
        "gsp_firmware_version": machine.driver if machine.flavour == "open" else NONE,
        "pci": _pci(machine, number),
        "fan_speed": "0 %",
        "performance_state": "P8",
        **_reasons(release),
        "fb_memory_usage": {
            "total": f"{kind.memory} MiB",
            "used": "1 MiB",
            "free": f"{kind.memory - 1} MiB",
        },
        "compute_mode": "Default",
        "utilization": {"gpu_util": "0 %", "memory_util": "0 %"},
        "ecc_mode": {"current_ecc": ecc, "pending_ecc": ecc},
        "ecc_errors": _errors(machine),
        "retired_pages": _pages(kind.ecc and not kind.remaps),
        "remapped_rows": _rows(kind.remaps or _counts_rows(machine)),
        "temperature": _temperature(machine),
        **_power(machine),
        "clocks": {"graphics_clock": "210 MHz", "sm_clock": "210 MHz", "mem_clock": "405 MHz"},
        "max_clocks": {
            "graphics_clock": "1980 MHz",
            "sm_clock": "1980 MHz",
            "mem_clock": "2619 MHz",
        },
        "fabric": _fabric(machine),
        "supported_clocks": NONE,
        "processes": {},
        "accounted_processes": {},
    }
    return tree


def _inforom(ecc: bool) -> Tree:  # noqa: FBT001 - of a card
    return {
        "img_version": "G520.0200.00.05",
        "oem_object": "2.1",
        "ecc_object": "7.16" if ecc else NONE,
        "pwr_object": NONE,
    }


def _reset(release: int) -> Tree:
    if release < 520:
        return {}
    if release < 575:
        return {"gpu_reset_status": {"reset_required": "No", "drain_and_reset_recommended": NONE}}
    return {"gpu_recovery_action": "None"}


def _pci(machine: Machine, number: int) -> Tree:
    kind = machine.card
    return {
        "pci_bus_id": "0000" + machine.address(number).upper(),
        "pci_device_id": f"{kind.device.upper()}10DE",
        "pci_gpu_link_info": {
            "pcie_gen": {
                "max_link_gen": kind.generation,
                # At rest the link is slow, to save power.
                "current_link_gen": 1,
                "max_device_link_gen": kind.generation,
                "max_host_link_gen": kind.generation,
            },
            "link_widths": {
                "max_link_width": f"{kind.width}x",
                "current_link_width": f"{kind.width}x",
            },
        },
        "replay_counter": 0,
        "replay_rollover_counter": 0,
        "tx_util": "0 KB/s",
        "rx_util": "0 KB/s",
    }


def _reasons(release: int) -> Tree:
    word = "event" if release >= 535 else "throttle"
    states = {
        f"clocks_{word}_reason_{name}": "Active" if name == "gpu_idle" else "Not Active"
        for name in REASONS
    }
    counters = {
        f"clocks_event_reasons_counters_{name}": "0 us"
        for name in (
            "sw_power_cap",
            "sync_boost",
            "sw_therm_slowdown",
            "hw_therm_slowdown",
            "hw_power_brake",
        )
    }
    return {
        f"clocks_{word}_reasons": states,
        **({"clocks_event_reasons_counters": counters} if release >= 575 else {}),
    }


def _errors(machine: Machine) -> Tree:
    kind, release = machine.card, branch(machine)
    count = "0" if kind.ecc else NONE
    if kind.architecture in {"Kepler", "Maxwell", "Pascal", "Volta"}:
        parts = ("device_memory", "register_file", "l1_cache", "l2_cache", "texture_memory")
        bits = dict.fromkeys((*parts, "texture_shm", "cbu", "total"), count)
        both = {"single_bit": dict(bits), "double_bit": dict(bits)}
        return {"volatile": both, "aggregate": {tag: dict(bits) for tag in both}}
    parts = ("sram_correctable", "sram_uncorrectable", "dram_correctable", "dram_uncorrectable")
    if release >= 550:
        parts = (
            "sram_correctable",
            "sram_uncorrectable_parity",
            "sram_uncorrectable_secded",
            "dram_correctable",
            "dram_uncorrectable",
        )
    errors: Tree = {
        "volatile": dict.fromkeys(parts, count),
        "aggregate": dict.fromkeys(parts, count),
    }
    if release >= 550:
        errors["aggregate"]["sram_threshold_exceeded"] = "No" if kind.ecc else NONE
    if release >= 580:
        repair = "No" if kind.ecc else NONE
        errors |= {
            "channel_repair_pending": repair,
            "tpc_repair_pending": repair,
            "unrepairable_memory": repair,
        }
    return errors


def _pages(retires: bool) -> Tree:  # noqa: FBT001 - of a card
    count, flag = ("0", "No") if retires else (NONE, NONE)
    return {
        "multiple_single_bit_retirement": {"retired_count": count, "retired_pagelist": "\n"},
        "double_bit_retirement": {"retired_count": count, "retired_pagelist": "\n"},
        "pending_blacklist": flag,
        "pending_retirement": flag,
    }


def _counts_rows(machine: Machine) -> bool:
    """Recent drivers state remapped rows of GeForce cards from Ampere on too."""
    return branch(machine) >= 575 and machine.card.architecture not in {"Pascal", "Turing"}


def _rows(remaps: bool) -> Tree | str:  # noqa: FBT001 - of a card
    if not remaps:
        return NONE
    banks = {"max": 640, "high": 0, "partial": 0, "low": 0, "none": 0}
    return {
        "remapped_row_corr": "0",
        "remapped_row_unc": "0",
        "remapped_row_pending": "No",
        "remapped_row_failure": "No",
        "row_remapper_histogram": {
            f"row_remapper_histogram_{name}": f"{count} bank(s)" for name, count in banks.items()
        },
    }


def _temperature(machine: Machine) -> Tree:
    kind = machine.card
    if kind.architecture in {"Hopper", "Blackwell"}:
        return {
            "gpu_temp": "31 C",
            "gpu_temp_tlimit": f"{kind.slowdown - 31} C",
            "gpu_temp_max_tlimit_threshold": "-8 C",
            "gpu_temp_slow_tlimit_threshold": "-2 C",
            "gpu_temp_max_gpu_tlimit_threshold": "0 C",
            "memory_temp": NONE,
        }
    return {
        "gpu_temp": "31 C",
        "gpu_temp_tlimit": NONE,
        "gpu_temp_max_threshold": f"{kind.slowdown + 3} C",
        "gpu_temp_slow_threshold": f"{kind.slowdown} C",
        "gpu_temp_max_gpu_threshold": NONE,
        "memory_temp": NONE,
    }


def _power(machine: Machine) -> Tree:
    release, watts = branch(machine), f"{machine.card.power:.2f} W"
    span = {"min_power_limit": "60.00 W", "max_power_limit": watts}
    if release < 535:
        return {
            "power_readings": {
                "power_state": "P8",
                "power_management": "Supported",
                "power_draw": "9.50 W",
                "power_limit": watts,
                "default_power_limit": watts,
                "enforced_power_limit": watts,
                **span,
            }
        }
    draw = (
        {"average_power_draw": "9.50 W", "instant_power_draw": "9.60 W"}
        if release >= 575
        else {"power_draw": "9.50 W"}
    )
    limits = {
        "current_power_limit": watts,
        "requested_power_limit": watts,
        "default_power_limit": watts,
        **span,
    }
    return {
        "gpu_power_readings": {"power_state": "P8", **draw, **limits},
        "module_power_readings": dict.fromkeys((*draw, *limits), NONE),
    }


def _fabric(machine: Machine) -> Tree:
    switched = machine.nvswitches > 0
    state = {"state": "Completed", "status": "Success"} if switched else {}
    tree: Tree = {"state": NONE, "status": NONE, **state}
    if branch(machine) >= 575:
        health = {
            "bandwidth": "Full",
            "route_recovery_in_progress": "False",
            "route_unhealthy": "False",
            "access_timeout_recovery": "False",
        }
        tree["health"] = health if switched else dict.fromkeys(health, NONE)
    return tree
