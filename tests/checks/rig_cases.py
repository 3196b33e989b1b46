"""Rigs to judge: the recorded one, and what differs on others. ``made_`` rigs have no recording behind them."""

from __future__ import annotations

from pathlib import Path

import msgspec

from provision.facts.reading import Outcome, Transcript, from_json
from provision.plan import EnvironmentPlan, Plan, Profile

TRANSCRIPTS = Path(__file__).parent.parent / "data" / "transcripts"
BASE = from_json((TRANSCRIPTS / "debian12-vm.json").read_bytes())

INSTALLED = {"numpy": "2.4.0", "tensorflow_cpu": "2.21.0"}
REQUIREMENTS = ("tensorflow-cpu==2.21.0",)

GPU_1 = "0000:01:00.0 0x030000 0x1c03 0x1458 0x3724 -1 nvidia\n"
GPU_2 = "0000:02:00.0 0x030000 0x1c03 0x1458 0x3724 -1 nvidia\n"
SMI_1 = "0, NVIDIA GeForce GTX 1060 6GB, GPU-11111111-1111, 00000000:01:00.0, 535.261.03, 6144\n"
SMI_2 = "1, NVIDIA GeForce GTX 1060 6GB, GPU-22222222-2222, 00000000:02:00.0, 535.261.03, 6144\n"
PROC = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.261.03  Thu Apr 10 22:37:37 UTC 2025\n"


def said(text: str, *, code: int | None = 0, err: str = "", hung: bool = False) -> Outcome:
    return Outcome(exit_code=code, out=text, err=err, hung=hung)


HUNG = said("", code=None, hung=True)


def made_environment(
    name: str = "tensorflow",
    *,
    runs: bool = True,
    record: bool = True,
    requirements: tuple[str, ...] = REQUIREMENTS,
    now: dict[str, str] | None = None,
) -> Outcome:
    """In the form of the reading ``environments``."""
    written = {
        "name": name,
        "maker": "venv",
        "python": "3.11.2",
        "requirements": requirements,
        "installed": INSTALLED,
    }
    lines = [f"== {name}"]
    lines += ["= python runs"] if runs else []
    lines += [f"= record {msgspec.json.encode(written).decode()}"] if record else []
    lines += [f"- {key}-{version}.dist-info" for key, version in (now or INSTALLED).items()]
    return said("\n".join(lines) + "\n")


PACKAGES = {"libcuda1": "535.261.03-1", "nvidia-smi": "535.261.03-1"}


def made_driver(**values: str) -> Outcome:
    """In the form of the reading ``driver``: one that is whole, recorded and held, but for ``values``."""
    rows = {
        "class": "managed",
        "packages": " ".join(f"{name}={version}" for name, version in PACKAGES.items()),
        "version": "535.261.03",
        "flavour": "proprietary",
        "loaded": "535.261.03",
        "kernel": "6.1.0-40-amd64",
        "next_kernel": "6.1.0-40-amd64",
        "module_running": "535.261.03",
        "module_next": "535.261.03",
        "held": " ".join(PACKAGES),
        "persistence": "enabled",
    }
    return said("".join(f"{key}: '{value}'\n" for key, value in {**rows, **values}.items()))


def made_gpus(*, bus: str = GPU_1 + GPU_2, smi: str = SMI_1 + SMI_2) -> dict[str, Outcome]:
    return {
        "pci_nvidia": said(bus),
        "nvidia_module": said("535.261.03\n"),
        "nvidia_proc": said(PROC),
        "nvidia_smi": said(smi),
        "driver": made_driver(),
        "environments": made_environment("tensorflow"),
    }


def disk(size: int, free: int) -> Outcome:
    head = "Filesystem Type 1-blocks Used Available Capacity Mounted on\n"
    return said(f"{head}/dev/sda1 ext4 {size} {size - free} {free} 1% /\n")


def inodes(total: int, free: int) -> Outcome:
    head = "Filesystem Type Inodes IUsed IFree IUse% Mounted on\n"
    return said(f"{head}/dev/sda1 ext4 {total} {total - free} {free} 1% /\n")


def meminfo(total: int, available: int) -> Outcome:
    return said(f"MemTotal: {total} kB\nMemAvailable: {available} kB\nSwapTotal: 0 kB\n")


def lscpu(flags: str) -> Outcome:
    head = "CPU(s): 4\nModel name: Intel(R) Pentium(R) CPU G4400 @ 3.30GHz\n"
    return said(f"{head}Core(s) per socket: 2\nSocket(s): 1\nFlags: {flags}\n")


GB = 10**9
MISMATCH = "Failed to initialize NVML: Driver/library version mismatch\n"

