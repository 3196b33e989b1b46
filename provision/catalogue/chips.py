"""NVIDIA's chips by code name: architecture and compute capability, from ``catalog/chips.toml``."""

from __future__ import annotations

import msgspec

from provision.catalogue.rows import Row, read_toml


class Chip(Row, frozen=True, kw_only=True):
    """A chip, or all whose code name begins so; ``compute_capability`` is "6.1", empty for none known."""

    chip: str
    architecture: str
    compute_capability: str


class _ChipRow(Row, frozen=True, kw_only=True):
    architecture: str
    compute_capability: dict[str, str]


class _ChipFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    chip: tuple[_ChipRow, ...]


class ChipList:
    """Chips by the beginning of their code names; the longest that fits wins."""

    def __init__(self, chips: tuple[Chip, ...]) -> None:
        self.chips = {chip.chip: chip for chip in chips}

    def find(self, chip: str) -> Chip | None:
        """The row for a code name, e.g. ``GP106``."""
        beginnings = (chip[:length] for length in range(len(chip), 1, -1))
        return next((self.chips[part] for part in beginnings if part in self.chips), None)


def load_chips() -> ChipList:
    """``chips.toml``, a row for each beginning of a code name.

    Raises:
        msgspec.ValidationError: the file is wrong.
    """
    rows = read_toml("chips.toml", _ChipFile).chip
    return ChipList(
        tuple(
            Chip(
                chip=chip,
                architecture=row.architecture,
                compute_capability=capability,
                source=row.source,
                date=row.date,
                confidence=row.confidence,
            )
            for row in rows
            for chip, capability in row.compute_capability.items()
        )
    )
