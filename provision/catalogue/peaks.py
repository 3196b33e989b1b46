"""What cards and links can do at most, as published: from ``catalog/peaks.toml``."""

from __future__ import annotations

from typing import Literal

import msgspec

from provision.catalogue.gpu_names import same_name
from provision.catalogue.rows import Row, read_toml

Form = Literal["float32", "tf32", "bfloat16", "float16"]


class Peak(Row, frozen=True, kw_only=True):
    """A card's published rates.

    Attributes:
        names: NVML's names of the cards that have them, without the brand.
        tflops: form of number → TFLOP/s of dense matrix products.
        memory: GB/s.
        nvlink: GB/s of all links, both directions; None where it has none.
        pcie: generation.
    """

    names: tuple[str, ...]
    tflops: dict[Form, float]
    memory: float
    nvlink: float | None = None
    pcie: int


class Share(Row, frozen=True, kw_only=True):
    """The fraction that must be reached."""

    share: float


class Lanes(Row, frozen=True, kw_only=True):
    """GB/s of one lane of PCI Express in one direction, by generation."""

    per_lane: dict[int, float]


class PeakFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file as a whole."""

    margin: Share
    together: Share
    lanes: Lanes
    card: tuple[Peak, ...]


class Peaks:
    """Every card's, and the links'; and how far below another a measured one may be."""

    def __init__(self, file: PeakFile) -> None:
        self.cards, self.lanes = file.card, file.lanes
        self.margin, self.together = file.margin, file.together

    def find(self, name: str) -> Peak | None:
        """The row of a card, by the name that its driver gives it."""
        for card in self.cards:
            if any(same_name(name, known) for known in card.names):
                return card
        return None

    def link(self, generation: int, width: int) -> float | None:
        """GB/s of a PCI Express link in one direction; None for a generation that is not known."""
        lane = self.lanes.per_lane.get(generation)
        return None if lane is None else round(lane * width, 1)


def read_peaks() -> Peaks:
    """From ``peaks.toml``.

    Raises:
        msgspec.ValidationError: the file is wrong.
    """
    return Peaks(read_toml("peaks.toml", PeakFile))
