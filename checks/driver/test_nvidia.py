"""NVIDIA's driver: is it loaded, does it answer, and does it see what is plugged in?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.question import question

if TYPE_CHECKING:
    from checks.question import Measure
    from checks.rigs import Rig
    from provision.facts import Facts
    from provision.facts.gpus import PciDevice

# nvidia-smi(1), "RETURN VALUE".
_EXITS = {
    4: ("no permission", "Run it as root, or see the modes of /dev/nvidia*."),
    8: ("a GPU's power cable is not attached", "Power off and check the cables."),
    9: ("the driver is not loaded", "sudo modprobe nvidia; then: sudo dmesg | grep -i nvrm"),
    10: ("the kernel sees an interrupt problem of a GPU", "sudo dmesg | grep -i nvrm"),
    12: ("the library libnvidia-ml.so is not found", "Install the driver's library package again."),
    14: ("a GPU's InfoROM is corrupt", "Return the card to its maker."),
    15: ("a GPU has fallen off the bus", "Power off and on; if it returns, the card or the slot."),
    18: ("driver and library have different versions", "sudo reboot"),
}


@question(
    "Is NVIDIA's driver loaded?",
    expected="the kernel module 'nvidia' is loaded",
    source="/sys/module/nvidia/version",
    remedy="sudo modprobe nvidia; then: sudo dmesg | grep -i nvrm",
)
def test_driver_loaded(gpus: tuple[PciDevice, ...], facts: Facts, measure: Measure) -> None:
    """The kernel's side."""
    loaded = facts.nvidia.loaded
    flavour = {True: "open", False: "proprietary", None: "unknown"}[facts.nvidia.open]
    measure.found(f"{loaded} ({flavour} kernel module)")
    bound = sorted({gpu.driver for gpu in gpus if gpu.driver})
    instead = f"; {', '.join(bound)} drives the GPUs" if bound and bound != ["nvidia"] else ""
    assert loaded, f"no NVIDIA driver is loaded, with {len(gpus)} NVIDIA GPUs on the bus{instead}"


@question(
    "Does nvidia-smi answer?",
    expected="an answer within 20 s, exit code 0",
    source="nvidia-smi(1), return values",
    remedy="Run nvidia-smi on the rig, and: sudo dmesg | grep -i -e nvrm -e xid",
)
def test_nvidia_smi_answers(gpus: tuple[PciDevice, ...], rig: Rig, measure: Measure) -> None:
    """A hang is a finding: a sick GPU makes it wait for ever."""
    nvidia = rig.facts.nvidia
    transcript = rig.known.transcript
    code = transcript["nvidia_smi"].exit_code if transcript else None
    meaning, remedy = _EXITS.get(code or 0, ("", ""))
    measure.remedy = remedy
    measure.found(f"it lists {len(nvidia.gpus)} of {len(gpus)}")
    assert nvidia.smi, "nvidia-smi is not installed"
    assert not nvidia.trouble, f"nvidia-smi: {nvidia.trouble}" + (
        f" ({meaning})" if meaning else ""
    )


@question(
    "Does the driver see every GPU that is plugged in?",
    expected="as many GPUs in nvidia-smi as on the PCI bus",
    source="Azure/azurehpc-health-checks, facebookresearch/gcm",
    remedy="sudo dmesg | grep -i -e nvrm -e xid: the missing card's address stands there with the reason.",
)
def test_gpu_count(gpus: tuple[PciDevice, ...], facts: Facts, measure: Measure) -> None:
    """Cards that the driver gave up."""
    listed = _listed(facts)
    measure.found(f"{len(listed)}: " + ", ".join(sorted(gpu.name for gpu in facts.nvidia.gpus)))
    missing = sorted(gpu.address for gpu in gpus if _short(gpu.address) not in listed)
    found = f"{len(listed)} in nvidia-smi, {len(gpus)} on the bus"
    assert not missing, f"{found}; missing: {', '.join(missing)}"
    assert len(listed) == len(gpus), found


@question(
    "Is the loaded driver the one that is installed?",
    expected="the kernel module's version is the one of the installed packages, and the one that nvidia-smi states",
    source="after an upgrade the old module stays loaded until the reboot",
    remedy="sudo reboot",
)
def test_driver_version(gpus: tuple[PciDevice, ...], facts: Facts, measure: Measure) -> None:
    """Kernel's side against the packages' and the library's."""
    loaded, installed = facts.nvidia.loaded, facts.driver.version
    assert not installed or installed == loaded, (
        f"{loaded or 'none'} is loaded, {installed} is installed"
    )
    assert "mismatch" not in facts.nvidia.trouble, f"{loaded} is loaded; {facts.nvidia.trouble}"
    _listed(facts)
    stated = sorted({gpu.driver for gpu in facts.nvidia.gpus})
    measure.found(f"{loaded} on {len(gpus)} GPUs")
    assert stated == [loaded], (
        f"{loaded or 'none'} is loaded, nvidia-smi states {', '.join(stated)}"
    )


def _listed(facts: Facts) -> set[str]:
    if not facts.nvidia.gpus and (facts.nvidia.trouble or not facts.nvidia.smi):
        pytest.skip("nvidia-smi gives no answer: see driver/nvidia_smi_answers")
    return {_short(gpu.address) for gpu in facts.nvidia.gpus}


def _short(address: str) -> str:
    # nvidia-smi writes the domain with eight digits, the kernel with four.
    return address.lower().partition(":")[2]
