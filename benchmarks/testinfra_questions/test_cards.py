"""The GPUs: on the bus, and as nvidia-smi has them."""

# ruff: noqa: ANN401, D103, PLR2004, S101 - tests, as a user of testinfra writes them

from __future__ import annotations

import re
from typing import Any

import pytest

NONE = {"[N/A]", "N/A", "[Not Supported]"}


def known(rows: list[list[str]], lacks: str) -> list[list[str]]:
    found = [row for row in rows if not NONE & set(row)]
    if not found:
        pytest.skip(f"the cards have no {lacks}")
    return found


def test_gpus_on_bus(gpus: list[str]) -> None:
    if not gpus:
        pytest.skip("no NVIDIA GPU")
    assert gpus


def test_gpu_fields(ask: Any) -> None:
    for row in ask("uuid", "name", "temperature.gpu", "memory.total", "memory.used", "pstate"):
        assert not {"[Unknown Error]", "[GPU is lost]", "[GPU requires reset]"} & set(row)


def test_gpu_recovery(ask: Any) -> None:
    for (required,) in known(ask("reset_status.reset_required"), "word for it"):
        assert required == "No"


def test_ecc_mode(ask: Any) -> None:
    for now, pending in known(ask("ecc.mode.current", "ecc.mode.pending"), "ECC"):
        assert now == pending == "Enabled"


def test_ecc_uncorrected(ask: Any) -> None:
    for _, count in known(ask("ecc.mode.current", "ecc.errors.uncorrected.volatile.total"), "ECC"):
        assert count == "0"


def test_ecc_sram(ask: Any) -> None:
    for (count,) in known(ask("ecc.errors.uncorrected.aggregate.sram"), "ECC"):
        assert int(count) <= 4


def test_memory_repair(ask: Any) -> None:
    fields = ("pending", "failure")
    rows = ask(*(f"remapped_rows.{field}" for field in fields), "retired_pages.pending")
    found = [row for row in rows if not set(row) <= NONE]
    if not found:
        pytest.skip("the cards neither remap rows nor retire pages")
    for row in found:
        assert not {"Yes", "1"} & set(row)


def test_inforom_valid(host: Any, ask: Any) -> None:
    assert all(version not in {"", "[Unknown Error]"} for (version,) in ask("inforom.img"))
    assert "infoROM is corrupted" not in host.run("nvidia-smi -q -x").stdout


def test_gpu_firmware(ask: Any) -> None:
    found: dict[str, set[tuple[str, str]]] = {}
    for name, *versions in ask("name", "vbios_version", "inforom.img"):
        found.setdefault(name, set()).add((versions[0], versions[1]))
    assert all(len(versions) == 1 for versions in found.values())


def test_gpus_alike(ask: Any) -> None:
    found: dict[str, set[tuple[str, ...]]] = {}
    for name, *words in ask("name", "memory.total", "ecc.mode.current", "mig.mode.current"):
        found.setdefault(name, set()).add(tuple(words))
    assert all(len(words) == 1 for words in found.values())


def test_power_limit(ask: Any) -> None:
    for limit, default in known(ask("power.limit", "power.default_limit"), "power limit"):
        assert float(limit) >= float(default) - 1


def test_temperature_at_rest(host: Any, ask: Any) -> None:
    ((first, *_), *_) = ask("temperature.gpu")
    assert first.isdigit()
    document = host.check_output("nvidia-smi -q -x")
    now = re.findall(r"<gpu_temp>(\d+) C<", document)
    slow = re.findall(r"<gpu_temp_slow_threshold>(\d+) C<", document)
    if not slow:
        pytest.skip("the cards do not state where heat slows them")
    assert all(int(limit) - int(here) >= 20 for here, limit in zip(now, slow, strict=True))


def test_clocks_at_rest(ask: Any) -> None:
    reasons = (
        "hw_slowdown",
        "hw_thermal_slowdown",
        "hw_power_brake_slowdown",
        "sw_thermal_slowdown",
    )
    for row in ask(*(f"clocks_throttle_reasons.{reason}" for reason in reasons)):
        assert "Active" not in row


def test_bus_errors(gpus: list[str], kernel_log: list[str]) -> None:
    if not gpus:
        pytest.skip("no NVIDIA GPU")
    for line in kernel_log:
        uncorrected = "PCIe Bus Error" in line and "severity=Corrected" not in line
        assert not (uncorrected and any(gpu in line for gpu in gpus))
