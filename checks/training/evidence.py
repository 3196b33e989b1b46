"""What a run and the monitor say about what limits it: numbers only, of the time in which it trained."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import msgspec

from checks.training import series
from provision import catalogue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checks.performance.seen import Card
    from checks.training.running import Run
    from checks.training.series import Span

HEAT = 0x20 | 0x40
"""NVML's nvmlClocksEventReasons: SW and HW thermal slowdown."""
POWER = 0x4 | 0x80
"""SW power cap, HW power brake."""
_KILO, _GIGA = 1e3, 1e9


class CardWork(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU while it trained; None where the driver does not say.

    Attributes:
        utilisation: percent of the time in which some kernel ran.
        clock, clock_max: MHz.
        hot, capped: shares of the samples in which heat, and power, lowered the clock.
        temperature, slowdown: °C; the highest, and where the hardware slows it.
        power, power_limit: W.
        traffic, link: GB/s over PCI Express in the busier direction, and what the link carries as published.
    """

    index: int
    utilisation: float | None = None
    clock: float | None = None
    clock_max: float | None = None
    hot: float | None = None
    capped: float | None = None
    temperature: float | None = None
    slowdown: float | None = None
    power: float | None = None
    power_limit: float | None = None
    traffic: float | None = None
    link: float | None = None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One run.

    Attributes:
        on_cpu: it trained there.
        devices: how many.
        rate, compute, fed: examples/s of the training, of the step on batches that lie ready, of the input alone.
        step: seconds of a step of all devices.
        issue: seconds until a step has been started.
        cpu_step: seconds of processor time that a step takes.
        processors: how many logical ones it may use.
        of_product, of_memory: fractions of the matrix product's rate and of the memory's.
        memory: GB/s of a plain copy.
        alone, alone_compute: ``rate`` and ``compute`` of one GPU; for a run on all.
        utilisation, busiest: shares of the time of all processors, and of the one that did most.
        cards: those that it used.
    """

    on_cpu: bool
    devices: int
    rate: float
    compute: float | None = None
    fed: float | None = None
    step: float
    issue: float | None = None
    cpu_step: float | None = None
    processors: int | None = None
    of_product: float | None = None
    of_memory: float | None = None
    memory: float | None = None
    alone: float | None = None
    alone_compute: float | None = None
    utilisation: float | None = None
    busiest: float | None = None
    cards: tuple[CardWork, ...] = ()


def gather(run: Run, alone: Run | None = None) -> Evidence | None:
    """From a run, and for one on all GPUs from that on one of them; None where it measured nothing."""
    outcome = run.outcome
    if outcome is None or outcome.examples_per_sec <= 0:
        return None
    one = alone.outcome if alone else None
    windows = outcome.spans(run.seen.began)
    span = (windows[0][0], windows[-1][1]) if windows else (0.0, float("inf"))
    return Evidence(
        on_cpu=run.device == "cpu",
        devices=outcome.devices,
        rate=outcome.examples_per_sec,
        compute=outcome.compute_examples_per_sec,
        fed=outcome.input_examples_per_sec,
        step=outcome.step_seconds,
        issue=outcome.issue_seconds,
        cpu_step=outcome.cpu_seconds_per_step,
        processors=outcome.processors,
        of_product=outcome.fraction_of_matmul,
        of_memory=outcome.fraction_of_memory,
        memory=outcome.memory_gbps,
        alone=one.examples_per_sec if one else None,
        alone_compute=one.compute_examples_per_sec if one else None,
        utilisation=_mean(run, "utilisation", span),
        busiest=_mean(run, "busiest", span),
        cards=tuple(work(card, span) for card in run.cards),
    )


def _mean(run: Run, name: str, span: Span) -> float | None:
    cpu = run.seen.cpu.series
    found = series.within(cpu.get("t", []), cpu.get(name, []), span)
    return statistics.fmean(found) if found else None


def work(card: Card, span: Span) -> CardWork:
    """One GPU in a span of time."""

    def said(name: str) -> list[float]:
        return series.within(card.series.t, getattr(card.series, name), span)

    reasons = [int(mask) for mask in said("reasons")]
    traffic = [statistics.fmean(found) for name in ("pcie_tx", "pcie_rx") if (found := said(name))]
    return CardWork(
        index=card.index,
        utilisation=_middle(said("utilisation_gpu"), mean=True),
        clock=_middle(said("clock_sm")),
        clock_max=card.clock_sm_max,
        hot=_share(reasons, HEAT),
        capped=_share(reasons, POWER),
        temperature=max(said("temperature"), default=None),
        slowdown=card.slowdown,
        power=_middle(said("power")),
        power_limit=card.before.get("power_limit") or card.power_limit_default,
        traffic=max(traffic) * _KILO / _GIGA if traffic else None,
        link=_link(card),
    )


def _middle(values: Sequence[float], *, mean: bool = False) -> float | None:
    if not values:
        return None
    return statistics.fmean(values) if mean else statistics.median(values)


def _share(masks: Sequence[int], bits: int) -> float | None:
    return sum(bool(mask & bits) for mask in masks) / len(masks) if masks else None


def _link(card: Card) -> float | None:
    """GB/s in one direction, of the fastest link that was seen: it slows down at rest."""
    generations = [one for one in card.series.pcie_generation if one]
    widths = [one for one in card.series.pcie_width if one]
    if not generations or not widths:
        return None
    return catalogue.criteria().peaks.link(int(max(generations)), int(max(widths)))
