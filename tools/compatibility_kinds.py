"""Kinds of GPUs for ``docs/compatibility.md``: a generation's compute capabilities, and what the planner finds for them."""  # noqa: INP001, E501 - a script's part, in no package

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from provision.catalogue.drivers import Architecture
from provision.planner import frameworks, situation
from provision.planner.situation import Card, Situation
from provision.planner.solve import Failure, Solution, solve
from provision.versions import version

if TYPE_CHECKING:
    from provision.catalogue.drivers import Branch
    from provision.catalogue.whole import Catalogue
    from provision.planner.frameworks import Fit

OLDEST = "kepler"
"""The first generation with a compute capability that a framework of the catalogue has code for."""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """GPUs that the planner treats alike.

    Attributes:
        architecture: their generation.
        compute_capability: ``6.1``.
        chips: those of them that are on PCI cards for x86_64.
    """

    architecture: Architecture
    compute_capability: str
    chips: tuple[str, ...]

    @property
    def card(self) -> Card:
        """One for the planner, which decides by generation and compute capability."""
        return Card(
            device="",
            name=f"{self.architecture.name} {self.compute_capability}",
            architecture=self.architecture.id,
            compute_capability=self.compute_capability,
        )


def kinds(catalogue: Catalogue) -> tuple[Kind, ...]:
    """From Kepler on, oldest generation first; GPUs that are built into arm64 machines are left out."""
    found: dict[tuple[str, str], set[str]] = {}
    for device in catalogue.gpus.gpus:
        gpu = catalogue.gpus.find(device)
        if gpu is None or not gpu.compute_capability:
            continue
        if not catalogue.architectures.built_into_arm64(device, gpu.chip):
            found.setdefault((gpu.architecture, gpu.compute_capability), set()).add(gpu.chip)
    rows = catalogue.architectures.architecture
    first = [row.id for row in rows].index(OLDEST)
    return tuple(
        Kind(
            architecture=row,
            compute_capability=capability,
            chips=tuple(sorted(found[name, capability])),
        )
        for row in rows[first:]
        for name, capability in sorted(found, key=lambda key: version(key[1]))
        if name == row.id
    )


def month(catalogue: Catalogue) -> str:
    """``2026-11``: the newest date in the catalogue, at which life cycles are judged."""
    rows = (
        *catalogue.architectures.architecture,
        *catalogue.drivers.branch,
        *catalogue.cuda.toolkit,
        *catalogue.repositories.driver,
        *catalogue.repositories.cuda,
        *catalogue.frameworks.release,
        *catalogue.systems,
    )
    return max(row.date for row in rows).isoformat()[:7]


def last_driver(kind: Kind, catalogue: Catalogue) -> Branch:
    """The last branch that drives them: of the newest where none is the last."""
    last = kind.architecture.last_branch
    known = (row for row in catalogue.drivers.branch if last in {None, row.branch})
    return next(row for row in known if row.newest)


def newest_fit(framework: str, kind: Kind, catalogue: Catalogue) -> Fit | None:
    """The newest release for a kind of GPU, whatever the system; None where the catalogue has none."""
    here = Situation(
        system=catalogue.systems[0].id,
        cards=(kind.card,),
        pythons=catalogue.pythons,
        month=month(catalogue),
    )
    return fit(framework, last_driver(kind, catalogue).newest, here, catalogue)


def fit(framework: str, driver: str, here: Situation, catalogue: Catalogue) -> Fit | None:
    """The newest release for GPUs beside a driver."""
    environments = (row for row in catalogue.frameworks.environment if row.framework == framework)
    kind = next(row for row in environments if row.device != "cpu")
    need = frameworks.Need(kind=kind, device="gpu", driver=driver)
    return frameworks.fit(need, here, catalogue)[0]


def default_plan(card: Card, system: str, catalogue: Catalogue) -> tuple[Situation, Solution]:
    """What the planner decides without a wish, with conda.

    Raises:
        LookupError: it finds nothing, which without wishes must not be.
    """
    here = Situation(
        system=system, cards=(card,), pythons=catalogue.conda.pythons, month=month(catalogue)
    )
    solution = solve(here, catalogue)
    if isinstance(solution, Failure):
        raise LookupError(  # noqa: TRY004 - no type of the caller's is wrong
            f"no plan for {card.name} on {system}: {solution.conflicts}"
        )
    return here, solution


def card_of(device: str, catalogue: Catalogue) -> Card:
    """A card of the lists."""
    (card,) = situation.cards([device], catalogue)
    return card


def release(found: Fit | None) -> str:
    """``2.21.0 by JIT``, for a cell; with the bound that cuDNN must have beside it."""
    if found is None:
        return "none"
    build = f" ({found.release.build})" if found.release.build else ""
    bounds = [pin.rpartition(",")[2] for pin in found.pins if pin not in found.release.gpu]
    beside = "".join(f", cuDNN `{bound}`" for bound in bounds)
    return found.release.version + build + (" by JIT" if found.jit else "") + beside
