"""What a person wants to know of a rig, as rows of a label and a value; cleaned, in reading order."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from provision.facts.driver import State
from provision.report.text import count_of, duration, line, size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.facts import Facts
    from provision.facts.disks import FileSystem

_DOUBTFUL = {State.BROKEN, State.MIXED, State.UNMANAGED}
_MIB = 1024**2

# Instruction sets that decide how fast a framework's arithmetic runs on the CPU, as the kernel names them.
_ARITHMETIC = ("avx", "avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve")


class Row(NamedTuple):
    """A label and its value; ``notice`` where a person should look at it."""

    label: str
    value: str
    notice: bool = False


def rows(facts: Facts) -> tuple[Row, ...]:
    """The rig in about fifteen rows."""
    return tuple(
        Row(row.label, line(row.value) or "unknown", row.notice)
        for part in (_system, _hardware, _gpus, _software, _reach, _unread)
        for row in part(facts)
    )


def _system(facts: Facts) -> Iterator[Row]:
    system = facts.system
    yield Row("System", f"{system.name or system.key} · {system.architecture}")
    yield Row("Kernel", system.kernel)
    kind = "bare metal" if system.virtualization == "none" else system.virtualization
    yield Row("Machine", f"{kind or 'kind unknown'} · up {duration(system.uptime)}")
    how = {
        "root": "is root",
        "sudo": "becomes root with sudo",
        "password": "becomes root with sudo and a password",
    }
    root = how.get(facts.privilege, "cannot become root without a password")
    yield Row("Login", f"{facts.login or 'unknown user'}, {root}")


def _hardware(facts: Facts) -> Iterator[Row]:
    cpu, memory = facts.processor, facts.memory
    counts = f"{count_of(cpu.cores, 'core')}, {count_of(cpu.threads, 'thread')}"
    yield Row("CPU", f"{cpu.model or 'unknown model'} · {counts}")
    yield Row("Arithmetic", " ".join(flag for flag in _ARITHMETIC if flag in cpu.flags) or "basic")
    if cpu.governors:
        shown = (f"{name} on {amount}" for name, amount in sorted(cpu.governors.items()))
        yield Row("Governor", ", ".join(shown))
    swap = f"swap {size(memory.swap)}" if memory.swap else "no swap"
    yield Row("Memory", f"{size(memory.total)} · {size(memory.available)} available · {swap}")
    for system in facts.disks.filesystems:
        yield Row(f"Room on {line(system.mount, 60)}", _room(system))


def _room(system: FileSystem) -> str:
    share = f" ({system.free / system.size:.0%})" if system.free and system.size else ""
    return f"{size(system.free)} free{share} of {size(system.size)} · {system.type}"


def _gpus(facts: Facts) -> Iterator[Row]:
    nvidia = facts.nvidia
    if not facts.gpus and not nvidia.loaded:
        yield Row("GPU", "no NVIDIA GPU")
        return
    seen = {gpu.address[-12:]: gpu for gpu in nvidia.gpus}
    for number, gpu in enumerate(facts.gpus):
        known = seen.get(gpu.address[-12:])
        memory = size(known.memory * _MIB) if known and known.memory else "memory unknown"
        name = f"{known.name} · {memory}" if known else "not seen by nvidia-smi"
        yield Row(f"GPU {number}", f"{name} · {gpu.address} · 10de:{gpu.device}", known is None)
    yield _driver(facts)
    if facts.driver.toolkits:
        yield Row("CUDA toolkits", ", ".join(facts.driver.toolkits))
    if nvidia.trouble:
        yield Row("nvidia-smi", nvidia.trouble, notice=True)


def _driver(facts: Facts) -> Row:
    nvidia, installed = facts.nvidia, facts.driver
    flavour = {True: " (open module)", False: " (proprietary module)", None: ""}[nvidia.open]
    words = [f"{nvidia.loaded}{flavour}" if nvidia.loaded else "none loaded"]
    if installed.version and installed.version != nvidia.loaded:
        words.append(f"{installed.version} installed")
    if installed.state in _DOUBTFUL:
        words.append(
            f"{installed.state.value}: {installed.why}" if installed.why else installed.state.value
        )
    return Row("Driver", " · ".join(words), notice=len(words) > 1)


def _software(facts: Facts) -> Iterator[Row]:
    python, firmware, packages = facts.python, facts.firmware, facts.packages
    venv = "makes virtual environments" if python.venv else "cannot make virtual environments"
    yield Row("Python", f"{python.version} · {python.path} · {venv}" if python.path else "none")
    boot = {True: "on", False: "off", None: "unknown"}[firmware.secure_boot]
    yield Row("Secure Boot", boot)
    if firmware.reboot_pending:
        reason = f", for {', '.join(firmware.reboot_for)}" if firmware.reboot_for else ""
        yield Row("Reboot", f"pending{reason}", notice=True)
    if packages.broken:
        yield Row("Packages", "dpkg was interrupted: some are half installed", notice=True)
    if packages.lock_holder:
        yield Row("Package lock", f"held by {packages.lock_holder}", notice=True)


def _reach(facts: Facts) -> Iterator[Row]:
    names = {"apt": "Apt archive", "index": "Package index", "nvidia": "NVIDIA's repository"}
    for place, reach in sorted(facts.network.items()):
        if place == "nvidia" and not facts.gpus:
            continue
        answer = {True: "reached", False: "not reached", None: "not asked"}[reach.reached]
        # curl ends its message with 000 where no server answered.
        detail = line(reach.detail).removesuffix(" 000")
        proof = {"http": "HTTP " * detail.isdigit(), "port": "only the port was tried "}
        shown = f"{answer} · {proof.get(reach.how, '')}{detail}".rstrip(" ·")
        yield Row(names.get(place, line(place, 40).capitalize()), shown, reach.reached is False)


def _unread(facts: Facts) -> Iterator[Row]:
    for name, reason in facts.unread.items():
        yield Row(f"Not read: {line(name, 40)}", reason, notice=True)
