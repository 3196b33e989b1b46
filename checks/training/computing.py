"""What slows the computing of a step: starting kernels, heat, power, working together, memory. Pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from provision import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checks.training.evidence import CardWork, Evidence


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate.

    Attributes:
        name: one of ``limit.HELPS``.
        share: of the step's time that it explains, 0 to 1.
        holds: that is enough to call it the limit.
        evidence: one sentence with the numbers.
    """

    name: str
    share: float
    holds: bool
    evidence: str


def bound(name: str) -> float:
    """A threshold of ``provision/catalog/limits.toml``."""
    return catalogue.criteria().limits.bound(name)


def busy(seen: Evidence) -> float | None:
    """Percent of the time in which the least used GPU ran some kernel."""
    said = [card.utilisation for card in seen.cards if card.utilisation is not None]
    return min(said, default=None)


def causes(seen: Evidence, whole: Limit) -> Iterator[Limit]:
    """What slows the computing itself."""
    yield from _launch(seen, whole)
    yield from _slowed(seen, whole)
    yield from _communication(seen, whole)
    yield from memory(seen, whole)


def _cause(name: str, measure: float, bound: float, whole: Limit, evidence: str) -> Limit:
    """With the computing's share where it holds: it is why that takes so long. Else with less."""
    holds = whole.holds and measure >= bound
    share = whole.share if holds else 0.99 * whole.share * min(max(measure, 0.0), 1.0)
    return Limit(name=name, share=share, holds=holds, evidence=evidence)


def _launch(seen: Evidence, whole: Limit) -> Iterator[Limit]:
    if not seen.issue:
        return
    share, at_work = seen.issue / seen.step, busy(seen)
    waits = at_work is None or at_work < bound("busy")
    working = f", and the GPU works in {at_work:.0f}% of the time" if at_work is not None else ""
    on_one = f"; one processor is taken to {seen.busiest:.0%}" if seen.busiest else ""
    evidence = (
        f"to start a step takes the host {1e3 * seen.issue:.2f} ms of its {1e3 * seen.step:.2f} ms "
        f"({share:.0%}){working}{on_one}"
    )
    # Where the GPU never waits, a start takes long because the queue before the GPU is full.
    yield _cause("kernel launch", share if waits else share / 2, bound("launch"), whole, evidence)


def _slowed(seen: Evidence, whole: Limit) -> Iterator[Limit]:
    hot = max(seen.cards, key=lambda card: card.hot or 0, default=None)
    if hot and hot.hot is not None:
        yield _cause("heat", hot.hot, bound("hot"), whole, _heat(hot))
    capped = max(seen.cards, key=lambda card: card.capped or 0, default=None)
    if capped and capped.capped is not None:
        clock = capped.clock / capped.clock_max if capped.clock and capped.clock_max else None
        lowered = clock is None or clock < bound("clock")
        measure = capped.capped if lowered else 0.0
        yield _cause("power", measure, bound("capped"), whole, _power(capped))


def _clock(card: CardWork) -> str:
    if not card.clock:
        return "its clock is not stated"
    return f"{card.clock:.0f} MHz" + (f" of {card.clock_max:.0f}" if card.clock_max else "")


def _heat(card: CardWork) -> str:
    heat = f", {card.temperature:.0f} °C" if card.temperature else ""
    near = f" with its slowdown at {card.slowdown:.0f} °C" if heat and card.slowdown else ""
    return f"it lowers GPU {card.index}'s clock in {card.hot:.0%} of the time: {_clock(card)}{heat}{near}"


def _power(card: CardWork) -> str:
    most = f" of {card.power_limit:.0f}" if card.power_limit else ""
    taken = f", {card.power:.0f}{most} W" if card.power else ""
    return f"it lowers GPU {card.index}'s clock in {card.capped:.0%} of the time: {_clock(card)}{taken}"


def _communication(seen: Evidence, whole: Limit) -> Iterator[Limit]:
    """How much longer a step takes than on one GPU, which does the same work per step and device."""
    one, every = (
        (seen.alone_compute, seen.compute)
        if seen.alone_compute and seen.compute
        else (seen.alone, seen.rate)
    )
    if seen.devices < 2 or not one or not every:  # noqa: PLR2004 - between two
        return
    lost = 1 - every / (seen.devices * one)
    moved = [card.traffic for card in seen.cards if card.traffic is not None]
    traffic = f"; {max(moved):.1f} GB/s over PCI Express" if moved else ""
    evidence = (
        f"the step on {seen.devices} GPUs does {every:,.0f} examples/s, and {seen.devices} times one GPU's "
        f"{one:,.0f} would be {seen.devices * one:,.0f}: {max(lost, 0):.0%} of its time goes into working together"
        f"{traffic}"
    )
    yield _cause("communication", lost, bound("together"), whole, evidence)


def memory(seen: Evidence, whole: Limit) -> Iterator[Limit]:
    """Traffic to the device's memory, where it is nearer to its rate than the products are to theirs."""
    # More than the whole rate: caches hold what moves, or something slowed the copy that it is held against.
    if not seen.of_memory or seen.of_memory > 1:
        return
    rate = f" of {seen.memory:,.0f} GB/s" if seen.memory else ""
    evidence = (
        f"the least that a step must move takes {seen.of_memory:.0%} of the memory's rate{rate}"
    )
    nearer = seen.of_memory > (seen.of_product or 0)
    measure = seen.of_memory if nearer else seen.of_memory / 2
    yield _cause("memory", measure, bound("memory"), whole, evidence)
