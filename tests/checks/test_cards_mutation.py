"""Every field of what is read of cards and bus, flipped to a bad value: exactly these checks of the suite change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cards_cases
import msgspec
import pytest

from provision import facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from acceptance_suite import Ran, Suite

PASS, WARN, FAIL, SKIP, ERROR = "pass", "warn", "fail", "skip", "error"

CHANGES: dict[str, dict[str, str]] = {
    "field_unknown": {"hardware/gpu_fields": WARN},
    "core_unknown": {"hardware/gpu_fields": FAIL},
    "field_lost": {"hardware/gpu_fields": FAIL},
    "reset_asked": {"hardware/gpu_recovery": FAIL},
    "reboot_asked": {"hardware/gpu_recovery": FAIL},
    "strange_asked": {"hardware/gpu_recovery": FAIL},
    "reset_asked_old": {"hardware/gpu_recovery": FAIL},
    "ecc_off": {
        "hardware/ecc_mode": WARN,
        "hardware/ecc_uncorrected": SKIP,
        "hardware/ecc_sram": SKIP,
    },
    "ecc_off_workstation": {},
    "ecc_waits": {"hardware/ecc_mode": WARN},
    "ecc_dram": {"hardware/ecc_uncorrected": FAIL},
    "ecc_parity": {"hardware/ecc_uncorrected": FAIL},
    "ecc_double_bit": {"hardware/ecc_uncorrected": FAIL},
    "ecc_corrected": {},
    "ecc_silent": {"hardware/ecc_uncorrected": ERROR, "hardware/ecc_sram": SKIP},
    "sram_some": {},
    "sram_many": {"hardware/ecc_sram": FAIL},
    "sram_threshold": {"hardware/ecc_sram": FAIL},
    "rows_pending": {"hardware/memory_repair": FAIL},
    "rows_failed": {"hardware/memory_repair": FAIL},
    "rows_exhausted": {"hardware/memory_repair": WARN},
    "rows_remapped": {},
    "unrepairable": {"hardware/memory_repair": FAIL},
    "repair_pending": {"hardware/memory_repair": FAIL},
    "pages_pending": {"hardware/memory_repair": FAIL},
    "pages_soft": {"hardware/memory_repair": WARN},
    "pages_single": {"hardware/memory_repair": FAIL},
    "pages_many": {"hardware/memory_repair": FAIL},
    "inforom": {"hardware/inforom_valid": WARN},
    "vbios_other": {"hardware/gpu_firmware": WARN},
    "inforom_other": {"hardware/gpu_firmware": WARN},
    "gsp_other": {"hardware/gpus_alike": WARN},
    "card_swapped": {},
    "card_moved": {},
    "card_renamed": {"hardware/gpu_firmware": SKIP, "hardware/gpus_alike": SKIP},
    "memory_other": {"hardware/gpus_alike": WARN},
    "persistence_off": {"hardware/persistence_mode": WARN},
    "exclusive": {"hardware/compute_mode": WARN},
    "prohibited": {"hardware/compute_mode": FAIL},
    "mode_strange": {"hardware/compute_mode": WARN},
    "mig_on": {"hardware/mig_mode": WARN},
    "mig_waits": {"hardware/mig_mode": WARN},
    "power_low": {"hardware/power_limit": WARN},
    "power_default": {"hardware/power_limit": WARN},
    "power_high": {},
    "power_unstated": {"hardware/power_limit": SKIP},
    "warm": {"hardware/temperature_at_rest": WARN},
    "hot": {"hardware/temperature_at_rest": FAIL},
    "hot_margin": {"hardware/temperature_at_rest": FAIL},
    "hot_threshold": {"hardware/temperature_at_rest": FAIL},
    "heat_unstated": {"hardware/temperature_at_rest": SKIP},
    "slowed_heat": {"hardware/clocks_at_rest": FAIL},
    "slowed_brake": {"hardware/clocks_at_rest": FAIL},
    "slowed_soft": {"hardware/clocks_at_rest": WARN},
    "slowed_before": {"hardware/clocks_at_rest": WARN},
    "capped": {},
    "slowed_old": {"hardware/clocks_at_rest": FAIL},
    "busy": {"hardware/gpu_idle": ERROR},
    "drawing": {},
    "busy_hidden": {"hardware/gpu_idle": ERROR},
    "busy_starting": {},
    "busy_display": {},
    "narrow": {"hardware/pcie_width": WARN},
    "narrow_slot": {},
    "narrow_card": {},
    "narrow_virtual": {"hardware/pcie_width": SKIP},
    "width_smi": {"hardware/pcie_width": WARN, "hardware/pcie_errors": SKIP},
    "width_unstated": {"hardware/pcie_width": ERROR, "hardware/pcie_errors": SKIP},
    "replays": {"hardware/pcie_replays": WARN},
    "replays_few": {},
    "replays_uncounted": {"hardware/pcie_replays": SKIP},
    "aer_fatal": {"hardware/pcie_errors": WARN},
    "aer_nonfatal": {"hardware/pcie_errors": WARN},
    "aer_many": {"hardware/pcie_errors": WARN},
    "aer_few": {},
    "aer_none": {"hardware/pcie_errors": SKIP},
    "pcie_hung": {
        "hardware/pcie_width": ERROR,
        "hardware/pcie_errors": SKIP,
        "hardware/readings_answered": ERROR,
    },
    "numa_unknown": {"hardware/gpu_numa": WARN},
    "acs_on": {"hardware/pcie_acs": WARN},
    "acs_unreadable": {"hardware/pcie_acs": ERROR},
    "acs_absent": {},
    "acs_virtual": {"hardware/pcie_width": SKIP, "hardware/pcie_acs": SKIP, "hardware/iommu": SKIP},
    "iommu_on": {"hardware/iommu": WARN},
    "iommu_passes": {},
    "link_down": {"hardware/nvlink_up": FAIL},
    "links_gone": {"hardware/nvlink_up": FAIL, "hardware/nvlink_errors": SKIP},
    "pair_apart": {"hardware/nvlink_up": FAIL},
    "bridge_lame": {"hardware/nvlink_up": FAIL},
    "unbridged": {"hardware/nvlink_up": SKIP, "hardware/nvlink_errors": SKIP},
    "link_errors": {"hardware/nvlink_errors": WARN},
    "link_errors_hung": {"hardware/nvlink_errors": ERROR, "hardware/readings_answered": ERROR},
    "nvlink_hung": {
        "hardware/nvlink_up": ERROR,
        "hardware/nvlink_errors": SKIP,
        "hardware/readings_answered": ERROR,
    },
    "fabric_waits": {"hardware/fabric_state": FAIL},
    "fabric_failed": {"hardware/fabric_state": FAIL},
    "fabric_slow": {"hardware/fabric_state": FAIL},
    "flavour_open": {"driver/module_flavour": FAIL},
    "flavour_proprietary": {"driver/module_flavour": FAIL},
    "flavour_untold": {"driver/module_flavour": ERROR},
    "not_loaded": {
        "driver/driver_loaded": FAIL,
        "driver/nvidia_smi_answers": FAIL,
        "driver/driver_version": FAIL,
    },
    "off_the_bus": {"driver/nvidia_smi_answers": FAIL},
    "off_the_bus_rest": {
        "hardware/gpu_firmware": SKIP,
        "hardware/gpus_alike": SKIP,
        "hardware/memory_for_gpus": SKIP,
        "driver/gpu_count": FAIL,
    },
    "off_the_bus_silent": {"driver/nvidia_smi_answers": FAIL},
    "mismatch": {"driver/nvidia_smi_answers": FAIL, "driver/driver_version": FAIL},
    "smi_hung": {"hardware/readings_answered": ERROR, "driver/nvidia_smi_answers": FAIL},
    "smi_query_hung": {"hardware/gpu_fields": ERROR, "hardware/readings_answered": ERROR},
    "smi_query_cut": {"hardware/gpu_fields": ERROR},
    "smi_query_bomb": {"hardware/gpu_fields": ERROR},
    "mig_links": {"hardware/gpus_alike": WARN, "hardware/mig_mode": WARN},
    "links_wait": {"hardware/fabric_state": FAIL, "hardware/nvlink_up": SKIP},
}
"""Case → the checks that passed on its host and do not here, with what they say instead."""

BLIND = {
    "not_loaded",
    "off_the_bus",
    "off_the_bus_silent",
    "mismatch",
    "smi_hung",
    "smi_query_hung",
    "smi_query_cut",
    "smi_query_bomb",
}
"""Nothing is known of the cards: what is skipped is not listed above, but must name the check that tells why."""

SUBJECTS = ("smi", "nvlink", "pcie")

DESCRIBES = {
    "smi.installed": "of the reading, not of a card",
    "smi.trouble": "of the reading; see the cases smi_query_*",
    "smi.driver": "driver/driver_version asks nvidia-smi in another way",
    "smi.cuda": "follows from the driver",
    "smi.attached": "driver/gpu_count compares the lists themselves",
    "smi.cards.index": "nvidia-smi's own numbering",
    "smi.cards.name": "an identity: hardware/gpu_identity, see test_cards.py",
    "smi.cards.address": "an identity: hardware/gpu_identity, see test_cards.py",
    "smi.cards.uuid": "an identity: hardware/gpu_identity, see test_cards.py",
    "smi.cards.architecture": "says which fields a card has",
    "smi.cards.virtualization": "says what a card is",
    "smi.cards.mig_devices": "told with the mode",
    "smi.cards.state": "a figure at rest",
    "smi.cards.clocks": "figures at rest; judged under load",
    "smi.cards.link.generation": "low at rest; judged under load",
    "smi.cards.link.max_generation": "judged under load",
    "smi.cards.link.card_generation": "judged under load",
    "smi.cards.link.host_generation": "judged under load",
    "smi.cards.link.rollovers": "replays, in hundreds",
    "smi.cards.temperature.shutdown": "above the slowdown, which is judged",
    "smi.cards.temperature.shutdown_margin": "beyond the slowdown, which is judged",
    "smi.cards.temperature.memory": "few cards have it, and none its limit",
    "smi.cards.power.draw": "a figure at rest",
    "smi.cards.power.least": "what can be set",
    "smi.cards.power.most": "what can be set",
    "smi.cards.processes.pid": "told; that there is one is judged (busy)",
    "smi.cards.processes.name": "told; that there is one is judged (busy)",
    "smi.cards.processes.memory": "told; that there is one is judged (busy)",
    "smi.cards.processes.kind": "the cases busy and drawing differ in it",
    "smi.cards.ecc.volatile.dram": "part of uncorrected",
    "smi.cards.ecc.aggregate.corrected": "history: rows are remapped for it",
    "smi.cards.ecc.aggregate.uncorrected": "history: rows are remapped for it",
    "smi.cards.ecc.aggregate.dram": "history: rows are remapped for it",
    "smi.cards.rows.corrected": "history: a repair that worked",
    "nvlink.trouble": "of the reading; see the case nvlink_hung",
    "nvlink.errors_trouble": "of the reading; see the case link_errors_hung",
    "nvlink.cards.index": "nvidia-smi's own numbering",
    "nvlink.cards.links.number": "an identity",
    "nvlink.cards.uuid": "an identity",
    "pcie.read": "of the reading; see the case pcie_hung",
    "pcie.devices.address": "an identity",
    "pcie.devices.cls": "an identity",
    "pcie.devices.cpus": "follows from the node",
    "pcie.devices.speed": "low at rest; judged under load",
    "pcie.devices.max_speed": "judged under load",
    "pcie.devices.ports": "where it is plugged in",
    "pcie.devices.acs": "of ports",
    "pcie.devices.acs_unreadable": "of ports",
    "pcie.devices.nonfatal": "as fatal; see the ports",
    "pcie.devices.fatal": "as on the ports",
    "pcie.ports.address": "an identity",
    "pcie.ports.cls": "an identity",
    "pcie.ports.cpus": "of cards",
    "pcie.ports.iommu": "of cards",
    "pcie.ports.numa": "of cards",
    "pcie.ports.ports": "of cards",
    "pcie.ports.speed": "low at rest; judged under load",
    "pcie.ports.max_speed": "judged under load",
    "pcie.ports.width": "the card's other end",
    "pcie.ports.correctable": "as on the cards",
    "pcie.nodes": "of the machine",
    "pcie.iommus": "the cards' groups are judged",
}
"""Field → why no check changes with it."""


@pytest.fixture(scope="module")
def ran(suite: Suite) -> Ran:
    """Each case is a rig of its own."""
    return cards_cases.run(suite, list(cards_cases.CASES))


def differing(ran: Ran, case: str) -> dict[str, str]:
    host = cards_cases.CASES[case][0]
    before, after = ran.results(host), ran.results(case)
    assert before.keys() == after.keys()
    return {
        check: str(result.status)
        for check, result in after.items()
        if before[check].status == PASS and result.status != PASS
    }


def test_the_table_is_complete() -> None:
    assert CHANGES.keys() == cards_cases.CASES.keys() - cards_cases.HOSTS.keys()


@pytest.mark.parametrize("case", sorted(CHANGES))
def test_exactly_these_checks_change(ran: Ran, case: str) -> None:
    found = differing(ran, case)
    if case in BLIND:
        skipped = {check for check, status in found.items() if status == SKIP}
        assert skipped
        for check in skipped:
            assert "see " in ran.results(case)[check].message, check
        found = {check: status for check, status in found.items() if status != SKIP}
    assert found == CHANGES[case]


@pytest.mark.parametrize("case", sorted(cards_cases.HOSTS))
def test_a_healthy_rig_has_nothing_to_complain_of(ran: Ran, case: str) -> None:
    ours = {
        one: result for one, result in ran.results(case).items() if "gpu" in one or "pcie" in one
    }
    assert {
        one: result.message for one, result in ours.items() if result.status not in {PASS, SKIP}
    } == {}


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Paths of fields, without the places in lists and dictionaries; and what stands there."""
    if isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            yield from leaves(getattr(value, field), f"{path}.{field}" if path else field)
    elif isinstance(value, tuple) and value and isinstance(value[0], msgspec.Struct):
        for one in value:
            yield from leaves(one, path)
    elif (
        isinstance(value, dict) and value and isinstance(next(iter(value.values())), msgspec.Struct)
    ):
        for one in value.values():
            yield from leaves(one, path)
    else:
        yield path, value


