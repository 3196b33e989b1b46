"""Whether these are the GPUs that were accepted last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks import baselines
from checks.question import question
from provision.results import Status

if TYPE_CHECKING:
    from checks.question import Measure
    from provision.facts import Facts
    from provision.facts.health.smi_card import Card
    from provision.results import Acceptance


@question(
    "Are these the GPUs of the last acceptance?",
    expected="the same names, UUIDs and PCI addresses",
    source="a card that was swapped has not been accepted; figures of before do not hold for it",
    remedy="If the change is meant, accept the rig as it is now: the next acceptance compares with this one.",
    severity=Status.WARN,
)
def test_gpu_identity(
    cards: tuple[Card, ...], baseline: Acceptance | None, measure: Measure
) -> None:
    """By UUID, which stays with a card."""
    if baseline is None:
        pytest.skip("there is no earlier acceptance to compare with")
    then = baselines.facts_of(baseline)
    before = _known(then) if then else {}
    if not before:
        pytest.skip(f"the acceptance of {baseline.started} does not tell its GPUs")
    now = {card.uuid: (card.name, card.address) for card in cards if card.uuid}
    measure.found(f"the {len(now)} GPUs of {baseline.started}")
    changes = [
        *(f"gone: {_card(*before[uuid])}, {uuid}" for uuid in before if uuid not in now),
        *(f"new: {_card(*now[uuid])}, {uuid}" for uuid in now if uuid not in before),
        *(
            f"was {_card(*before[uuid])}, is {_card(*now[uuid])}"
            for uuid in now
            if uuid in before and now[uuid] != before[uuid]
        ),
    ]
    assert not changes, f"since {baseline.started}: {'; '.join(changes)}"


def _known(facts: Facts) -> dict[str, tuple[str, str]]:
    """UUID → name and address; from an acceptance that did not ask for more, the list of nvidia-smi."""
    asked = {card.uuid: (card.name, card.address) for card in facts.health.smi.cards if card.uuid}
    return asked or {
        # nvidia-smi writes the PCI domain with eight digits, the kernel with four.
        gpu.uuid: (gpu.name, gpu.address[-12:])
        for gpu in facts.nvidia.gpus
    }


def _card(name: str, address: str) -> str:
    return f"{name} at {address}"
