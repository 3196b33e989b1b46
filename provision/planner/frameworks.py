"""Frameworks: for each environment the newest release that fits GPUs, driver and Python, and its exact pins."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import msgspec

from provision.catalogue.frameworks import Kind, Release
from provision.plan import FACT, WISH, Conflict
from provision.planner.conflicts import cover, from_row
from provision.planner.situation import Card, named
from provision.versions import allows, at_least, version, wished

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.catalogue.whole import Catalogue
    from provision.planner.situation import Situation


NO_GPU = Conflict(
    constraint="no-gpu",
    subject="driver",
    statement="there is no GPU that a driver of this system drives",
    source=FACT,
)


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """A release for an environment; ``jit``: cards for which the driver compiles it at the first start."""

    kind: Kind
    release: Release
    python: str
    device: str
    pins: tuple[str, ...]
    jit: tuple[Card, ...] = ()


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """An environment that is to be made.

    Attributes:
        kind: which.
        device: ``cpu`` or ``gpu``.
        driver: version of the driver that it will meet; empty for none.
        release: no other than this version, so that two environments can be compared; empty for any.
    """

    kind: Kind
    device: str
    driver: str = ""
    release: str = ""


def fit(
    need: Need, situation: Situation, catalogue: Catalogue
) -> tuple[Fit | None, tuple[Conflict, ...]]:
    """The newest release that fits, with the best Python for it; or the constraints that leave none."""
    excluded = []
    for release in catalogue.frameworks.of(need.kind.framework):
        if need.release not in {"", release.version}:
            continue
        against = [
            *_against_wish(need, release, situation, catalogue),
            *_against_device(need, release, situation, catalogue),
        ]
        for python in _pythons(situation, catalogue):
            why = [*against, *_against_python(need, release, python, situation, catalogue)]
            if not why:
                return _fit(need, release, python, situation, catalogue), ()
            excluded.append([frozenset({conflict}) for conflict in why])
    return None, cover(excluded)


def _fit(
    need: Need, release: Release, python: str, situation: Situation, catalogue: Catalogue
) -> Fit:
    gpu = need.device == "gpu"
    cards = situation.cards if gpu else ()
    return Fit(
        kind=need.kind,
        release=release,
        python=python,
        device=need.device,
        pins=(*release.gpu, *_cudnn_pin(release, cards, catalogue)) if gpu else release.cpu,
        jit=tuple(card for card in cards if _kernels(release, card) == "jit"),
    )


def _pythons(situation: Situation, catalogue: Catalogue) -> tuple[str, ...]:
    """Those that can be had, best first; then the others that wishes may name, so that they can be refused."""
    every = dict.fromkeys((*situation.pythons, *catalogue.pythons))
    return tuple(every)


def _spec(need: Need, situation: Situation) -> tuple[str, str]:
    """(what was asked for, as a specifier) of the environment's framework."""
    framework = need.kind.framework
    wish: str = getattr(situation.wishes, framework, "")
    return wish, wished(wish, f"--{framework}", "2.20.0") if wish else ""


def _against_wish(
    need: Need, release: Release, situation: Situation, catalogue: Catalogue
) -> Iterator[Conflict]:
    wish, spec = _spec(need, situation)
    if spec and not allows(spec, release.version):
        known = ", ".join(
            dict.fromkeys(row.version for row in catalogue.frameworks.of(release.name))
        )
        label = catalogue.frameworks.label(release.name)
        yield Conflict(
            constraint=f"wish-{release.name}",
            subject=need.kind.name,
            statement=f"you asked for {label} {wish} (the catalogue knows {known})",
            source=WISH,
        )


def _against_python(
    need: Need, release: Release, python: str, situation: Situation, catalogue: Catalogue
) -> Iterator[Conflict]:
    subject = need.kind.name
    if python not in situation.pythons:
        has = " or ".join(situation.pythons)
        venv = situation.maker == "venv"
        yield Conflict(
            constraint="available-python",
            subject=subject,
            statement=f"venv uses the rig's own Python, which is {has}"
            if venv
            else f"conda-forge has Python {has} for this",
            source=FACT if venv else "conda-forge",
        )
    wish = situation.wishes.python
    if wish and not allows(wished(wish, "--python", "3.12"), python):
        yield Conflict(
            constraint="wish-python",
            subject=subject,
            statement=f"you asked for Python {wish}",
            source=WISH,
        )
    if not allows(_python(release, need.device), python):
        rows = catalogue.frameworks.of(release.name)
        label = catalogue.frameworks.label(release.name)
        some = any(allows(_python(row, need.device), python) for row in rows)
        which = f"{label} {release.version}" if some else f"any {label}"
        statement = f"there is no wheel of {which} for Python {python}"
        yield from_row("framework-python", subject, statement, release if some else rows[0])


