"""A solution in sentences: every choice with its reason and source, and what to know before agreeing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.plan import Decision
from provision.planner import driver_objections
from provision.planner.situation import architecture, named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.catalogue.rows import Row
    from provision.catalogue.whole import Catalogue
    from provision.planner.cuda import Chosen
    from provision.planner.driver import Candidate
    from provision.planner.frameworks import Fit
    from provision.planner.situation import Situation
    from provision.planner.solve import Solution

_TYPES = {
    "LTSB": "a long-term support branch",
    "PB": "a production branch",
    "NFB": "a new-feature branch",
    "legacy": "a legacy branch",
}


def _decision(subject: str, choice: str, reason: str, row: Row | None = None) -> Decision:
    return Decision(
        subject=subject,
        choice=choice,
        reason=reason,
        source=row.source if row else "",
        date=row.date.isoformat() if row else "",
        confidence=row.confidence if row else "",
    )


def profile(situation: Situation, solution: Solution, catalogue: Catalogue) -> Iterator[Decision]:
    """With or without GPUs, and which."""
    if not situation.cards:
        yield _decision("profile", "CPU", "no NVIDIA GPU (vendor 10de, class 03) is on the PCI bus")
        return
    found = ", ".join(
        f"{card.count} x {card.name} (10de:{card.device})" for card in situation.cards
    )
    if solution.driver is None:
        yield _decision("profile", "CPU", f"no driver of this system drives the GPUs: {found}")
        return
    yield _decision("profile", "GPU", f"on the PCI bus: {found}")
    for card in solution.situation.cards:
        row = architecture(card, catalogue)
        capability = f"compute capability {card.compute_capability or 'unknown'}"
        chip = card.chip or "unknown chip"
        name = row.name if row else "unknown generation"
        reason = f"{chip}, {capability}" + (f"; {card.uncertain}" if card.uncertain else "")
        yield _decision("GPU", f"{card.name}: {name}", reason, row)


def choices(solution: Solution, catalogue: Catalogue) -> Iterator[Decision]:
    """Driver, flavour, source, toolkits, environments."""
    situation = solution.situation
    if solution.driver:
        yield from _driver(solution.driver, situation, catalogue)
        yield from _toolkits(solution, catalogue)
    for fit in solution.fits:
        beside = any(
            other.device == "gpu" and other.release.name == fit.release.name
            for other in solution.fits
        )
        yield _environment(fit, situation, catalogue, beside=beside)


def _driver(candidate: Candidate, situation: Situation, catalogue: Catalogue) -> Iterator[Decision]:
    branch = candidate.branch
    choice = candidate.version if candidate.exact else str(branch.branch)
    yield _decision("driver", choice, _why_branch(candidate, situation, catalogue), branch)
    if candidate.adopted:
        yield _decision("kernel modules", candidate.flavour, "they are on the rig")
    else:
        yield _flavour(candidate, situation, catalogue)
    offer = candidate.offer
    yield _decision(
        "driver source",
        candidate.repository.name,
        _why_source(candidate, situation, catalogue),
        offer,
    )


def _why_branch(candidate: Candidate, situation: Situation, catalogue: Catalogue) -> str:
    branch = candidate.branch
    limits = sorted(
        {
            (row.last_branch, row.name)
            for card in situation.cards
            if (row := architecture(card, catalogue)) and row.last_branch is not None
        }
    )
    kind = _TYPES.get(branch.type, "a branch whose type is not known")
    life = (
        "no longer supported"
        if branch.is_over(situation.month)
        else f"supported until {branch.end_of_life}"
        if branch.end_of_life
        else "with no known end of support"
    )
    first = f"{kind}, {life}"
    if situation.wishes.driver:
        first = f"you asked for {situation.wishes.driver}; {first}"
    elif candidate.adopted:
        first = f"it is on the rig, and taken as it is ({candidate.version}); {first}"
    elif situation.has_branch(branch.branch):
        runs = "runs" if situation.present == situation.loaded else "is installed"
        first = f"it {runs} already ({situation.present}); {first}"
    if limits:
        last, name = limits[0]
        first += f"; {last} is the last for {name}"
    return first


def _flavour(candidate: Candidate, situation: Situation, catalogue: Catalogue) -> Decision:
    rows = [row for card in situation.cards if (row := architecture(card, catalogue))]
    modules = catalogue.drivers.modules
    if situation.wishes.modules == candidate.flavour:
        return _decision("kernel modules", candidate.flavour, "you asked for them")
    for row in rows:
        if row.open_modules == "no":
            why = f"{row.name} has no GSP, which the open modules need"
            return _decision("kernel modules", candidate.flavour, why, row)
        if row.open_modules == "only":
            return _decision(
                "kernel modules", candidate.flavour, f"{row.name} runs with them only", row
            )
    for card in situation.cards:
        if card.open is False and candidate.flavour == "proprietary":
            why = f"NVIDIA's list does not have the {card.name} for the open modules"
            return _decision(
                "kernel modules", candidate.flavour, why, architecture(card, catalogue)
            )
    if _is_there(candidate, situation):
        there = "they run already" if situation.loaded else "they are installed already"
        return _decision("kernel modules", candidate.flavour, there)
    if candidate.flavour == "open":
        why = (
            f"after branch {modules.proprietary_last} there are no others"
            if candidate.branch.branch > modules.proprietary_last
            else f"NVIDIA's choice from {modules.open_default} on for every GPU from Turing on"
        )
    else:
        why = f"NVIDIA's choice before branch {modules.open_default}"
    return _decision("kernel modules", candidate.flavour, why, modules)


def _is_there(candidate: Candidate, situation: Situation) -> bool:
    same_branch = situation.has_branch(candidate.branch.branch)
    return same_branch and situation.present_flavour == candidate.flavour


def _why_source(candidate: Candidate, situation: Situation, catalogue: Catalogue) -> str:
    if candidate.adopted:
        return "you asked to take the driver as it is"
    if situation.wishes.driver_source == candidate.repository.id:
        return "you asked for it"
    if situation.installed_source == candidate.repository.id and situation.has_branch(
        candidate.branch.branch
    ):
        return "what is installed came from it"
    if driver_objections.signed(candidate, situation, catalogue):
        signed = ", as Secure Boot wants" if situation.secure_boot else ""
        return f"it has modules built for its kernels and signed{signed}; others are built on the rig by DKMS"
    return "of the repositories of this system that have the branch, the preferred; modules are built by DKMS"


def _toolkits(solution: Solution, catalogue: Catalogue) -> Iterator[Decision]:
    situation = solution.situation
    if not solution.toolkits:
        where = "in reach" if situation.unreached else "of this system"
        why = (
            "you asked for none"
            if situation.wishes.cuda
            else f"no repository {where} has a toolkit that fits GPUs and driver; frameworks bring the libraries "
            "they need"
        )
        yield _decision("CUDA toolkit", "none", why)
    for chosen in solution.toolkits:
        yield _decision(
            "CUDA toolkit",
            chosen.toolkit.version,
            _why_toolkit(chosen, solution, catalogue),
            chosen.toolkit,
        )


def _why_toolkit(chosen: Chosen, solution: Solution, catalogue: Catalogue) -> str:
    where = catalogue.repositories.get(chosen.offer.repository).name
    if chosen.wish:
        return f"you asked for {chosen.wish}; from {where}"
    gcc = chosen.offer.gcc or catalogue.system(solution.situation.system).gcc
    parts = []
    for card in solution.situation.cards:
        target = (
            catalogue.cuda.target_of(card.compute_capability) if card.compute_capability else None
        )
        if target and target.last:
            parts.append(f"{target.last} is the last that compiles for {named(card, catalogue)}")
    fits = "the newest to be had here that fits"
    tail = (
        f"{fits} driver {solution.driver.branch.branch} and GCC {gcc}" if solution.driver else fits
    )
    return "; ".join([f"{tail}, from {where}", *parts])


def _environment(fit: Fit, situation: Situation, catalogue: Catalogue, *, beside: bool) -> Decision:
    release = fit.release
    label = catalogue.frameworks.label(release.name)
    rows = catalogue.frameworks.of(release.name)
    wish = getattr(situation.wishes, release.name, "")
    newest = release.version == rows[0].version
    why = "the newest release" if newest else "the newest release that fits"
    if wish:
        why = f"you asked for {wish}; {why} of it"
    elif not newest and fit.device == "cpu" and beside:
        why = "the release of the GPU environment, so that figures can be compared"
    if fit.device == "gpu":
        why += f"; made with CUDA {release.cuda}, which it brings along"
        bound = [pin for pin in fit.pins if pin not in release.gpu]
        if bound:
            why += f"; {', '.join(bound)}, because newer ones have no code for these GPUs"
    why += f"; Python {fit.python}" + _why_python(fit, situation)
    return _decision(fit.kind.name, f"{label} {release.version}", why, release)


def _why_python(fit: Fit, situation: Situation) -> str:
    if situation.wishes.python:
        return ", as you asked"
    if situation.maker == "venv":
        return ", the rig's own, which venv uses"
    return (
        ", from the channel"
        if fit.python == situation.pythons[0]
        else ", the first that it has wheels for"
    )
