"""Whether the cards are free: an acceptance beside another program measures both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.hardware.cards import each, told
from checks.question import could_not_measure, question

if TYPE_CHECKING:
    from checks.question import Measure
    from provision.facts.health.smi_card import Card

_BUSY = 10
"""Percent of time; below it, somebody looked at the card."""

_HELD = 256
"""MiB; a program that computes holds more. Without it the driver itself, just loaded, looks busy."""

_SHOWN = 8
"""Processes that a message names per card."""


@question(
    "Are the GPUs free for the acceptance?",
    expected="no process computes on them; one that only draws may",
    source="aws-k8s-tester; NVSentinel#1363: a card in use is no fault, and figures taken beside others are none",
    remedy="Wait, or end them: sudo kill PID; see them: nvidia-smi pmon -c 1",
)
def test_gpu_idle(cards: tuple[Card, ...], measure: Measure) -> None:
    """Never a fault: what is busy can't be measured."""
    measure.found(told(cards, lambda _: "no process computes"))
    busy = [(card, _processes(card)) for card in cards if _processes(card)]
    if busy:
        could_not_measure(f"in use, so that no figure would be the card's own: {each(busy)}")
    hidden = [
        (card, f"{card.utilisation} % busy, with no process to be seen (in a container?)")
        for card in cards
        if (card.utilisation or 0) >= _BUSY
        and (card.memory_used or 0) >= _HELD
        and not (card.processes or card.display)
    ]
    if hidden:
        could_not_measure(each(hidden))


def _processes(card: Card) -> str:
    at_work = [process for process in card.processes if process.computes]
    words = [
        f"{one.name or 'unnamed'} (process {one.pid}, {one.memory or 0} MiB)"
        for one in at_work[:_SHOWN]
    ]
    more = len(at_work) - len(words)
    return ", ".join(words) + (f" and {more} more" if more > 0 else "")
