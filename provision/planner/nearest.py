"""What is nearest where nothing fits: the same rig with one or two wishes or obstacles less."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import msgspec

from provision.plan import Nearest
from provision.planner import fewer
from provision.planner.situation import named
from provision.planner.solve import Solution, solve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from provision.catalogue.whole import Catalogue
    from provision.planner.situation import Card, Situation
    from provision.wishes import Wishes

    Change = Callable[[Situation], Situation]

_AT_ONCE = 2
"""Changes that are tried together; three would be no near plan any more."""
_MOST = 4
"""Plans that are named."""


def nearest(situation: Situation, catalogue: Catalogue) -> tuple[Nearest, ...]:
    """Plans that fit after the fewest changes; empty where no few changes help."""
    changes = list(_changes(situation, catalogue))
    for size in range(1, _AT_ONCE + 1):
        found = []
        for chosen in itertools.combinations(changes, size):
            changed = situation
            for _, change in chosen:
                changed = change(changed)
            if situation.cards and not changed.cards:
                continue
            answer = solve(changed, catalogue)
            if isinstance(answer, Solution):
                words = ", and ".join(words for words, _ in chosen)
                found.append(Nearest(change=words, gives=_gives(answer, catalogue)))
        if found:
            return tuple(found[:_MOST])
    return ()


def _changes(situation: Situation, catalogue: Catalogue) -> Iterator[tuple[str, Change]]:
    """(words, what they do), the least painful first."""
    yield from _fewer_wishes(situation.wishes)
    if situation.maker == "venv":
        words = "with --environment-maker conda, which brings a Python of its own"
        yield words, _change(maker="conda", pythons=catalogue.conda.pythons)
    for repository, _ in situation.unreached:
        name = catalogue.repositories.get(repository).name
        yield f"with {name} in reach of the rig (a proxy, a mirror)", _reached(repository)
    if situation.secure_boot:
        yield "with Secure Boot switched off in the firmware", _change(secure_boot=False)
    if len(situation.cards) > 1:
        for card in situation.cards:
            yield f"without the {named(card, catalogue)}", _without(card)


def _fewer_wishes(wishes: Wishes) -> Iterator[tuple[str, Change]]:
    for name, value in fewer.asked(wishes):
        yield f"without --{name.replace('_', '-')} {value}", _without_wish(name, value)


def _without_wish(name: str, value: str) -> Change:
    def change(situation: Situation) -> Situation:
        rest = fewer.without(situation.wishes, name, value)
        return msgspec.structs.replace(situation, wishes=rest)

    return change


def _change(**values: object) -> Change:
    return lambda situation: msgspec.structs.replace(situation, **values)


def _reached(repository: str) -> Change:
    def change(situation: Situation) -> Situation:
        rest = tuple(row for row in situation.unreached if row[0] != repository)
        return msgspec.structs.replace(situation, unreached=rest)

    return change


def _without(card: Card) -> Change:
    def change(situation: Situation) -> Situation:
        rest = tuple(other for other in situation.cards if other != card)
        return msgspec.structs.replace(situation, cards=rest)

    return change


def _gives(solution: Solution, catalogue: Catalogue) -> str:
    """``driver 580 (proprietary, ubuntu), CUDA 12.9, tensorflow_gpu 2.21.0 …``."""
    words = []
    if solution.driver:
        driver = solution.driver
        words.append(
            f"driver {driver.branch.branch} ({driver.flavour} modules, {driver.repository.name})"
        )
    if solution.toolkits:
        versions = " and ".join(chosen.toolkit.version for chosen in solution.toolkits)
        words.append(f"CUDA {versions}")
    for fit in solution.fits:
        label = catalogue.frameworks.label(fit.release.name)
        words.append(f"{fit.kind.name}: {label} {fit.release.version} on Python {fit.python}")
    return ", ".join(words)
