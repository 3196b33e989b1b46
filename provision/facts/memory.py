"""Main memory and swap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from provision.facts.reading import Reading, whole

if TYPE_CHECKING:
    from provision.facts.reading import Transcript

READINGS = (Reading(name="meminfo", command="cat /proc/meminfo"),)


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """All in bytes; None where not read."""

    total: int | None = None
    available: int | None = None
    swap: int | None = None
    swap_free: int | None = None


def parse(transcript: Transcript) -> Memory:
    """Make sense of /proc/meminfo, whose unit kB means KiB (proc(5))."""
    rows: dict[str, int] = {}
    for line in transcript.lines("meminfo"):
        key, _, value = line.partition(":")
        number = whole(value.split()[0]) if value.split() else None
        if number is not None:
            rows[key] = number * 1024
    return Memory(
        total=rows.get("MemTotal"),
        available=rows.get("MemAvailable"),
        swap=rows.get("SwapTotal"),
        swap_free=rows.get("SwapFree"),
    )