CHANGES: dict[str, dict[str, Outcome]] = {
    "healthy": {"environments": made_environment()},
    "governed": {"governors": said("performance\nperformance\n")},
    "powersave": {"governors": said("powersave\npowersave\n")},
    "disk_full": {"df_bytes": disk(100 * GB, 3 * GB)},
    "disk_low": {"df_bytes": disk(40 * GB, 4 * GB)},
    "disk_hung": {"df_bytes": HUNG},
    "disk_strange": {"df_bytes": said("nothing of use\n")},
    "inodes_gone": {"df_inodes": inodes(1_000_000, 10)},
    "btrfs": {"df_inodes": inodes(0, 0)},
    "memory_small": {"meminfo": meminfo(2_000_000, 1_000_000)},
    "memory_unread": {"meminfo": said("", code=1, err="cat: /proc/meminfo: Input/output error\n")},
    "no_avx": {"lscpu": lscpu("sse4_1 sse4_2")},
    "lscpu_empty": {"lscpu": said("")},
    "unknown_system": {"os_release": said('ID=arch\nPRETTY_NAME="Arch Linux"\n')},
    "arm": {"uname": said("Linux 6.8.0 aarch64\nrig\n")},
    "dpkg_broken": {"dpkg_audit": said("The following packages are only half configured:\n vim\n")},
    "reboot": {"reboot": said("pending\nlinux-image-6.1.0-41-amd64\n")},
    "unfinished": {"environments": made_environment(record=False)},
    "python_dead": {"environments": made_environment(runs=False)},
    "drifted": {"environments": made_environment(now={"numpy": "1.26.4", "extra": "1.0"})},
    "other_requirements": {"environments": made_environment(requirements=("tensorflow==2.20.0",))},
    "made_gtx1060x2": made_gpus(),
    "made_no_driver": {
        **made_gpus(bus=GPU_1.replace("nvidia", "nouveau")),
        "nvidia_module": said("", code=1, err="No such file\n"),
        "nvidia_proc": said("", code=1, err="No such file\n"),
        "nvidia_smi": said("", code=127, err="sh: 1: nvidia-smi: not found\n"),
        "driver": said("class: 'missing'\n"),
    },
    "made_smi_hung": {**made_gpus(), "nvidia_smi": HUNG},
    "made_off_the_bus": {
        **made_gpus(),
        "nvidia_smi": said("", code=15, err="Unable to determine the device handle: GPU is lost\n"),
    },
    "made_card_missing": made_gpus(smi=SMI_1),
    "made_mismatch": {**made_gpus(), "nvidia_smi": said(MISMATCH, code=18)},
    "made_upgraded": made_gpus(smi=SMI_1.replace("535.261", "550.163") + SMI_2),
    "made_waiting_for_boot": {**made_gpus(), "driver": made_driver(version="535.309.01")},
    "made_no_module": {
        **made_gpus(),
        "driver": made_driver(
            **{"class": "broken", "next_kernel": "6.1.0-41-amd64", "module_next": ""},
            why="the driver has no module for 6.1.0-41-amd64",
        ),
    },
    "made_old_module": {**made_gpus(), "driver": made_driver(module_next="535.216.01")},
    "made_mixed": {
        **made_gpus(),
        "driver": made_driver(
            **{"class": "mixed"}, why="packages from several sources: debian nvidia"
        ),
    },
    "made_unmanaged": {
        **made_gpus(),
        "driver": made_driver(
            **{"class": "unmanaged"}, packages="", held="", why="no package owns it"
        ),
    },
    "made_adopted": {
        **made_gpus(),
        "driver": made_driver(
            **{"class": "unmanaged"},
            packages="",
            held="",
            why="no package owns it",
            record='{"version":"535.261.03","how":"adopted"}',
        ),
    },
    "made_loose": {**made_gpus(), "driver": made_driver(held="nvidia-smi")},
    "made_driver_hung": {**made_gpus(), "driver": HUNG},
    "hostile": {
        "os_release": said(
            'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="\x1b[31mred\x1b]0;owned\x07"\n'
        ),
        "df_bytes": said("\x1b" * 5000),
        "environments": said("== \x1b[2J\n= record {{{\n- x\n" * 50),
    },
}
"""Case → readings that differ from the recorded ones."""


def transcript(case: str) -> Transcript:
    outcomes = {**BASE.outcomes, "environments": made_environment(), **CHANGES[case]}
    return msgspec.structs.replace(BASE, target=case, outcomes=outcomes)


def plan(case: str, *, path: str = "/opt/dlrig/envs/tensorflow") -> Plan:
    gpu = case.startswith("made_")
    environment = EnvironmentPlan(
        name="tensorflow",
        maker="venv",
        python="3.11",
        pins=REQUIREMENTS,
        framework="tensorflow",
        version="2.21.0",
        device="cpu",
        path=path,
    )
    return Plan(
        target=case,
        profile=Profile.GPU if gpu else Profile.CPU,
        reasons=(),
        environments={environment.name: environment},
        actions=(),
    )
