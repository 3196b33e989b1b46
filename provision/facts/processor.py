"""The CPU: model, cores, instruction sets, governor."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from provision.facts.reading import Reading, whole

if TYPE_CHECKING:
    from provision.facts.reading import Transcript

READINGS = (
    Reading(name="lscpu", command="lscpu"),
    Reading(
        name="governors",
        command="cat /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor 2>/dev/null || true",
    ),
)


class Processor(msgspec.Struct, frozen=True, kw_only=True):
    """The rig's CPU.

    Attributes:
        model: e.g. ``Intel(R) Core(TM) i3-6100 CPU @ 3.70GHz``.
        sockets: packages.
        cores: physical cores in all sockets.
        threads: logical processors online.
        flags: instruction sets, as the kernel names them (``avx2``, ``avx512f``, ``amx_bf16``).
        governors: cpufreq governor → number of processors; empty where the kernel offers none.
    """

    model: str = ""
    sockets: int = 0
    cores: int = 0
    threads: int = 0
    flags: frozenset[str] = frozenset()
    governors: dict[str, int] = {}


def parse(transcript: Transcript) -> Processor:
    """Make sense of ``lscpu``."""
    rows: dict[str, str] = {}
    for line in transcript.lines("lscpu"):
        key, _, value = line.partition(":")
        rows.setdefault(key.strip(), value.strip())
    sockets = whole(rows.get("Socket(s)", "")) or 1
    return Processor(
        model=rows.get("Model name", ""),
        sockets=sockets,
        cores=(whole(rows.get("Core(s) per socket", "")) or 0) * sockets,
        threads=whole(rows.get("CPU(s)", "")) or 0,
        flags=frozenset(rows.get("Flags", "").split()),
        governors=dict(Counter(transcript["governors"].out.split())),
    )