def _python(release: Release, device: str) -> str:
    return (release.python_gpu if device == "gpu" else "") or release.python


def _against_device(
    need: Need, release: Release, situation: Situation, catalogue: Catalogue
) -> Iterator[Conflict]:
    subject = need.kind.name
    if need.device == "cpu":
        if not release.cpu:
            yield from_row("no-cpu-build", subject, f"{release.version} is for GPUs only", release)
        return
    if not situation.cards:
        yield NO_GPU
        return
    yield from _against_driver(need, release, catalogue)
    for card in situation.cards:
        yield from _against_card(need, release, card, catalogue)


def _against_driver(need: Need, release: Release, catalogue: Catalogue) -> Iterator[Conflict]:
    family = catalogue.cuda.family_of(release.cuda)
    if need.driver and not at_least(need.driver, family.driver):
        label = catalogue.frameworks.label(release.name)
        statement = f"{label} made with CUDA {family.major} needs driver {family.driver} or newer"
        yield from_row("framework-driver", need.kind.name, statement, family)


def _against_card(
    need: Need, release: Release, card: Card, catalogue: Catalogue
) -> Iterator[Conflict]:
    if not card.compute_capability:
        return
    subject, name = need.kind.name, named(card, catalogue)
    label = catalogue.frameworks.label(release.name)
    kernels = _kernels(release, card)
    if kernels == "none":
        statement, known_from = _who_has_code(release, label, card, name, catalogue)
        yield from_row("no-kernels", subject, statement, known_from)
    elif kernels == "jit" and need.driver:
        toolkit = catalogue.cuda.toolkit_of(release.cuda)
        if toolkit and not at_least(need.driver, toolkit.driver):
            statement = (
                f"{label} {release.version} has only PTX of CUDA {toolkit.version} for the {name}, "
                f"which driver {toolkit.driver} or newer compiles"
            )
            yield from_row("ptx-driver", subject, statement, toolkit)
    for row in catalogue.cuda.cudnn:
        if allows(row.compute_capability, card.compute_capability):
            continue
        if not _leaves_something(release.cudnn, row.bound):
            wants = f"{label} {release.version} wants cuDNN {release.cudnn}"
            statement = f"cuDNN {row.versions} has no code for the {name}, and {wants}"
            yield from_row("cudnn-code", subject, statement, row)


def _who_has_code(
    release: Release, label: str, card: Card, name: str, catalogue: Catalogue
) -> tuple[str, Release]:
    """What to say of a release without code for a card, and the row that it is known from.

    The same for every release that the same limit excludes: what is one reason is told once.
    """
    rows = catalogue.frameworks.of(release.name)
    able = sorted(
        (row for row in rows if _kernels(row, card) != "none"), key=lambda row: version(row.version)
    )
    whom = f"the {name}, compute capability {card.compute_capability}"
    if not able:
        return f"no {label} in the catalogue has code for {whom}", rows[0]
    first, last = able[0], able[-1]
    if version(release.version) > version(last.version):
        return f"{label} has code for {whom} up to {last.version}", last
    if version(release.version) < version(first.version):
        return f"{label} has code for {whom} from {first.version} on", first
    return f"{label} {release.version} has no code for {whom}", release


@functools.cache
def _kernels_of(release: Release, capability: str) -> str:
    if release.runs_natively(capability):
        return "native"
    return "jit" if release.runs_by_jit(capability) else "none"


def _kernels(release: Release, card: Card) -> str:
    """``native``, ``jit`` or ``none``; what is not known is taken for native, and warned of."""
    if not card.compute_capability:
        return "native"
    return _kernels_of(release, card.compute_capability)


def _leaves_something(spec: str, bound: str) -> bool:
    """Whether a version can be within ``spec`` and below the bound (``<9.11``)."""
    limit = version(bound.removeprefix("<"))
    floors = [
        version(part.strip().lstrip(">=~").removesuffix(".*"))
        for part in spec.split(",")
        if part.strip().startswith((">", "=", "~"))
    ]
    return all(floor < limit for floor in floors)


def _cudnn_pin(release: Release, cards: tuple[Card, ...], catalogue: Catalogue) -> tuple[str, ...]:
    """A bound for pip where the release alone would take a cuDNN without code for a card."""
    bounds = {
        row.bound
        for row in catalogue.cuda.cudnn
        for card in cards
        if card.compute_capability
        and not allows(row.compute_capability, card.compute_capability)
        and not release.cudnn.startswith("==")
    }
    floor = next((p for p in release.cudnn.split(",") if p.startswith(">=")), "")
    return tuple(
        f"{release.cudnn_package}{floor}{',' if floor else ''}{bound}" for bound in sorted(bounds)
    )
