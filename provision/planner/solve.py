"""The versions that fit a rig: a driver, toolkits beside it, environments on top; or why there are none."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import msgspec

from provision.plan import WISH, Conflict
from provision.planner import cuda, driver, driver_objections, fewer, frameworks, wanted
from provision.planner.conflicts import cover
from provision.planner.cuda import Chosen
from provision.planner.driver import Candidate
from provision.planner.frameworks import NO_GPU, Fit
from provision.planner.situation import Situation
from provision.wishes import NO_CUDA, Modules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from provision.catalogue.frameworks import Kind
    from provision.catalogue.whole import Catalogue


class Solution(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What fits.

    Attributes:
        situation: the rig, without the cards that nothing here can drive.
        driver: the driver; None for a rig without a GPU that could be driven.
        toolkits: CUDA toolkits, newest first.
        fits: the environments.
        left_out: why cards or default environments are not part of it.
    """

    situation: Situation
    driver: Candidate | None
    toolkits: tuple[Chosen, ...]
    fits: tuple[Fit, ...]
    left_out: tuple[Conflict, ...] = ()


class Failure:
    """Nothing fits; why is found out when it is asked for, since a search for what is near asks only whether."""

    def __init__(self, why: Callable[[], tuple[Conflict, ...]]) -> None:
        self._why = why

    @functools.cached_property
    def conflicts(self) -> tuple[Conflict, ...]:
        """The fewest constraints that explain it."""
        return self._why()


_MOST = 10_000
"""Answers that are kept: a thousand rigs with a few relaxed variants each."""


def _needed(
    conflicts: tuple[Conflict, ...], situation: Situation, catalogue: Catalogue
) -> tuple[Conflict, ...]:
    """What is left to explain without a wish of those that conflict, if anything is: so each is needed."""
    constraints = {conflict.constraint for conflict in conflicts}
    for wishes in fewer.without_one(situation.wishes, constraints):
        again = solve(msgspec.structs.replace(situation, wishes=wishes), catalogue)
        if isinstance(again, Failure):
            return again.conflicts
    return conflicts


@functools.lru_cache(maxsize=_MOST)
def solve(situation: Situation, catalogue: Catalogue) -> Solution | Failure:
    """Decide; rigs in the same situation share the answer."""
    left_out: list[Conflict] = []
    driven = []
    for card in situation.cards:
        why = _too_old(wanted.relaxed(situation, (card,)), catalogue)
        left_out += why
        driven += [] if why else [card]
    here = msgspec.structs.replace(situation, cards=tuple(driven))
    if driven:
        needs, more = wanted.needs(here, catalogue)
        answer = _with_gpus(here, needs, catalogue, (*left_out, *more))
    else:
        answer = _without_gpus(here, catalogue, tuple(left_out))
    if isinstance(answer, Failure):
        return Failure(lambda: _needed(answer.conflicts, situation, catalogue))
    return answer


@functools.lru_cache(maxsize=_MOST)
def _too_old(alone: Situation, catalogue: Catalogue) -> tuple[Conflict, ...]:
    """Why no driver of this system drives the one card, whatever else is asked or missing."""
    excluded = []
    for candidate in driver.candidates(alone, catalogue):
        why = list(driver_objections.objections(candidate, alone, catalogue))
        if not why:
            return ()
        excluded.append([frozenset({conflict}) for conflict in why])
    return cover(excluded)


def _without_gpus(
    situation: Situation, catalogue: Catalogue, left_out: tuple[Conflict, ...]
) -> Solution | Failure:
    trouble = list(_gpu_wishes(situation))
    fits = []
    for kind in wanted.environments(situation, catalogue):
        if kind.device == "gpu" and kind.name not in situation.wishes.env:
            continue
        device = "gpu" if kind.device == "gpu" else "cpu"
        found, why = frameworks.fit(frameworks.Need(kind=kind, device=device), situation, catalogue)
        if found:
            fits.append(found)
        else:
            trouble.append(wanted.blame(kind, why, situation, catalogue))
    if trouble:
        return Failure(lambda: tuple(dict.fromkeys((*cover([trouble]), *left_out))))
    return Solution(
        situation=situation, driver=None, toolkits=(), fits=tuple(fits), left_out=left_out
    )


