"""The cards' links: PCI Express, NVLink, fabric; and modes, processes, what is near."""

# ruff: noqa: ANN401, D103, PLR2004, S101 - tests, as a user of testinfra writes them

from __future__ import annotations

import re
from typing import Any

import pytest

NVSWITCH = "grep -lx 0x22a3 /sys/bus/pci/devices/*/device"
NONE = {"[N/A]", "N/A", "[Not Supported]"}


def test_persistence_mode(ask: Any) -> None:
    assert {mode for (mode,) in ask("persistence_mode")} == {"Enabled"}


def test_compute_mode(ask: Any) -> None:
    assert {mode for (mode,) in ask("compute_mode")} == {"Default"}


def test_mig_mode(ask: Any) -> None:
    modes = {mode for row in ask("mig.mode.current", "mig.mode.pending") for mode in row}
    if modes <= NONE:
        pytest.skip("the cards cannot be divided")
    assert modes == {"Disabled"}


def test_gpu_idle(host: Any, ask: Any) -> None:
    said = host.run("timeout 20 nvidia-smi --query-compute-apps=pid,name --format=csv,noheader")
    assert not said.stdout.strip()
    assert all(int(busy) < 10 for (busy,) in ask("utilization.gpu"))


def test_pcie_width(require_gpus: list[str], host: Any, virtual: str) -> None:
    if virtual != "none":
        pytest.skip("the host decides it")
    for gpu in require_gpus:
        place = f"/sys/bus/pci/devices/{gpu}"
        now = host.file(f"{place}/current_link_width").content_string
        assert now == host.file(f"{place}/max_link_width").content_string


def test_pcie_replays(host: Any, require_gpus: list[str]) -> None:
    assert require_gpus
    counts = re.findall(r"<replay_counter>(\d+)<", host.check_output("nvidia-smi -q -x"))
    assert counts
    assert all(int(count) <= 80 for count in counts)


def test_pcie_errors(host: Any, require_gpus: list[str]) -> None:
    places = " ".join(f"/sys/bus/pci/devices/{gpu}/aer_dev_*fatal" for gpu in require_gpus)
    said = host.run(f"cat {places}")
    if not said.stdout:
        pytest.skip("the kernel keeps no error counters")
    assert all(int(count) == 0 for count in re.findall(r"TOTAL_ERR_\w+ (\d+)", said.stdout))


def test_gpu_numa(host: Any, require_gpus: list[str]) -> None:
    if len(host.run("ls -d /sys/devices/system/node/node[0-9]*").stdout.split()) < 2:
        pytest.skip("one NUMA node")
    for gpu in require_gpus:
        assert int(host.file(f"/sys/bus/pci/devices/{gpu}/numa_node").content_string) >= 0


def test_nvlink_up(host: Any, require_gpus: list[str]) -> None:
    assert require_gpus
    links = re.findall(r"Link \d+: (.*)", host.run("timeout 20 nvidia-smi nvlink -s").stdout)
    if not links:
        pytest.skip("the cards have no NVLink")
    assert not [link for link in links if "inactive" in link]


def test_nvlink_errors(host: Any, require_gpus: list[str]) -> None:
    assert require_gpus
    counts = re.findall(r"Error: (\d+)", host.run("timeout 20 nvidia-smi nvlink -e").stdout)
    if not counts:
        pytest.skip("the cards have no NVLink")
    assert set(counts) == {"0"}


def test_fabric_state(host: Any, require_gpus: list[str]) -> None:
    assert require_gpus
    if host.run(NVSWITCH).rc:
        pytest.skip("no NVSwitch")
    states = re.findall(r"<state>(.*)</state>", host.check_output("nvidia-smi -q -x"))
    assert set(states) == {"Completed"}


def test_pcie_acs(host: Any, ask: Any, virtual: str) -> None:
    if virtual != "none" or all("GeForce" in name for (name,) in ask("name")):
        pytest.skip("these cards do not send data to each other")
    with host.sudo():
        assert "ACSCtl:\tSrcValid+" not in host.check_output("lspci -vvv")


def test_iommu(host: Any, ask: Any, require_gpus: list[str]) -> None:
    if all("GeForce" in name for (name,) in ask("name")):
        pytest.skip("these cards do not send data to each other")
    for gpu in require_gpus:
        kind = host.run(f"cat /sys/bus/pci/devices/{gpu}/iommu_group/type").stdout.strip()
        assert kind in {"", "identity"}
