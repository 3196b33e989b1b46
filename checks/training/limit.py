"""What limits a training run: parts of the step that were measured alone, held against the whole.

On GPUs the parts run side by side, so the one that alone takes nearly as long as the whole step is the limit. On a
CPU they share the processors and add up, so it is the largest. What limits the computing itself (starting kernels,
heat, power, the other GPUs, memory) is told by the monitor, and stands before it with the computing's own share.
Thresholds: ``provision/catalog/limits.toml``. Pure functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.training import computing
from checks.training.computing import Limit, bound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checks.training.evidence import Evidence

HELPS = {
    "input pipeline": "make the input cheaper or move it to the device (--mode limit), or give it more processors",
    "host": "end other programs, or use a machine with more processors",
    "transfer": "keep the images on the device (--mode limit), or give the card a wider link",
    "kernel launch": "a larger batch per step, or fewer and larger kernels (--mode limit)",
    "heat": "check fans, dust, airflow and the room's temperature",
    "power": "a higher power limit, as far as supply and cooling allow it",
    "communication": "a larger batch per GPU, or a faster link between the GPUs",
    "memory": "numbers of half the size (--mode limit --dtype bfloat16), or fewer passes over the data",
    "GPU compute": "numbers of half the size (--mode limit --dtype bfloat16), or a faster card",
    "CPU compute": "the fast form (--mode limit), a GPU, or more processors",
}
"""Limit → what would make the run faster; in the order in which they stand where their shares are the same."""
ORDER = tuple(HELPS)
_NOISE = 0.05
"""Share of the step's time below which nothing is said of a part."""


def ranked(seen: Evidence) -> list[Limit]:
    """The candidates of which something is known, the likeliest first; empty where nothing was measured."""
    found = list(_on_cpu(seen) if seen.on_cpu else _on_gpu(seen))
    return sorted(
        found, key=lambda one: (not one.holds, -round(one.share, 2), ORDER.index(one.name))
    )


def told(limits: list[Limit]) -> str:
    """The limit with its evidence, what would help, and what comes next."""
    if not limits:
        return "nothing was measured that tells the limit"
    first, *rest = limits
    if not first.holds:
        parts = "; ".join(f"{one.name} {one.share:.0%} ({one.evidence})" for one in limits[:3])
        return f"no part alone limits it: {parts}"
    following = next((one for one in rest if one.share >= _NOISE), None)
    after = f"; next: {following.name} ({following.evidence})" if following else ""
    return f"{first.name}: {first.evidence}; what helps: {HELPS[first.name]}{after}"


def _limit(name: str, share: float, least: float, evidence: str) -> Limit:
    share = min(max(share, 0.0), 1.0)
    return Limit(name=name, share=share, holds=share >= least, evidence=evidence)


def _on_cpu(seen: Evidence) -> Iterator[Limit]:
    least, others = bound("part_cpu"), _others(seen)
    # What is measured alone is as slow as the rest where others take the processors: it tells how the rest divides.
    left = 1 - others
    fed = left * min(1.0, seen.rate / seen.fed) if seen.fed else 0.0
    alone = left * min(1.0, seen.rate / seen.compute) if seen.compute else 0.0
    if seen.fed:
        yield _limit("input pipeline", fed, least, _fed(seen))
    if seen.compute:
        whole = _limit("CPU compute", alone, least, _without_input(seen))
        yield whole
        yield from computing.memory(seen, whole)
    if others or (seen.compute and seen.fed):
        rest = max(0.0, left - fed - alone) if seen.compute and seen.fed else 0.0
        yield _limit("host", rest + others, least, _beside(seen, rest, others))


def _others(seen: Evidence) -> float:
    """Share of the processors' time that this program did not take; 0 where that is little."""
    if seen.utilisation is None or not seen.cpu_step or not seen.processors:
        return 0.0
    foreign = seen.utilisation - seen.cpu_step / seen.step / seen.processors
    return foreign if foreign > bound("others") else 0.0


def _beside(seen: Evidence, rest: float, others: float) -> str:
    found = []
    if others:
        found.append(f"other programs take {others:.0%} of the {seen.processors} processors' time")
    if rest >= _NOISE or not others:
        found.append(f"{rest:.0%} of the step's time is neither input nor computing")
    return ", and ".join(found)


def _on_gpu(seen: Evidence) -> Iterator[Limit]:
    least = bound("part")
    fed = seen.rate / seen.fed if seen.fed else 0.0
    if seen.fed:
        yield _limit("input pipeline", fed, least, _fed(seen))
    whole = _gpu_compute(seen, least)
    if whole:
        yield whole
        yield from computing.causes(seen, whole)
    explained = min(1.0, max(fed, whole.share if whole else 0.0))
    yield from _transfer(seen, explained)
    yield from _host(seen, explained)


def _fed(seen: Evidence) -> str:
    made, share = seen.fed or 0.0, seen.rate / (seen.fed or seen.rate)
    return (
        f"alone it makes {made:,.0f} examples/s, and training takes {seen.rate:,.0f} ({share:.0%})"
    )


def _without_input(seen: Evidence) -> str:
    """The step on batches that lie ready, and how near that is to the machine's own rates."""
    bare, share = seen.compute or 0.0, seen.rate / (seen.compute or seen.rate)
    reached = f", at {seen.of_product:.0%} of the matrix product's rate" if seen.of_product else ""
    return (
        f"the step without input does {bare:,.0f} examples/s, and with it {seen.rate:,.0f} "
        f"({share:.0%}){reached}"
    )


def _gpu_compute(seen: Evidence, least: float) -> Limit | None:
    busy = computing.busy(seen)
    at_work = f"; a kernel ran in {busy:.0f}% of the time" if busy is not None else ""
    if seen.compute:
        share = seen.rate / seen.compute
        return _limit("GPU compute", share, least, f"{_without_input(seen)}{at_work}")
    if busy is None:
        return None
    return _limit("GPU compute", busy / 100, least, f"a kernel ran in {busy:.0f}% of the time")


def _transfer(seen: Evidence, explained: float) -> Iterator[Limit]:
    """Copies to the card: what neither input nor computing explains."""
    full = [card for card in seen.cards if card.traffic is not None and card.link]
    if not full:
        return
    card = max(full, key=lambda one: (one.traffic or 0) / (one.link or 1))
    used = (card.traffic or 0) / (card.link or 1)
    evidence = f"{card.traffic:.1f} of {card.link:g} GB/s over GPU {card.index}'s PCI Express link ({used:.0%})"
    holds = used >= bound("link") and explained < bound("part")
    yield Limit(
        name="transfer",
        share=max(used, 1 - explained) if holds else used * (1 - explained),
        holds=holds,
        evidence=evidence,
    )


def _host(seen: Evidence, explained: float) -> Iterator[Limit]:
    """All processors are taken, by whomever, and neither input nor computing alone explains the pace."""
    if seen.utilisation is None:
        return
    own = (
        f", {1e3 * seen.cpu_step:.1f} ms of processor time per step of {1e3 * seen.step:.1f} ms"
        if seen.cpu_step
        else ""
    )
    count = f" {seen.processors}" if seen.processors else ""
    evidence = f"the{count} processors are taken to {seen.utilisation:.0%}{own}"
    holds = seen.utilisation >= bound("processors") and explained < bound("part")
    share = max(1 - explained, 0.0) * seen.utilisation
    yield Limit(name="host", share=share, holds=holds, evidence=evidence)
