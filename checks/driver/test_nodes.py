"""The device nodes of the driver: are they there, and may the login use them?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.conditions import require_answers, require_loaded
from checks.question import could_not_measure, question, warn_unless
from provision.facts.health import nodes

if TYPE_CHECKING:
    from checks.question import Measure
    from checks.rigs import Rig
    from provision.facts.gpus import PciDevice

_CONTROL = "/dev/nvidiactl"
_MEMORY = "/dev/nvidia-uvm"


@question(
    "Are the driver's device nodes there?",
    expected="/dev/nvidiactl, /dev/nvidia-uvm and one per GPU, all character devices; with MIG also its capabilities",
    source="NVIDIA's driver README, 'How and when are the NVIDIA device files created?'; Azure/azurehpc-health-checks",
    remedy="sudo nvidia-modprobe -c 0 -u; at every boot: sudo systemctl enable --now nvidia-persistenced",
)
def test_device_nodes(gpus: tuple[PciDevice, ...], rig: Rig, measure: Measure) -> None:
    """What programs open."""
    require_loaded(rig.facts)
    require_answers(rig, nodes.NAME)
    found = rig.facts.health.nodes
    taken = [gpu for gpu in gpus if gpu.driver == "nvidia"]
    missing = [path for path in (_CONTROL, _MEMORY) if found.get(path) is None]
    later = ""
    if missing == [_MEMORY] and found.helper:
        # nvidia-modprobe makes it when the first program uses CUDA.
        missing, later = [], f"; {_MEMORY} comes with its first use, by nvidia-modprobe"
    lacking = len(taken) - len(found.gpus)
    if lacking > 0:
        missing.append(f"{lacking} of {len(taken)} of /dev/nvidia0, /dev/nvidia1 …")
    if found.mig and not found.capabilities:
        missing.append(f"/dev/nvidia-caps/*, with {found.mig} MIG instances")
    measure.found(f"{len(found.nodes)}, {len(found.gpus)} of them of GPUs{later}")
    assert not missing, f"missing: {', '.join(missing)}"
    files = [node.path for node in found.nodes if not node.character]
    if files:
        measure.remedy = f"sudo rm {' '.join(files)}; sudo nvidia-modprobe -c 0 -u"
    assert not files, f"no character device: {', '.join(files)}"
    warn_unless(
        lacking == 0,
        f"{len(found.gpus)} nodes of GPUs, and the driver has {len(taken)}: some are left over",
    )


@question(
    "May the login use the GPUs?",
    expected="the device nodes are readable and writable by the user who connects",
    source="their mode, owner and group, tried as that user; nvidia-smi(1), exit code 4",
    remedy="Let everybody use them: echo 'options nvidia NVreg_DeviceFileMode=0666' | sudo tee "
    "/etc/modprobe.d/nvidia-nodes.conf; sudo reboot. Or let their group: sudo usermod -aG GROUP USER; log in again",
)
def test_device_access(gpus: tuple[PciDevice, ...], rig: Rig, measure: Measure) -> None:
    """Root may always; the question is about the login."""
    require_loaded(rig.facts)
    require_answers(rig, nodes.NAME)
    health, login = rig.facts.health.nodes, rig.facts.login
    used = [
        *health.gpus,
        *filter(None, (health.get(path) for path in (_CONTROL, _MEMORY, "/dev/nvidia-uvm-tools"))),
    ]
    if not used:
        could_not_measure(f"none of {len(gpus)} GPUs has a device node: see driver/device_nodes")
    if any(node.usable is None for node in used):
        could_not_measure(f"the groups of the login {login} could not be read")
    measure.found(f"{login} may use all {len(used)}")
    closed = [
        f"{node.path} (mode {node.mode:04o}, owner {node.owner}, group {node.group})"
        for node in used
        if not node.usable
    ]
    assert not closed, f"{login} may not use {', '.join(closed)}"
