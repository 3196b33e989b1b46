"""Whether a solution keeps the catalogue's rules: read from the rows, without the planner's own functions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.catalogue.whole import Catalogue
    from provision.planner.cuda import Chosen
    from provision.planner.driver import Candidate
    from provision.planner.frameworks import Fit
    from provision.planner.situation import Card, Situation
    from provision.planner.solve import Solution


def violations(asked: Situation, found: Solution, catalogue: Catalogue) -> list[str]:
    """Every rule and wish that a solution breaks, in words; none where it is right.

    Args:
        asked: the situation with all its cards.
        found: what the planner chose for it.
        catalogue: whose rows are the rules.
    """
    return [
        *_cards(asked, found),
        *_driver(asked, found, catalogue),
        *_toolkits(asked, found, catalogue),
        *_environments(asked, found, catalogue),
    ]


def _cards(asked: Situation, found: Solution) -> Iterator[str]:
    driven = found.situation.cards
    if set(driven) - set(asked.cards):
        yield "cards were made up"
    if bool(driven) != (found.driver is not None):
        yield "a driver without cards, or cards without a driver"
    told = " ".join(conflict.statement for conflict in found.left_out)
    for card in asked.cards:
        if card not in driven and card.name not in told:
            yield f"{card.name} was left out without a word"
    for conflict in found.left_out:
        if not (conflict.source and conflict.date and conflict.confidence):
            yield f"no source: {conflict.statement}"


def _driver(asked: Situation, found: Solution, catalogue: Catalogue) -> Iterator[str]:
    if found.driver is None:
        return
    yield from _driver_offer(asked, found.driver, catalogue)
    yield from _driver_wishes(asked, found.driver)
    branch, modules = found.driver.branch.branch, catalogue.drivers.modules
    if (
        asked.secure_boot
        and (not asked.loaded or asked.loaded_signed)
        and not _signed(asked, found.driver, catalogue)
    ):
        yield "Secure Boot would not load it"
    if found.driver.flavour == "open" and branch < modules.open_first:
        yield "no open modules yet"
    if found.driver.flavour == "proprietary" and branch > modules.proprietary_last:
        yield "no proprietary modules any more"
    for card in found.situation.cards:
        yield from _driver_of_card(card, found, catalogue)


def _driver_offer(asked: Situation, chosen: Candidate, catalogue: Catalogue) -> Iterator[str]:
    key = (chosen.repository.id, chosen.branch.branch)
    offers = [
        row
        for row in catalogue.repositories.driver
        if (row.repository, row.branch) == key and asked.system in row.systems
    ]
    if not any(chosen.flavour in row.flavours for row in offers):
        yield f"{chosen.flavour} {key} is not offered"
    for row in catalogue.repositories.transition:
        if (row.repository, row.branch) == key and asked.system in row.systems:
            yield f"{key} is only a way to {row.to}"
    if chosen.repository.id in dict(asked.unreached):
        yield f"{chosen.repository.id} is not reached"
    if chosen.version.split(".")[0] != str(chosen.branch.branch):
        yield f"{chosen.version} is not of branch {chosen.branch.branch}"


def _driver_wishes(asked: Situation, chosen: Candidate) -> Iterator[str]:
    wishes = asked.wishes
    asked_for = chosen.version if "." in wishes.driver else str(chosen.branch.branch)
    if wishes.driver and not _is_as_asked(wishes.driver, asked_for):
        yield f"{wishes.driver} was asked for"
    if wishes.driver_source.value not in {"auto", chosen.repository.id}:
        yield f"{wishes.driver_source} was asked for"
    if wishes.modules.value not in {"auto", chosen.flavour}:
        yield f"{wishes.modules} modules were asked for"


def _signed(asked: Situation, chosen: Candidate, catalogue: Catalogue) -> bool:
    flavours = next(row for row in catalogue.systems if row.id == asked.system).module_flavours
    usual = not asked.kernel or asked.kernel.endswith(tuple(f"-{one}" for one in flavours))
    return chosen.repository.signed_modules and usual


def _driver_of_card(card: Card, found: Solution, catalogue: Catalogue) -> Iterator[str]:
    assert found.driver is not None
    rows = [row for row in catalogue.architectures.architecture if row.id == card.architecture]
    for row in rows:
        first = row.first_driver_of.get(card.compute_capability, row.first_driver)
        if row.last_branch is not None and found.driver.branch.branch > row.last_branch:
            yield f"too new for {card.name}"
        if first and Version(found.driver.version) < Version(first):
            yield f"too old for {card.name}"
        wrong = {"no": "open", "only": "proprietary"}.get(row.open_modules)
        if found.driver.flavour == wrong:
            yield f"wrong modules for {card.name}"
    if card.open is False and found.driver.flavour == "open":
        yield f"no open modules for {card.name}"
    for row in catalogue.architectures.arm64:
        if card.device in row.devices or card.chip in row.chips:
            yield f"{card.name} is of an arm64 machine"


def _toolkits(asked: Situation, found: Solution, catalogue: Catalogue) -> Iterator[str]:
    versions = [chosen.toolkit.version for chosen in found.toolkits]
    if versions != sorted(set(versions), key=Version, reverse=True):
        yield f"{versions} are not newest first, each once"
    if found.toolkits and found.driver is None:
        yield "a toolkit without a driver"
    for chosen in found.toolkits:
        yield from _toolkit(chosen, asked, found, catalogue)
    for wish in asked.wishes.cuda:
        if wish == "none":
            if versions:
                yield "no toolkit was asked for"
        elif not any(_is_as_asked(wish, each) for each in versions):
            yield f"CUDA {wish} was asked for"


def _toolkit(
    chosen: Chosen, asked: Situation, found: Solution, catalogue: Catalogue
) -> Iterator[str]:
    number, place = chosen.toolkit.version, chosen.offer.repository
    if not any(
        row.repository == place and asked.system in row.systems and number in row.versions
        for row in catalogue.repositories.cuda
    ):
        yield f"CUDA {number} is not offered by {place}"
    if place in dict(asked.unreached):
        yield f"{place} is not reached"
    yield from _floor(number, found, catalogue)
    for card in found.situation.cards:
        for row in catalogue.cuda.target:
            if not card.compute_capability or card.compute_capability not in SpecifierSet(
                row.compute_capability
            ):
                continue
            if row.last and Version(number) > Version(row.last):
                yield f"CUDA {number} does not compile for {card.name} any more"
            if row.first and Version(number) < Version(row.first):
                yield f"CUDA {number} does not compile for {card.name} yet"


def _floor(cuda: str, found: Solution, catalogue: Catalogue) -> Iterator[str]:
    assert found.driver is not None
    (family,) = [row for row in catalogue.cuda.family if row.major == Version(cuda).major]
    if Version(found.driver.version) < Version(family.driver):
        yield f"CUDA {cuda} does not run on {found.driver.version}"


def _environments(asked: Situation, found: Solution, catalogue: Catalogue) -> Iterator[str]:
    wishes, names = asked.wishes, {fit.kind.name for fit in found.fits}
    must = set(wishes.env) or {"tensorflow"}
    must |= {name for name in ("torch", "jax") if getattr(wishes, name)}
    may = must | (set() if wishes.env or found.driver is None else {"tensorflow_gpu"})
    if not must <= names <= may:
        yield f"environments {names}, but they should be {must} to {may}"
    if "tensorflow_gpu" in may - names and not any(
        conflict.subject == "tensorflow_gpu" for conflict in found.left_out
    ):
        yield "tensorflow_gpu was left out without a word"
    for fit in found.fits:
        yield from _environment(fit, asked, found, catalogue)


def _environment(
    fit: Fit, asked: Situation, found: Solution, catalogue: Catalogue
) -> Iterator[str]:
    release, name = fit.release, fit.kind.name
    gpu = fit.device == "gpu"
    if gpu != (fit.kind.device != "cpu" and found.driver is not None):
        yield f"{name} is for {fit.device}"
    if release not in catalogue.frameworks.release or release.name != fit.kind.framework:
        yield f"{name} holds {release.name} {release.version}"
    yield from _python(fit, asked)
    wish = getattr(asked.wishes, release.name)
    if wish and not _is_as_asked(wish, release.version):
        yield f"{name}: {wish} was asked for"
    own = release.gpu if gpu else release.cpu
    if fit.pins[: len(own)] != own or (not gpu and fit.pins != own):
        yield f"{name}: {fit.pins}"
    if gpu:
        yield from _floor(release.cuda, found, catalogue)
        for card in found.situation.cards:
            if card.compute_capability:
                yield from _kernels(fit, card, found, catalogue)
                yield from _cudnn(fit, card, catalogue)


def _python(fit: Fit, asked: Situation) -> Iterator[str]:
    wheels = (fit.release.python_gpu if fit.device == "gpu" else "") or fit.release.python
    if fit.python not in SpecifierSet(wheels):
        yield f"{fit.kind.name}: no wheel for Python {fit.python}"
    if fit.python not in asked.pythons:
        yield f"{fit.kind.name}: no Python {fit.python} here"
    if asked.wishes.python and not _is_as_asked(asked.wishes.python, fit.python):
        yield f"{fit.kind.name}: Python {asked.wishes.python} was asked for"


def _kernels(fit: Fit, card: Card, found: Solution, catalogue: Catalogue) -> Iterator[str]:
    """Machine code runs on its major and the same or newer minor; PTX on all that is not older."""
    release, own = fit.release, Version(card.compute_capability)
    native = any(
        (code := Version(text)).major == own.major and code.minor <= own.minor
        for text in release.sass
    )
    if not native and not any(Version(text) <= own for text in release.ptx):
        yield f"{fit.kind.name} has no code for {card.name}"
    if (card in fit.jit) is native:
        yield f"{fit.kind.name}: {card.name} is told wrongly to start by JIT or not"
    made_with = [row.driver for row in catalogue.cuda.toolkit if row.version == release.cuda]
    for driver in [] if native or found.driver is None else made_with:
        if Version(found.driver.version) < Version(driver):
            yield f"{found.driver.version} cannot compile the PTX of {release.version}"


def _cudnn(fit: Fit, card: Card, catalogue: Catalogue) -> Iterator[str]:
    allowed = SpecifierSet(fit.release.cudnn)
    for pin in map(Requirement, fit.pins):
        allowed &= pin.specifier if pin.name == fit.release.cudnn_package else SpecifierSet()
    may = [one for one in CUDNN if one in allowed]
    for row in catalogue.cuda.cudnn:
        if card.compute_capability in SpecifierSet(row.compute_capability):
            continue
        without_code = [one for one in may if one in SpecifierSet(row.versions)]
        if without_code or not may:
            yield f"{fit.kind.name}: pip may take cuDNN {without_code} for {card.name}"


# Releases of cuDNN: nvidia-cudnn-cu11, -cu12 and -cu13 on the Python package index.
CUDNN = [
    *("8.7.0.84", "8.9.4.25", "8.9.7.29", "9.1.0.70", "9.3.0.75", "9.5.1.17", "9.8.0.87"),
    *("9.10.2.21", "9.11.0.98", "9.12.0.46", "9.13.0.50", "9.19.0.56", "9.20.0.48", "9.24.0.43"),
    "9.26.0.51",
]


def _is_as_asked(wish: str, got: str) -> bool:
    """``580`` means any 580, ``2.20.0`` that one, anything else is a specifier."""
    if re.fullmatch(r"[0-9]+(\.[0-9]+)*", wish):
        parts = wish.split(".")
        return got == wish if len(parts) > 2 else got.split(".")[: len(parts)] == parts
    return SpecifierSet(wish).contains(got, prereleases=True)
