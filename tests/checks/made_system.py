"""What surrounds the GPUs of a healthy rig: kernel log, nodes, libraries, kernels, services, login, clock.

Made from documentation (the driver's README, systemctl(1), modinfo(8), apt.conf(5), adjtimex(2)) in the form that the
readings give; only the forms of those that need no GPU were recorded on real machines.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import rig_cases

if TYPE_CHECKING:
    from made_rigs import Machine

    from provision.facts.reading import Outcome

KERNEL = "6.1.0-40-amd64"
TAKEN = int(dt.datetime.fromisoformat(rig_cases.BASE.taken).timestamp())
BEGINS = 900
"""Seconds after the boot at which a log begins that no longer reaches back to it."""


def kernel_log(machine: Machine, *lines: str, whole: bool = True, skipped: int = 0) -> Outcome:
    """The log with these lines of weight; a bridge above each card."""
    paths = [
        f"path=/sys/devices/pci0000:00/0000:00:{n + 1:02x}.0/{machine.address(n)}"
        for n in range(machine.count)
    ]
    started = f"[   12.100000] NVRM: loading NVIDIA UNIX Kernel Module  {machine.driver}"
    rows = [f"= {line}" for line in (started, *lines)]
    state = [
        f"since={0 if whole else BEGINS}.000000",
        "lines=1500",
        f"whole={'yes' if whole else 'no'}",
        f"skipped={skipped}",
    ]
    return rig_cases.said("\n".join((*paths, "source=dmesg", *rows, *state)) + "\n")


def node(
    path: str, *, mode: str = "666", may: str = "yes", kind: str = "21b6", owner: str = "0 0"
) -> str:
    return f"node {kind} {mode} {owner} c3:0 {may} {path}\n"


def device_nodes(machine: Machine, *, without: str = "", **changes: str) -> Outcome:
    """All nodes but ``without``; ``changes`` are of ``/dev/nvidia0``."""
    paths = ["/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidiactl"]
    rows = "".join(node(path) for path in paths if path != without)
    for n in range(machine.count):
        path = f"/dev/nvidia{n}"
        rows += node(path, **changes) if n == 0 and path != without else ""
        rows += node(path) if n and path != without else ""
    return rig_cases.said(f"uid=1000\ngids=1000 27\n{rows}helper=yes\nuvm=yes\nmig=0\n")


def libraries(
    version: str, *, cuda: str = "", error: str = "", other: str = "", known: bool = True
) -> Outcome:
    folder = "/usr/lib/x86_64-linux-gnu"
    nvml = f"library libnvidia-ml.so.1\nloads yes\npath {folder}/libnvidia-ml.so.{version}\n"
    found = f"loads yes\npath {cuda or f'{folder}/libcuda.so.{version}'}\n"
    rest = f"known 64 {folder}/libcuda.so.1\n" if known else ""
    rest += f"known 32 {other}\n" if other else ""
    return rig_cases.said(
        f"{nvml}library libcuda.so.1\n{f'error {error}' if error else found}\n{rest}"
    )


def kernels(
    version: str,
    *more: str,
    loaded: str = "",
    denied: str = "/etc/modprobe.d/nvidia-blacklists-nouveau.conf",
    nouveau: str = "yes",
) -> Outcome:
    rows = [f"kernel {KERNEL} {nouveau} {version} ", *more]
    rows += [f"loaded {loaded}"] if loaded else []
    rows += [f"denied {denied}"] if denied else []
    return rig_cases.said("\n".join(rows) + "\n")


def unit(
    name: str, *, active: str = "active", enabled: str = "enabled", result: str = "success"
) -> str:
    sub = {"active": "running"}.get(active, "dead")
    return (
        f"Id={name}\nResult={result}\nLoadState=loaded\nActiveState={active}\nSubState={sub}\n"
        f"UnitFileState={enabled}\n"
    )


def no_unit(name: str) -> str:
    return f"Id={name}\nResult=success\nLoadState=not-found\nActiveState=inactive\nSubState=dead\n"


def services(
    *, persistence: str = "", fabric: str = "", own: str = "", switches: int = 0
) -> Outcome:
    fabric_unit = "nvidia-fabricmanager.service"
    return rig_cases.said(
        "\n".join(
            (
                persistence or unit("nvidia-persistenced.service"),
                own or no_unit("dlrig-persistence.service"),
                fabric or (unit(fabric_unit) if switches else no_unit(fabric_unit)),
                unit("apt-daily-upgrade.timer"),
            )
        )
    )


UPGRADES = (
    'APT::Periodic::Unattended-Upgrade "1";\n'
    'Unattended-Upgrade::Package-Blacklist:: "nvidia-";\n'
    'Unattended-Upgrade::Package-Blacklist:: "libcuda1$";\n'
)


def limits(
    *, memlock: str = "unlimited", nofile: str = "1048576", within: str = "session-3.scope"
) -> Outcome:
    return rig_cases.said(
        f"open files={nofile} {nofile}\nlocked memory={memlock} {memlock}\nwithin={within}\n"
    )


def clock(
    *, now: int = TAKEN, state: int = 0, status: int = 1, services: str = "systemd-timesyncd"
) -> Outcome:
    running = f"service {services}\n" if services else ""
    return rig_cases.said(
        f"now={now}\nstate={state}\nmaximum=250000\nestimate=1000\nstatus={status}\n{running}"
    )


def meminfo(machine: Machine, *, times: float = 2.0, swap: tuple[int, int] = (0, 0)) -> Outcome:
    """Main memory of so many times the GPUs', at least 16 GiB, of which the kernel keeps a fortieth; swap in kB."""
    total = int(max(machine.card.memory * machine.count * times, 16384) * 1024 * 0.975)
    return rig_cases.said(
        f"MemTotal: {total} kB\nMemAvailable: {total - 2_000_000} kB\n"
        f"SwapTotal: {swap[0]} kB\nSwapFree: {swap[1]} kB\n"
    )


def packages(version: str) -> Outcome:
    """The recorded rig's packages, and a fabric manager."""
    recorded = rig_cases.BASE.outcomes["dpkg"].out
    return rig_cases.said(f"{recorded}ii  nvidia-fabricmanager-580 {version}-1\n")


def outcomes(machine: Machine) -> dict[str, Outcome]:
    """Every reading that surrounds the cards."""
    said = rig_cases.said
    found = {
        "kernel_log": kernel_log(machine),
        "device_nodes": device_nodes(machine),
        "driver_libraries": libraries(machine.driver),
        "kernel_modules": kernels(machine.driver),
        "nouveau_initramfs": said(f"image {KERNEL} none nvidia-blacklists-nouveau.conf\n"),
        "services": services(switches=machine.nvswitches),
        "automatic_upgrades": said(UPGRADES),
        "cuda_toolkits": said("gcc=12\ngxx=12\ncompiler 12\n"),
        "login_environment": said("home=/home/rigger\n"),
        "login_limits": limits(),
        "clock": clock(),
        "meminfo": meminfo(machine),
    }
    return found | ({"dpkg": packages(machine.driver)} if machine.nvswitches else {})
