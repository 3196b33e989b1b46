"""Facts of a machine that does not exist yet: what to install on cards that one thinks of buying."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from provision.catalogue import places
from provision.catalogue.gpu_names import same_name
from provision.errors import UsageError
from provision.facts import Facts
from provision.facts.disks import Disks
from provision.facts.driver import Driver
from provision.facts.environments import Environments
from provision.facts.firmware import Firmware
from provision.facts.gpus import PciDevice
from provision.facts.memory import Memory
from provision.facts.network import Reach
from provision.facts.nvidia import Nvidia
from provision.facts.packages import Packages
from provision.facts.processor import Processor
from provision.facts.python import Python
from provision.facts.system import System
from provision.facts.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.catalogue.gpus import GpuList
    from provision.catalogue.systems import System as KnownSystem
    from provision.catalogue.whole import Catalogue

_PREFIXED = re.compile(r"(?:10de:|0x)([0-9a-f]{4})", re.IGNORECASE)
_BARE = re.compile(r"[0-9a-f]{4}", re.IGNORECASE)
_KERNEL = re.compile(r"\d+\.\d+[\w.+~-]*")
_SHOWN = 5
"""Names that an error shows."""


def imagine(
    system: str,
    gpus: Sequence[str],
    catalogue: Catalogue,
    *,
    kernel: str = "",
    secure_boot: bool = False,
    now: str,
) -> Facts:
    """Facts as of a freshly installed machine that reaches everything.

    Args:
        system: ``ubuntu-24.04``, ``noble``.
        gpus: device ids (``10de:1c03``) or names (``GTX 1060``), one per card.
        catalogue: what is known.
        kernel: its release; empty for the system's usual one.
        secure_boot: it is switched on.
        now: UTC, ISO 8601, by which life cycles are judged.

    Raises:
        UsageError: the system or a GPU is unknown, or the kernel is none.
    """
    known = _system(system, catalogue)
    if kernel and not _KERNEL.fullmatch(kernel):
        raise UsageError(
            f"'{kernel}' is not a kernel release",
            where="--kernel",
            hint="As uname -r says it, for example: --kernel 6.8.0-60-generic",
            reference="bad-kernel",
        )
    devices = [_device(text, catalogue.gpus) for text in gpus]
    names = [catalogue.gpus.guess(device).name or f"10de:{device}" for device in devices]
    counts = {name: names.count(name) for name in names}
    cards = " and ".join(f"{n} x {name}" if n > 1 else name for name, n in counts.items())
    distribution, _, release = known.id.partition("-")
    return Facts(
        target=f"a machine with {known.name}{', ' if cards else ''}{cards}",
        taken=now,
        login="",
        privilege="root",
        system=System(
            id=distribution,
            version=release,
            name=known.name,
            architecture="x86_64",
            kernel=kernel,
        ),
        processor=Processor(),
        memory=Memory(),
        disks=Disks(),
        pci=tuple(
            PciDevice(address=f"0000:{n:02x}:00.0", cls="030000", device=device)
            for n, device in enumerate(devices, 1)
        ),
        nvidia=Nvidia(),
        driver=Driver(),
        python=Python(version=known.python),
        environments=Environments(),
        packages=Packages(manager=True),
        files={},
        firmware=Firmware(secure_boot=secure_boot),
        network={
            place: Reach(reached=True)
            for place in ("apt", "index", *(place.name for place in places()))
        },
        watch=Watch(),
        unread={},
    )


def _system(text: str, catalogue: Catalogue) -> KnownSystem:
    """By id or code name, however it is written: ``ubuntu-24.04``, ``Ubuntu 24.04``, ``noble``."""
    wanted = _plain(text)
    for row in catalogue.systems:
        codename = row.name.rpartition("(")[2].rstrip(")")
        if wanted in {_plain(row.id), codename, _plain(row.name.replace(f" ({codename})", ""))}:
            return row
    known = [row.id for row in catalogue.systems]
    near = difflib.get_close_matches(text.lower(), known, n=1)
    raise UsageError(
        f"'{text}' is not a system that dlrig provisions",
        where="--os",
        hint=(f"Did you mean {near[0]}? " if near else "") + f"Known: {', '.join(known)}",
        reference="unknown-system",
    )


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9.]", "", text.lower())


def _device(text: str, gpus: GpuList) -> str:
    """The device id that somebody means by an id or a name."""
    prefixed = _PREFIXED.fullmatch(text.strip())
    if prefixed:
        return prefixed[1].lower()
    named = gpus.by_name(text)
    if _BARE.fullmatch(text.strip()):
        # 1080 is a device id, of a GeForce GTX 580, and what people call another card.
        known = gpus.find(text)
        others = [gpu.name for gpu in named if known and gpu.device != known.device]
        if known and others:
            raise _ambiguous(text, [f"10de:{known.device}", *others])
        if known or not named:
            return text.strip().lower()
    exact = [gpu for gpu in named if same_name(text, gpu.name)]
    kinds = {(gpu.architecture, gpu.compute_capability) for gpu in exact or named}
    if len(kinds) == 1:
        return (exact or named)[0].device
    if named:
        raise _ambiguous(text, [f"{gpu.name} (10de:{gpu.device})" for gpu in named])
    near = gpus.near(text)
    raise UsageError(
        f"no GPU is called '{text}'",
        where="--gpu",
        hint=(f"Did you mean {' or '.join(near)}? " if near else "")
        + "A device id works too: lspci -nn -d 10de: shows them, as 10de:1c03.",
        reference="unknown-gpu",
    )


def _ambiguous(text: str, meant: list[str]) -> UsageError:
    once = list(dict.fromkeys(meant))
    more = f" and {len(once) - _SHOWN} more" if len(once) > _SHOWN else ""
    return UsageError(
        f"'{text}' may mean GPUs that differ",
        where="--gpu",
        hint=f"Say which: {', '.join(once[:_SHOWN])}{more}",
        reference="ambiguous-gpu",
    )
