"""CUDA toolkits: the ones that were asked for, or the newest that fits driver, GPUs and compiler."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from provision.catalogue.cuda import Quirk, Toolkit
from provision.catalogue.repositories import CudaOffer
from provision.plan import WISH, Conflict
from provision.planner.conflicts import cover, from_row, unreached
from provision.planner.situation import named
from provision.versions import allows, at_least, version, wished
from provision.wishes import NO_CUDA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.catalogue.whole import Catalogue
    from provision.planner.situation import Situation

SUBJECT = "cuda"


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """A toolkit, where it comes from, and what to know about it."""

    toolkit: Toolkit
    offer: CudaOffer
    wish: str = ""
    compiler: bool = True
    native: bool = True
    quirk: Quirk | None = None


def choose(
    driver: str, repository: str, situation: Situation, catalogue: Catalogue
) -> tuple[tuple[Chosen, ...], tuple[tuple[Conflict, ...], ...]]:
    """The toolkits beside a driver; and for each that was asked for and is impossible, why.

    Args:
        driver: its version; empty for one that bars nothing.
        repository: where the driver comes from.
        situation: the rig and its wishes.
        catalogue: what is known.
    """
    wishes = situation.wishes.cuda
    if wishes == (NO_CUDA,):
        return (), ()
    found: list[Chosen] = []
    conflicts: list[tuple[Conflict, ...]] = []
    for wish in wishes or ("",):
        best, why = _best(wish, driver, repository, situation, catalogue)
        if best is not None:
            found.append(best)
        elif wish:
            # Without the wish, a rig for which there is no toolkit has none, and no trouble.
            conflicts.append(tuple(dict.fromkeys((_asked(wish, catalogue), *why))))
    once = {chosen.toolkit.version: chosen for chosen in found}
    newest_first = sorted(once.values(), key=lambda c: version(c.toolkit.version), reverse=True)
    return tuple(newest_first), tuple(conflicts)


def _best(
    wish: str, driver: str, repository: str, situation: Situation, catalogue: Catalogue
) -> tuple[Chosen | None, tuple[Conflict, ...]]:
    excluded = []
    fitting = []
    for toolkit in catalogue.cuda.toolkit:
        for row in catalogue.repositories.of(situation.system):
            offer = _offer(row.id, toolkit.version, situation.system, catalogue)
            why = [
                *_against_wish(wish, toolkit, catalogue),
                *_against_offer(row.id, offer, situation, catalogue),
                *_against_driver(toolkit, driver, catalogue),
                *_against_cards(toolkit, situation, catalogue),
            ]
            excluded.append([frozenset({conflict}) for conflict in why])
            if not why and offer is not None:
                fitting.append(_chosen(toolkit, offer, wish, driver, situation, catalogue))
    if not fitting:
        return None, cover(excluded)
    return max(fitting, key=lambda chosen: _rank(chosen, repository, catalogue)), ()


def _rank(chosen: Chosen, repository: str, catalogue: Catalogue) -> tuple[object, ...]:
    """Higher is better: works with this compiler, is no newer than the driver, is newest."""
    places = [row.id for row in catalogue.repositories.repository]
    return (
        chosen.compiler and chosen.quirk is None,
        chosen.native,
        version(chosen.toolkit.version),
        chosen.offer.repository == repository,
        -places.index(chosen.offer.repository),
    )


def _offer(repository: str, toolkit: str, system: str, catalogue: Catalogue) -> CudaOffer | None:
    for row in catalogue.repositories.cuda:
        if row.repository == repository and system in row.systems and toolkit in row.versions:
            return row
    return None


def _chosen(
    toolkit: Toolkit,
    offer: CudaOffer,
    wish: str,
    driver: str,
    situation: Situation,
    catalogue: Catalogue,
) -> Chosen:
    gcc = offer.gcc or catalogue.system(situation.system).gcc
    quirks = (
        row
        for row in catalogue.cuda.quirk
        if situation.system in row.systems and allows(row.versions, toolkit.version)
    )
    return Chosen(
        toolkit=toolkit,
        offer=offer,
        wish=wish,
        compiler=toolkit.gcc is not None and toolkit.gcc >= gcc,
        native=not driver or at_least(driver, toolkit.driver),
        quirk=next(quirks, None),
    )


def _against_wish(wish: str, toolkit: Toolkit, catalogue: Catalogue) -> Iterator[Conflict]:
    if wish and not allows(wished(wish, "--cuda", "12.9"), toolkit.version):
        yield _asked(wish, catalogue)


def _asked(wish: str, catalogue: Catalogue) -> Conflict:
    versions = [row.version for row in catalogue.cuda.toolkit]
    some = any(allows(wished(wish, "--cuda", "12.9"), each) for each in versions)
    known = "" if some else f" (the catalogue knows {', '.join(versions)})"
    return Conflict(
        constraint="wish-cuda",
        subject=SUBJECT,
        statement=f"you asked for CUDA {wish}{known}",
        source=WISH,
    )


def _against_offer(
    repository: str, offer: CudaOffer | None, situation: Situation, catalogue: Catalogue
) -> Iterator[Conflict]:
    row = catalogue.repositories.get(repository)
    system = catalogue.system(situation.system)
    if offer is None:
        offers = [
            version
            for each in catalogue.repositories.cuda
            if each.repository == repository and system.id in each.systems
            for version in each.versions
        ]
        has = ", ".join(offers) or "no CUDA toolkit"
        yield from_row("offered-toolkits", SUBJECT, f"{row.name} has {has} for {system.name}", row)
    yield from unreached(row, dict(situation.unreached), SUBJECT)


def _against_driver(toolkit: Toolkit, driver: str, catalogue: Catalogue) -> Iterator[Conflict]:
    family = catalogue.cuda.family_of(toolkit.version)
    if driver and not at_least(driver, family.driver):
        statement = f"CUDA {family.major} needs driver {family.driver} or newer"
        yield from_row("cuda-driver", SUBJECT, statement, family)


def _against_cards(
    toolkit: Toolkit, situation: Situation, catalogue: Catalogue
) -> Iterator[Conflict]:
    for card in situation.cards:
        capability = card.compute_capability
        target = catalogue.cuda.target_of(capability) if capability else None
        if target is None:
            continue
        name = named(card, catalogue)
        if target.last and version(toolkit.version) > version(target.last):
            statement = f"CUDA {target.last} is the last that compiles for the {name}"
            yield from_row("cuda-last-target", SUBJECT, statement, target)
        if target.first and version(toolkit.version) < version(target.first):
            statement = f"CUDA {target.first} is the first that compiles for the {name}"
            yield from_row("cuda-first-target", SUBJECT, statement, target)
