"""NVIDIA's driver as the running system has it: loaded module, and what nvidia-smi answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from provision.facts.reading import Reading

if TYPE_CHECKING:
    from provision.facts.reading import Transcript

_FIELDS = "index,name,uuid,pci.bus_id,driver_version,memory.total"

READINGS = (
    Reading(name="nvidia_module", command="cat /sys/module/nvidia/version"),
    Reading(name="nvidia_proc", command="cat /proc/driver/nvidia/version"),
    # --query-gpu, never the header: its fields are deprecated from 615 on. A sick GPU can hang it.
    Reading(
        name="nvidia_smi",
        command=f"nvidia-smi --query-gpu={_FIELDS} --format=csv,noheader,nounits",
        limit=20.0,
    ),
)

_NOT_FOUND = 127


class SmiGpu(msgspec.Struct, frozen=True, kw_only=True):
    """A GPU as nvidia-smi sees it; memory in MiB, None where not said."""

    index: str
    name: str
    uuid: str
    address: str
    driver: str
    memory: int | None = None


class Nvidia(msgspec.Struct, frozen=True, kw_only=True):
    """The driver's state.

    Attributes:
        loaded: version of the kernel module that is loaded; empty for none.
        open: the loaded module is the open flavour; None where unknown.
        smi: nvidia-smi is installed.
        trouble: why nvidia-smi gave no answer; empty where it did.
        gpus: what it lists.
    """

    loaded: str = ""
    open: bool | None = None
    smi: bool = False
    trouble: str = ""
    gpus: tuple[SmiGpu, ...] = ()


def parse(transcript: Transcript) -> Nvidia:
    """Make sense of the readings."""
    smi = transcript["nvidia_smi"]
    installed = smi.exit_code != _NOT_FOUND and (smi.hung or smi.exit_code is not None)
    proc = transcript.text("nvidia_proc")
    version = re.search(r"\b\d{3}\.\d+(?:\.\d+)?\b", transcript.text("nvidia_module") or proc)
    return Nvidia(
        loaded=version.group() if version else "",
        open="Open Kernel Module" in proc if proc else None,
        smi=installed,
        trouble=smi.trouble if installed else "",
        gpus=tuple(filter(None, map(_gpu, smi.out.splitlines()))) if smi.ok else (),
    )


def _gpu(line: str) -> SmiGpu | None:
    columns = [column.strip() for column in line.split(",")]
    if len(columns) != len(_FIELDS.split(",")) or not columns[0].isdigit():
        return None
    index, name, uuid, address, driver, memory = columns
    return SmiGpu(
        index=index,
        name=name,
        uuid=uuid,
        address=address.lower(),
        driver=driver,
        memory=int(memory) if memory.isascii() and memory.isdigit() else None,
    )
