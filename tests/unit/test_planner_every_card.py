"""Every GPU of the list on every system, and every pair of generations: a plan, or a reason with its source."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec
import pytest
from situations import (
    A100,
    B200,
    CATALOGUE,
    CMP_50HX,
    GB10,
    GR100,
    GTX_680,
    GTX_970,
    GTX_1060,
    GTX_1660,
    H100,
    K80,
    RTX_3090,
    RTX_4090,
    RTX_5090,
    SYSTEMS,
    T4,
    UNKNOWN,
    V100,
    situation,
)
from violations import violations

from provision.planner.situation import Card, Situation, cards
from provision.planner.solve import Failure, Solution, solve

if TYPE_CHECKING:
    from collections.abc import Iterator

EVERY = [cards([device], CATALOGUE)[0] for device in CATALOGUE.gpus.gpus]
# GeForce 6800, GTX 280, GTX 480: generations that no branch of today drives.
OLD = ("0040", "05e1", "06c0")
PAIRED = [
    *(*OLD, GTX_680, K80, GTX_970, GTX_1060, V100, GTX_1660, T4, CMP_50HX, A100, RTX_3090),
    *(RTX_4090, H100, B200, RTX_5090, GB10, GR100, UNKNOWN),
]


def alike() -> dict[tuple[object, ...], list[Card]]:
    """Cards by all that a rule asks of a card."""
    groups = defaultdict(list)
    for card in EVERY:
        arm64 = CATALOGUE.architectures.built_into_arm64(card.device, card.chip)
        key = (card.architecture, card.compute_capability, card.open, bool(card.uncertain), arm64)
        groups[key].append(card)
    return groups


def test_the_groups_hold_every_card_of_the_list() -> None:
    assert sum(map(len, alike().values())) == len(EVERY) > 1000
    assert {card.architecture for card in EVERY} >= {
        row.id for row in CATALOGUE.architectures.architecture
    }


def judged(here: Situation) -> Iterator[str]:
    """What is wrong with the answer."""
    answer = solve(here, CATALOGUE)
    if isinstance(answer, Solution):
        yield from violations(here, answer, CATALOGUE)
        return
    if not answer.conflicts:
        yield "no reason"
    for conflict in answer.conflicts:
        if not (conflict.source and conflict.statement and conflict.date):
            yield f"no source: {conflict.statement}"


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_card_has_a_plan_that_keeps_the_rules_or_says_why_it_is_left_out(system: str) -> None:
    wrong = {}
    here = situation(system=system)
    for group in alike().values():
        # The first stands for all that differ in names only; a few others show that it may.
        for card in {group[0], group[len(group) // 2], group[-1]}:
            found = list(judged(msgspec.structs.replace(here, cards=(card,))))
            if found:
                wrong[card.device] = found
    assert wrong == {}


@pytest.mark.parametrize("system", SYSTEMS)
def test_one_card_alone_is_never_impossible(system: str) -> None:
    """A card that nothing drives is left out; the rig still gets its environments on the CPU."""
    here = situation(system=system)
    impossible = [
        group[0].device
        for group in alike().values()
        if isinstance(solve(msgspec.structs.replace(here, cards=(group[0],)), CATALOGUE), Failure)
    ]
    assert impossible == []


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_supported_generation_is_driven(system: str) -> None:
    """From Maxwell on, x86_64: 580 drives all of them up to Blackwell."""
    driven = {"maxwell", "pascal", "volta", "turing", "ampere", "ada", "hopper", "blackwell"}
    here = situation(system=system)
    for group in alike().values():
        card = group[0]
        answer = solve(msgspec.structs.replace(here, cards=(card,)), CATALOGUE)
        assert isinstance(answer, Solution)
        arm64 = CATALOGUE.architectures.built_into_arm64(card.device, card.chip)
        if card.architecture in driven and not arm64:
            assert answer.driver, card
        if card.architecture in {"pre-tesla", "tesla", "fermi"} or arm64:
            assert answer.driver is None, card
            assert {conflict.constraint for conflict in answer.left_out} & {
                "last-branch",
                "arm64-only",
            }


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_pair_of_generations(system: str) -> None:
    wrong = {}
    for pair in itertools.combinations(PAIRED, 2):
        found = list(judged(situation(*pair, system=system)))
        if found:
            wrong[pair] = found
    assert wrong == {}


def test_rigs_in_the_same_situation_share_one_answer() -> None:
    kinds = [(GTX_1060, GTX_1060), (RTX_4090,), (H100,) * 8, ()]
    rigs = [
        situation(*kinds[n % 4], system=SYSTEMS[n % 5], torch=">=2.7" if n % 4 else "")
        for n in range(1000)
    ]
    answers = {id(solve(rig, CATALOGUE)) for rig in rigs}
    assert len(answers) == len(set(rigs)) == 20
    assert solve(rigs[0], CATALOGUE) is solve(rigs[980], CATALOGUE)
