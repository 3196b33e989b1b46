"""What a person should know of a solution before agreeing to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.planner import driver, driver_objections
from provision.planner.situation import named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.catalogue.whole import Catalogue
    from provision.planner.cuda import Chosen
    from provision.planner.driver import Candidate
    from provision.planner.situation import Card, Situation
    from provision.planner.solve import Solution


def warnings(solution: Solution, catalogue: Catalogue) -> Iterator[str]:
    """What a person should know before agreeing."""
    for conflict in solution.left_out:
        yield f"Left out: {conflict.statement} ({conflict.source})."
    for card in solution.situation.cards:
        if card.uncertain:
            yield f"{card.name}: {card.uncertain}. The plan is a best guess for it."
    if solution.driver:
        yield from _about_driver(solution.driver, solution.situation, catalogue)
    for chosen in solution.toolkits:
        yield from _about_toolkit(chosen, solution.situation, catalogue)
    for fit in solution.fits:
        if fit.jit:
            what = f"{catalogue.frameworks.label(fit.release.name)} {fit.release.version}"
            yield (
                f"{fit.kind.name}: {what} has no machine code for {_names(fit.jit, catalogue)}: the driver "
                "compiles it at the first start, which can take many minutes."
            )


def _names(cards: tuple[Card, ...], catalogue: Catalogue) -> str:
    return ", ".join(named(card, catalogue) for card in cards)


def _about_driver(
    candidate: Candidate, situation: Situation, catalogue: Catalogue
) -> Iterator[str]:
    branch = candidate.branch
    if branch.is_over(situation.month):
        when = f" since {branch.end_of_life}" if branch.end_of_life else ""
        yield (
            f"Driver branch {branch.branch} is past its end of life{when}: NVIDIA mends nothing in it any more, "
            f"not even security holes ({branch.source})."
        )
    elif not branch.end_of_life:
        yield f"How long driver branch {branch.branch} is supported is not known."
    if not driver.tried_on(candidate, situation.kernel) and candidate.offer:
        yield (
            f"{candidate.repository.name} says that its driver {candidate.version} was tried up to Linux "
            f"{driver.last_kernel(candidate)}; the rig boots {situation.kernel}."
        )
    if situation.secure_boot and not driver_objections.signed(candidate, situation, catalogue):
        yield (
            "Secure Boot is on: the key that signs modules built on the rig must stay enrolled "
            "(mokutil --list-enrolled)."
        )


def _about_toolkit(chosen: Chosen, situation: Situation, catalogue: Catalogue) -> Iterator[str]:
    version = chosen.toolkit.version
    gcc = chosen.offer.gcc or catalogue.system(situation.system).gcc
    if chosen.offer.confidence == "low":
        where = catalogue.repositories.get(chosen.offer.repository).name
        yield f"That {where} has CUDA {version} for this system is likely, and was not confirmed."
    if not chosen.compiler:
        limit = chosen.toolkit.gcc
        yield (
            f"CUDA {version} takes GCC up to {limit}, and the system's is {gcc}: install gcc-{limit} g++-{limit} "
            f"and call nvcc with -ccbin g++-{limit}."
            if limit
            else f"Which GCC CUDA {version} takes is not known."
        )
    if not chosen.native:
        yield (
            f"CUDA {version} was made with driver {chosen.toolkit.driver}: its programs run on this older one "
            "(minor-version compatibility), but PTX that it makes does not compile there."
        )
    if chosen.quirk:
        yield f"CUDA {version}: {chosen.quirk.statement} ({chosen.quirk.source})."
