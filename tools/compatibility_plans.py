"""The tables of ``docs/compatibility.md`` on what dlrig decides: the default plan by card, and by generation and system."""  # noqa: INP001, E501 - a script's part, in no package

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from compatibility_kinds import card_of, default_plan, fit, kinds, release
from compatibility_notes import NONE, Table

if TYPE_CHECKING:
    from compatibility_kinds import Kind
    from compatibility_notes import Notes

    from provision.catalogue.systems import System
    from provision.catalogue.whole import Catalogue
    from provision.planner.situation import Card

CARDS = (
    *("1180", "102d", "13c2", "17fd", "1c03", "1b80", "1b06", "15f8", "1d81", "1db4"),
    *("1f82", "1e04", "1eb8", "2503", "2204", "2230", "20b5", "2684", "27b8", "26b9"),
    *("2331", "2335", "2c05", "2b85", "2bb1", "2901", "3182"),
)
"""Device ids of cards that many have; their names come from the lists."""


def cards(system: str, catalogue: Catalogue, notes: Notes) -> Table:
    """The default plan for cards that many have, on one system."""
    rows = []
    for device in CARDS:
        card = card_of(device, catalogue)
        generation = catalogue.architectures.get(card.architecture)
        rows.append(
            (
                card.name,
                f"`10de:{device}`",
                card.chip,
                generation.name if generation else "",
                card.compute_capability,
                *_plan(card, system, catalogue)[:-2],
            )
        )
    chips = (
        f"{source.name} {source.version}; {source.date}, {source.confidence} confidence"
        for source in catalogue.gpus.sources
    )
    card_title = f"Card {notes.texts(*chips)}"
    return Table(
        columns=(card_title, "PCI id", "Chip", "Generation", "Compute capability", *PLAN[:-2]),
        rows=tuple(rows),
    )


DEFAULT = "tensorflow"
"""The framework whose environments are made without a wish."""
PLAN = (
    "Driver",
    "CUDA toolkit",
    "TensorFlow",
    "PyTorch, if wished",
    "JAX, if wished",
    "Python of TensorFlow",
    "Driver from",
)
"""Columns of a default plan."""


def _plan(card: Card, system: str, catalogue: Catalogue) -> tuple[str, ...]:
    here, solution = default_plan(card, system, catalogue)
    chosen = solution.driver
    if chosen is None:
        return ("none: as a CPU rig", NONE, "CPU only", NONE, NONE, solution.fits[0].python, NONE)
    gpu = [one for one in solution.fits if one.device == "gpu"]
    default = {one.release.name: one for one in gpu}
    asked = [name for name in catalogue.frameworks.labels if name != DEFAULT]
    on_top = [fit(name, chosen.version, here, catalogue) for name in asked]
    toolkits = ", ".join(one.toolkit.version for one in solution.toolkits)
    return (
        f"{chosen.branch.branch} {chosen.flavour}",
        toolkits or "none",
        release(default[DEFAULT]) if DEFAULT in default else "CPU only",
        *map(release, on_top),
        default[DEFAULT].python if DEFAULT in default else solution.fits[0].python,
        chosen.repository.name,
    )


def plans(system: System, catalogue: Catalogue) -> Table:
    """The default plan on a system; kinds with the same plan share a row."""
    rows = []
    planned = [(kind, _plan(kind.card, system.id, catalogue)) for kind in kinds(catalogue)]
    for cells, group in itertools.groupby(planned, key=lambda pair: pair[1]):
        rows.append((_names([kind for kind, _ in group]), *cells))
    return Table(columns=("GPUs", *PLAN), rows=tuple(rows))


def _names(group: list[Kind]) -> str:
    """``Maxwell 5.0, 5.2; Pascal 6.0``."""
    words = []
    for name, same in itertools.groupby(group, key=lambda kind: kind.architecture.name):
        words.append(f"{name} {', '.join(kind.compute_capability for kind in same)}")
    return "; ".join(words)
