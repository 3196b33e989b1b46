"""When a check can be asked at all, and how a message names a card and a time."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

import pytest

from checks.question import could_not_measure, require_reading
from provision.facts.driver import State

if TYPE_CHECKING:
    from checks.rigs import Rig
    from provision.facts import Facts
    from provision.facts.gpus import PciDevice

_CONTAINERS = {
    *("systemd-nspawn", "docker", "podman", "lxc", "lxc-libvirt", "openvz", "rkt", "wsl"),
    *("proot", "pouch", "container-other"),
}
"""What systemd-detect-virt(1) calls a container."""


# Domain, bus, device, function.
_PLACE = re.compile(r"(?:([0-9a-f]{1,8}):)?([0-9a-f]{1,2}):([0-9a-f]{1,2})(?:\.([0-7]))?")


def require_answers(rig: Rig, *names: str) -> None:
    """End the check as ``error`` where a reading gave no answer; skip one that an old recording was never asked."""
    __tracebackhide__ = True
    require_reading(rig.facts, *names)
    asked = rig.known.transcript.outcomes if rig.known.transcript else {}
    for name in names:
        if name in asked:
            continue
        if rig.known.recorded:
            pytest.skip(
                f"this transcript has no reading '{name}': it was recorded before there was one"
            )
        could_not_measure(f"the reading '{name}' was not taken")


def require_driver(facts: Facts) -> None:
    """Skip the check where no driver is installed: one finding is enough."""
    __tracebackhide__ = True
    if facts.driver.state is State.MISSING and not facts.nvidia.loaded:
        pytest.skip("no driver is installed: see driver/driver_loaded")


def require_loaded(facts: Facts) -> str:
    """The version of the loaded driver; skip the check where none is."""
    __tracebackhide__ = True
    if not facts.nvidia.loaded:
        pytest.skip("no driver is loaded: see driver/driver_loaded")
    return facts.nvidia.loaded


def container(facts: Facts) -> str:
    """What kind of container the rig is; empty for none."""
    kind = facts.system.virtualization
    return kind if kind in _CONTAINERS else ""


def card(facts: Facts, address: str) -> str:
    """``GPU 0 (NVIDIA GeForce RTX 3090) at 0000:01:00.0``, from an address that may lack domain or function."""
    whole = full_address(facts, address)
    for gpu in facts.nvidia.gpus:
        if _same(gpu.address, whole):
            return f"GPU {gpu.index} ({gpu.name}) at {whole}"
    return f"the device at {whole}"


def full_address(facts: Facts, address: str) -> str:
    """The address as the kernel writes it, where a device of the rig has it."""
    return next((one.address for one in facts.pci if _same(one.address, address)), address)


def nvswitches(facts: Facts) -> tuple[PciDevice, ...]:
    """NVSwitches on the PCI bus: bridges of no common kind (class 0680), made by NVIDIA."""
    return tuple(device for device in facts.pci if device.cls.startswith("0680"))


def _same(one: str, other: str) -> bool:
    """Domains have four digits or eight, and the driver leaves function 0 out."""
    first, second = _PLACE.fullmatch(one.lower()), _PLACE.fullmatch(other.lower())
    if first is None or second is None:
        return one == other
    return [int(part or "0", 16) for part in first.groups()] == [
        int(part or "0", 16) for part in second.groups()
    ]


def clock_time(facts: Facts, stamp: float) -> str:
    """When something was logged ``stamp`` seconds after the boot: ``2026-11-23 10:02 UTC``."""
    try:
        taken = dt.datetime.fromisoformat(facts.taken)
        then = taken - dt.timedelta(seconds=facts.system.uptime - stamp)
        return then.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError):
        return f"{stamp:.0f} s after the boot"


def times(count: int) -> str:
    """Nothing for once, ``, 3 times``."""
    return "" if count == 1 else f", {count} times"