def _gpu_wishes(situation: Situation) -> Iterator[frozenset[Conflict]]:
    """Each wish that makes no sense without a GPU, with the fact that there is none."""
    wishes = situation.wishes
    asked = {
        "driver": (wishes.driver,),
        "driver-source": ("" if wishes.driver_source == "auto" else wishes.driver_source.value,),
        "modules": ("" if wishes.modules is Modules.AUTO else wishes.modules.value,),
        "cuda": () if wishes.cuda == (NO_CUDA,) else wishes.cuda,
    }
    for name, values in asked.items():
        for value in filter(None, values):
            subject = cuda.SUBJECT if name == "cuda" else driver_objections.SUBJECT
            wish = Conflict(
                constraint=f"wish-{name}",
                subject=subject,
                statement=f"you asked for --{name} {value}",
                source=WISH,
            )
            yield frozenset({wish, NO_GPU})


def _with_gpus(
    situation: Situation,
    kinds: tuple[Kind, ...],
    catalogue: Catalogue,
    left_out: tuple[Conflict, ...],
) -> Solution | Failure:
    in_itself = _on_top(None, situation, kinds, catalogue).trouble
    if in_itself:
        return Failure(lambda: cover([in_itself]))
    above: dict[str, _Above] = {}
    for candidate in driver.candidates(situation, catalogue):
        if any(driver_objections.objections(candidate, situation, catalogue)):
            continue
        found = _on_top(candidate, situation, kinds, catalogue)
        if not found.trouble:
            return Solution(
                situation=situation,
                driver=candidate,
                toolkits=found.toolkits,
                fits=found.fits,
                left_out=left_out,
            )
        above[candidate.version] = found
    return Failure(lambda: _why(situation, kinds, above, catalogue))


def _why(
    situation: Situation, kinds: tuple[Kind, ...], above: dict[str, _Above], catalogue: Catalogue
) -> tuple[Conflict, ...]:
    """What excludes every driver.

    What a driver would bar on top counts against it too, even where something else excludes it: a reason that
    holds for many explains more with less.
    """
    excluded = []
    for candidate in driver.candidates(situation, catalogue):
        if candidate.version not in above:
            above[candidate.version] = _on_top(candidate, situation, kinds, catalogue)
        objections = driver_objections.objections(candidate, situation, catalogue)
        excluded.append(
            [*(frozenset({one}) for one in objections), *above[candidate.version].trouble]
        )
    return cover(excluded)


class _Above(msgspec.Struct, frozen=True, kw_only=True):
    """What comes on top of a driver; ``trouble``: for each need that cannot be met, why."""

    toolkits: tuple[Chosen, ...]
    fits: tuple[Fit, ...]
    trouble: tuple[frozenset[Conflict], ...]


def _on_top(
    candidate: Candidate | None,
    situation: Situation,
    kinds: tuple[Kind, ...],
    catalogue: Catalogue,
) -> _Above:
    """Toolkits and environments with a driver; None for one that bars nothing."""
    number, repository = (candidate.version, candidate.repository.id) if candidate else ("", "")
    toolkits, conflicts = cuda.choose(number, repository, situation, catalogue)
    trouble = [frozenset(why) for why in conflicts]
    fits: list[Fit] = []
    # GPU environments first: the CPU's takes the same release, so that figures can be compared.
    for kind in sorted(kinds, key=lambda kind: kind.device == "cpu"):
        device = "cpu" if kind.device == "cpu" else "gpu"
        beside = [fit.release.version for fit in fits if fit.release.name == kind.framework]
        need = frameworks.Need(kind=kind, device=device, driver=number)
        found = why = None
        if beside:
            same = msgspec.structs.replace(need, release=beside[0])
            found, why = frameworks.fit(same, situation, catalogue)
        if found is None:
            found, why = frameworks.fit(need, situation, catalogue)
        if found is None:
            trouble.append(wanted.blame(kind, why or (), situation, catalogue))
        else:
            fits.append(found)
    names = [kind.name for kind in kinds]
    in_order = sorted(fits, key=lambda fit: names.index(fit.kind.name))
    return _Above(toolkits=toolkits, fits=tuple(in_order), trouble=tuple(trouble))
