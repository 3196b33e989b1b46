"""NVIDIA's GPUs: PCI device id → name → chip → architecture and compute capability.

``catalog/gpus.json`` says which device has which chip (``tools/build_gpus.py`` makes it), and
``catalog/chips.toml`` what a chip is. No source gives the compute capability of a device id directly.
"""

from __future__ import annotations

import bisect
import functools
import re

import msgspec

from provision import decode
from provision.catalogue.chips import ChipList, load_chips
from provision.catalogue.gpu_names import Names
from provision.catalogue.rows import Confidence, read_bytes

BLOCK = 0x80
"""From about 0x1180 on, NVIDIA gives each chip a block of 128 device ids (NVIDIA/gpu-admin-tools,
``gpu/devid_chips.py``)."""

_DEVICE = re.compile(r"(?:10de:)?(?:0x)?([0-9a-f]{4})", re.IGNORECASE)


class Gpu(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A row of ``gpus.json``.

    Attributes:
        device: device id, four hexadecimal digits in lower case.
        chip: code name without its variant (GP106, not GP106GL); empty where no list tells.
        name: NVIDIA's own without the word NVIDIA, else that of pci.ids; the chip where neither has one.
        legacy_branch: the driver branch that NVIDIA's list moved the GPU to; empty for none *in that list*.
        open: the open kernel modules drive it; None where NVIDIA's list does not have the GPU.
    """

    device: str
    chip: str
    name: str
    legacy_branch: str
    open: bool | None


class Boards(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Boards whose name differs from their device's; a subsystem is ``vendor:device``."""

    device: str
    name: str
    subsystems: tuple[str, ...]


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A list that ``gpus.json`` was made from; ``date`` is the list's own, empty where not known."""

    name: str
    version: str
    date: str
    confidence: Confidence
    licence: str


class GpuFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of ``gpus.json``."""

    about: str
    sources: tuple[Source, ...]
    gpus: tuple[Gpu, ...]
    boards: tuple[Boards, ...]


class KnownGpu(msgspec.Struct, frozen=True, kw_only=True):
    """What the lists know of a device.

    Attributes:
        device: device id, four hexadecimal digits.
        name: marketing name, or the chip's where a listed GPU has none; empty where it is not listed.
        chip: code name; empty where it is not known.
        architecture: ``pre-tesla``, ``tesla``, ``fermi`` … ``rubin``; empty where it is not known.
        compute_capability: ``6.1``; empty for none, or where it is not known.
        legacy_branch: see ``Gpu``.
        open: see ``Gpu``.
        certain: chip, architecture and compute capability are read from lists, none is concluded.
        why_uncertain: what is not certain and why, without a full stop; empty where all is.
    """

    device: str
    name: str = ""
    chip: str = ""
    architecture: str = ""
    compute_capability: str = ""
    legacy_branch: str = ""
    open: bool | None = None
    certain: bool = False
    why_uncertain: str = ""

    @property
    def capability(self) -> tuple[int, int] | None:
        """The compute capability as numbers, for comparing: (12, 0) is newer than (9, 0)."""
        major, _, minor = self.compute_capability.partition(".")
        return (int(major), int(minor)) if minor else None


class GpuList:
    """Every GPU of NVIDIA's, by device id and by name."""

    def __init__(self, file: GpuFile, chips: ChipList) -> None:
        self.sources = file.sources
        self.chips = chips
        self.gpus = {gpu.device: gpu for gpu in file.gpus}
        self._boards = {
            (row.device, one): row.name for row in file.boards for one in row.subsystems
        }

    def find(self, device_id: str, subsystem: str = "") -> KnownGpu | None:
        """What is known of ``1c03`` (also ``0x1C03``, ``10de:1c03``); None where no list has it.

        ``subsystem`` (``1028:0baf``) tells boards apart that share a device id and differ in name.
        """
        device = _device(device_id)
        row = self.gpus.get(device)
        if row is None:
            return None
        known = self._joined(device, row.chip) if row.chip else self._conclude(device)
        return msgspec.structs.replace(
            known,
            name=self._boards.get((device, subsystem.lower()), row.name),
            legacy_branch=row.legacy_branch,
            open=row.open,
        )

    def guess(self, device_id: str) -> KnownGpu:
        """``find``, or what the neighbouring device ids let one conclude, with the reason for doubt."""
        device = _device(device_id)
        if not device:
            why = f"{device_id!r} is not a PCI device id (four hexadecimal digits)"
            return KnownGpu(device=device_id, why_uncertain=why)
        return self.find(device) or self._conclude(device)

    def by_name(self, text: str) -> tuple[KnownGpu, ...]:
        """GPUs that are called ``GTX 1060`` or ``rtx-4090``; those called exactly so first."""
        found = ((self.find(device), name) for device, name in self._names.find(text))
        return tuple(msgspec.structs.replace(gpu, name=name) for gpu, name in found if gpu)

    def near(self, text: str) -> tuple[str, ...]:
        """At most three names that ``text`` may have been meant as."""
        return self._names.near(text)

    @functools.cached_property
    def _names(self) -> Names:
        named = [(row.device, row.name) for row in self.gpus.values() if row.name != row.chip]
        boards = {(device, name) for (device, _), name in self._boards.items()}
        return Names([*named, *sorted(boards)])

    @functools.cached_property
    def _ids(self) -> tuple[int, ...]:
        """Device ids whose chip is known, ascending."""
        return tuple(sorted(int(row.device, 16) for row in self.gpus.values() if row.chip))

    def _joined(self, device: str, code: str) -> KnownGpu:
        chip = self.chips.find(code)
        if chip is None:
            why = f"the architecture of the chip {code} is not known"
            return KnownGpu(device=device, chip=code, why_uncertain=why)
        why = ""
        if chip.architecture != "pre-tesla" and not chip.compute_capability:
            why = f"no compute capability is known for the chip {code}"
        elif chip.confidence == "low":
            why = f"the compute capability of the chip {code} is not confirmed"
        return KnownGpu(
            device=device,
            chip=code,
            architecture=chip.architecture,
            compute_capability=chip.compute_capability,
            certain=not why,
            why_uncertain=why,
        )

    def _conclude(self, device: str) -> KnownGpu:
        """Only as much as the nearest known ids below and above have in common.

        One of them alone is enough within a block. Tried on every listed id from 0x1180 on as if it were not
        listed, this is right or says nothing (``tests/unit/test_gpu_list.py``).
        """
        number = int(device, 16)
        untold = f"no list tells the chip of 10de:{device} ({self._versions})"
        if not self._ids or number > self._ids[-1]:
            why = f"{untold}; its id is higher than all known ones, so it may be a newer GPU"
            return KnownGpu(device=device, why_uncertain=why)
        at = bisect.bisect_left(self._ids, number)
        near = [one for one in self._ids[max(at - 1, 0) : at + 1] if abs(one - number) < BLOCK]
        if len(near) == 1:
            near = [one for one in near if one // BLOCK == number // BLOCK]
        alike = [self._joined(device, self.gpus[f"{one:04x}"].chip) for one in near]
        architecture = _common({gpu.architecture for gpu in alike})
        if not architecture:
            why = f"{untold}, nor do the ids next to it"
            return KnownGpu(device=device, why_uncertain=why)
        neighbours = " and ".join(f"10de:{one:04x}" for one in near)
        return KnownGpu(
            device=device,
            chip=_common({gpu.chip for gpu in alike}),
            architecture=architecture,
            compute_capability=_common({gpu.compute_capability for gpu in alike}),
            why_uncertain=f"{untold}; taken from the ids next to it, {neighbours}",
        )

    @property
    def _versions(self) -> str:
        return ", ".join(f"{source.name} {source.version}" for source in self.sources)


def _common(values: set[str]) -> str:
    return values.pop() if len(values) == 1 else ""


def _device(text: str) -> str:
    match = _DEVICE.fullmatch(text.strip())
    return match[1].lower() if match else ""


@functools.cache
def load_gpus() -> GpuList:
    """The lists that this version of dlrig carries.

    Raises:
        msgspec.ValidationError: a file of them is wrong (a test loads them).
    """
    file = decode.json(read_bytes("gpus.json"), GpuFile)
    return GpuList(file, load_chips())