def fields(form: type, path: str) -> Iterator[str]:
    """Every field of a Struct, those of Structs below it too."""
    for field in msgspec.structs.fields(form):
        inner = structs(field.type)
        if not inner:
            yield f"{path}.{field.name}"
        for one in inner:
            yield from fields(one, f"{path}.{field.name}")


def structs(form: object) -> list[type]:
    """The Structs in a type: itself, or what a tuple or a dictionary holds."""
    if isinstance(form, type) and issubclass(form, msgspec.Struct):
        return [form]
    return [found for part in getattr(form, "__args__", ()) for found in structs(part)]


def test_every_field_is_flipped_by_a_case() -> None:
    flipped: set[str] = set()
    for case, (host, _) in cards_cases.CASES.items():
        before, after = (facts.parse(cards_cases.transcript(one)).health for one in (host, case))
        for subject in SUBJECTS:
            old = list(leaves(getattr(before, subject), subject))
            new = list(leaves(getattr(after, subject), subject))
            if [path for path, _ in old] == [path for path, _ in new]:
                flipped |= {
                    path for (path, one), (_, other) in zip(old, new, strict=True) if one != other
                }
    health = facts.Health()
    everything = {
        path for subject in SUBJECTS for path in fields(type(getattr(health, subject)), subject)
    }
    assert len(everything) > 90
    described = {
        path for path in everything for one in DESCRIBES if f"{path}.".startswith(f"{one}.")
    }
    assert everything - flipped - described == set()
    assert {
        one for one in DESCRIBES if not any(f"{p}.".startswith(f"{one}.") for p in everything)
    } == set()
