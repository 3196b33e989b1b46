"""The acceptance on rigs with simulated GPUs of four kinds: what is well is accepted, and a fault is said once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from rigs import dlrig, reach
from ubuntu_archive import GTX_1060, H100, RTX_3090, T4, Card, UbuntuRig
from ubuntu_archive.plays import TAGS, play

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# A box has the processor, memory and disk of the machine that it runs on.
OF_THE_HOST = {
    *("hardware/cpu_governor", "hardware/disk_space", "hardware/swap"),
    *("hardware/memory_available", "hardware/memory_for_gpus"),
}


class Checked:
    """One acceptance of hardware and driver."""

    def __init__(self, rig: UbuntuRig, state: Path) -> None:
        ran = dlrig(state, "check", *reach(rig.box), "-m", "hardware or driver", "--json")
        self.code, self.verdict = ran.code, ran.document["verdict"]
        self._results: list[dict[str, Any]] = ran.document["results"]

    def of(self, status: str) -> dict[str, str]:
        """Name of each check that ended so → what it said, but for those of the host."""
        return {
            one["check"]: one["message"]
            for one in self._results
            if one["status"] == status and one["check"] not in OF_THE_HOST
        }

    @property
    def wrong(self) -> dict[str, str]:
        """Name of each check that found something, or could not → what it said."""
        return self.of("fail") | self.of("warn") | self.of("error")


@pytest.mark.parametrize(
    ("gpus", "flavour", "has", "lacks"),
    [
        pytest.param(
            (GTX_1060,),
            "proprietary",
            {"driver/module_flavour": "the proprietary modules drive Pascal"},
            {"hardware/ecc_mode": "NVIDIA GeForce GTX 1060 6GB has no ECC"},
            id="gtx1060",
        ),
        pytest.param(
            (T4, T4),
            "open",
            {
                "hardware/ecc_mode": "ECC on (all 2 GPUs)",
                "hardware/memory_repair": "0 retired pages (all 2 GPUs)",
                "driver/device_nodes": "5, 2 of them of GPUs",
            },
            {"hardware/mig_mode": "Tesla T4 cannot be divided (MIG)"},
            id="t4x2",
        ),
    ],
)
def test_a_rig_that_is_well_is_accepted(
    gpus: tuple[Card, ...],
    flavour: str,
    has: dict[str, str],
    lacks: dict[str, str],
    ubuntu_rig: Callable[..., UbuntuRig],
    tmp_path: Path,
) -> None:
    rig = ubuntu_rig(gpus=gpus)
    play(rig, **rig.variables("ubuntu", 580, flavour))
    rig.reboot()
    found = Checked(rig, tmp_path)
    assert found.wrong == {}
    assert (found.code, found.verdict.partition(" ")[0]) == (0, "accepted")
    assert has.items() <= found.of("pass").items()
    assert lacks.items() <= found.of("skip").items()


def test_a_fabric_without_its_manager_is_found(
    ubuntu_rig: Callable[..., UbuntuRig], tmp_path: Path
) -> None:
    rig = ubuntu_rig(gpus=(H100,), nvswitch=True)
    play(rig, tags=(*TAGS, "fabric_manager"), **rig.variables("ubuntu", 580))
    rig.reboot()
    found = Checked(rig, tmp_path)
    assert found.wrong == {}
    passed = found.of("pass")
    assert passed["driver/fabric_manager"] == f"active, enabled, {rig.loaded}, with 1 NVSwitches"
    assert passed["hardware/nvlink_up"] == "18 links (GPU 0)"
    assert "fabric Completed, Success" in passed["hardware/fabric_state"]
    rig.shell("systemctl stop nvidia-fabricmanager")
    found = Checked(rig, tmp_path)
    assert (found.code, found.verdict) == (1, "rejected")
    assert found.of("fail").keys() == {"driver/fabric_manager", "hardware/fabric_state"}
    assert "is inactive" in found.wrong["driver/fabric_manager"]


def test_a_driver_that_loses_a_gpu_is_rejected(
    ubuntu_rig: Callable[..., UbuntuRig], tmp_path: Path
) -> None:
    rig = ubuntu_rig(gpus=(RTX_3090, RTX_3090))
    play(rig, **rig.variables("ubuntu", 580))
    rig.reboot()
    found = Checked(rig, tmp_path)
    assert found.wrong == {}
    rig.hide("580.*", 0)
    found = Checked(rig, tmp_path)
    assert (found.code, found.verdict) == (1, "rejected")
    said = "1 in nvidia-smi, 2 on the bus; missing: 0000:01:00.0"
    assert found.wrong == {"driver/gpu_count": said}
