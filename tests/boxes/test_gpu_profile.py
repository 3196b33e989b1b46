"""A box that is shown PCI devices of NVIDIA GPUs: the plan takes the GPU profile, with a driver for them.

The devices are pretended: ids of two GTX 1060 and their sound functions, from NVIDIA's list of supported GPUs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rigs import dlrig, reach

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from provision.box import Box


def pretend(folder: Path, address: str, cls: str, device: str) -> None:
    place = folder / address
    place.mkdir()
    attributes = {"vendor": "0x10de", "class": cls, "device": device}
    for name, value in {
        **attributes,
        "subsystem_vendor": "0x1458",
        "subsystem_device": "0x3724",
    }.items():
        (place / name).write_text(f"{value}\n")


def test_two_gpus_are_seen_and_planned_for(tmp_path: Path, fresh_box: Callable[..., Box]) -> None:
    devices = tmp_path / "devices"
    devices.mkdir()
    for slot in ("01", "02"):
        pretend(devices, f"0000:{slot}:00.0", "0x030000", "0x1c03")
        pretend(devices, f"0000:{slot}:00.1", "0x040300", "0x10f1")
    box = fresh_box(binds={"/sys/bus/pci/devices": devices})
    ran = dlrig(tmp_path / "s", "plan", *reach(box), "--json")
    assert ran.code == 0, ran.text[-3000:]
    plan = ran.document
    assert plan["profile"] == "gpu"
    assert plan["driver"]["flavour"] == "proprietary"
    assert plan["driver"]["branch"] <= 580
    assert list(plan["environments"]) == ["tensorflow", "tensorflow_gpu"]
    assert "nvidia-cudnn-cu12>=9.3.0.75,<9.11" in plan["environments"]["tensorflow_gpu"]["pins"]
    shown = " ".join(dlrig(tmp_path / "s", "plan", *reach(box)).text.split())
    assert "2 x GeForce GTX 1060 6GB (10de:1c03)" in shown
    assert "Pascal has no GSP" in shown
    assert plan["driver"]["packages"][1] == "nvidia-kernel-dkms"
    assert {action["role"] for action in plan["actions"]} >= {"nvidia_driver", "cuda_toolkit"}
    assert "no NVIDIA driver is loaded" in shown
