"""Links, clocks, heat and settings of the GPUs while they multiply matrices."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import pytest

from checks.performance.loading import seen
from checks.performance.loads import MATRIX_PRODUCT
from checks.performance.seen import MAINS, Card, Seen
from checks.question import could_not_measure, question, warn_unless
from provision import catalogue
from provision.catalogue.gpu_limits import word_of

if TYPE_CHECKING:
    from checks.question import Measure
    from checks.rigs import Rig
    from provision.catalogue.gpu_limits import Word

_FASTEST = 2
"""Performance state: DCGM compares a link in P0 alone; under CUDA a GeForce runs in P2, with its link at full speed."""

_REASONS = {
    0x1: "gpu_idle",
    0x2: "applications_clocks_setting",
    0x4: "sw_power_cap",
    0x8: "hw_slowdown",
    0x10: "sync_boost",
    0x20: "sw_thermal_slowdown",
    0x40: "hw_thermal_slowdown",
    0x80: "hw_power_brake_slowdown",
    0x100: "display_clock_setting",
}
"""Bits of NVML's nvmlClocksEventReasons → nvidia-smi's words."""

_SETTINGS = {
    "persistence": "persistence mode",
    "compute_mode": "compute mode",
    "power_limit": "power limit",
    "application_clock_sm": "application clock",
    "application_clock_memory": "application clock of the memory",
}


@pytest.fixture
def load(rig: Rig, driven: object) -> Seen:  # noqa: ARG001 - it skips where there is no GPU
    """The matrix product on every GPU."""
    return seen(rig, MATRIX_PRODUCT, tells=False)


@pytest.fixture
def cards(load: Seen) -> list[Card]:
    """The GPUs as they were under load."""
    if load.nvml.get("error"):
        could_not_measure(f"NVIDIA's management library says nothing: {load.nvml['error']}")
    resting = [card.title for card in load.gpus if len(card.loaded) < MAINS]
    if resting or not load.gpus:
        could_not_measure(f"{', '.join(resting) or 'no GPU'} was not seen at work")
    return load.gpus


@question(
    "Are the GPUs' PCI Express links at full speed and width under load?",
    expected="generation and width that card and slot both know, where the card is in a fast state before and after",
    source="NVIDIA DCGM: a link is compared only in P0, as it slows down at rest; P2 is that of GeForce under CUDA",
    remedy="Seat the card again, try another slot or riser; in the board's settings: the slot's generation, and which "
    "slots share lanes. See: sudo lspci -vv -s ADDRESS | grep -E 'LnkCap|LnkSta'",
)
def test_link_under_load(cards: list[Card], measure: Measure) -> None:
    """At rest a link's speed says nothing."""
    links = {card.index: _link(card) for card in cards}
    unknown = [card.title for card in cards if links[card.index] is None]
    known = [(card, link) for card in cards if (link := links[card.index])]
    measure.found("; ".join(f"GPU {card.index}: {_words(card, link)}" for card, link in known))
    bad = [
        f"{card.title}: {_name(*link)}, and card and slot both know {_name(*_wanted(card))}"
        for card, link in known
        if link[0] < _wanted(card)[0] or link[1] < _wanted(card)[1]
    ]
    assert not bad, "; ".join(bad)
    if unknown:
        could_not_measure(
            f"{', '.join(unknown)}: never in P0 or P2 under load, or its link is not stated"
        )


def _link(card: Card) -> tuple[int, int] | None:
    """Generation and width that held in most samples which count."""
    series = card.series
    counted = [
        number
        for number in card.loaded
        if number < len(series.pstate)
        and (state := series.pstate[number]) is not None
        and state <= _FASTEST
    ]
    generations = [one for number in counted if (one := series.pcie_generation[number])]
    widths = [one for number in counted if (one := series.pcie_width[number])]
    if not generations or not widths:
        return None
    return int(statistics.median_low(generations)), int(statistics.median_low(widths))


def _wanted(card: Card) -> tuple[int, int]:
    generations = [one for one in (card.pcie_generation_max, card.pcie_generation_port) if one]
    widths = [one for one in (card.pcie_width_max, card.pcie_width_port) if one]
    return int(min(generations, default=0)), int(min(widths, default=0))


def _name(generation: int, width: int) -> str:
    return f"PCIe {generation}.0 x{width}"


def _words(card: Card, link: tuple[int, int]) -> str:
    own = card.pcie_generation_card
    more = (
        f" (the card knows {own:g}.0, the slot does not)" if own and own > _wanted(card)[0] else ""
    )
    return f"{_name(*link)}{more}"


@question(
    "Does nothing slow the GPUs down under load?",
    expected="no slowdown by the hardware, by heat or by the power supply; the power limit and idleness are no fault",
    source="NVML, clocks event reasons; aws-k8s-tester",
    remedy="nvidia-smi -q -d PERFORMANCE while it computes; then cooling, power cables and power supply",
)
def test_clocks_under_load(cards: list[Card], measure: Measure) -> None:
    """In a share of the samples under load."""
    limits = catalogue.criteria().gpu_limits
    for card in cards:
        clocks = card.under_load("clock_sm")
        if clocks:
            note = (
                f"{card.name}; of {card.clock_sm_max:g} MHz at most"
                if card.clock_sm_max
                else card.name
            )
            measure.figure(f"clock_gpu{card.index}", "MHz", clocks, note=note)
    measure.found("; ".join(f"GPU {card.index}: {_clocks(card)}" for card in cards))
    held = [(card, word, share) for card in cards for word, share in _held(card).items()]
    found = [
        (card, row, share) for card, word, share in held if (row := word_of(limits.reason, word))
    ]
    measure.remedy = next((row.remedy for _, row, _ in found if row.verdict != "pass"), "")
    assert not _slowed(found, "fail"), _slowed(found, "fail")
    warn_unless(not _slowed(found, "warn"), _slowed(found, "warn"))
    mute = [card.title for card in cards if not card.under_load("reasons")]
    if mute:
        could_not_measure(
            f"{', '.join(mute)}: the driver does not say why clocks are what they are"
        )


def _held(card: Card) -> dict[str, float]:
    """Reason → share of the samples under load in which it held."""
    masks = [int(mask) for mask in card.under_load("reasons")]
    counts = {word: sum(bool(mask & bit) for mask in masks) for bit, word in _REASONS.items()}
    return {word: count / len(masks) for word, count in counts.items() if count}


def _clocks(card: Card) -> str:
    clocks = card.under_load("clock_sm")
    at = f"{statistics.median(clocks):.0f} MHz" if clocks else "clock not stated"
    most = f" of {card.clock_sm_max:.0f}" if clocks and card.clock_sm_max else ""
    held = ", ".join(f"{word} {share:.0%}" for word, share in _held(card).items())
    return f"{at}{most}{f' ({held})' if held else ''}"


def _slowed(found: list[tuple[Card, Word, float]], verdict: str) -> str:
    return "; ".join(
        f"{card.title}: {row.word} in {share:.0%} of the time under load: {row.means}"
        for card, row, share in found
        if row.verdict == verdict
    )


@question(
    "Do the GPUs stay cool enough under load?",
    expected="20 °C or more below the hardware's slowdown (else warn), 10 °C or more (else fail)",
    source="dlrig's own margins; the slowdown is the card's (nvidia-smi -q -d TEMPERATURE)",
    remedy="Check fans, dust, airflow and the room's temperature; a slot between cards; then: nvidia-smi dmon -s pt",
)
def test_heat_under_load(cards: list[Card], measure: Measure) -> None:
    """The nearest that each card came; a short load warms less than a long one."""
    limits = catalogue.criteria().gpu_limits
    for card in cards:
        heat = card.under_load("temperature")
        if heat:
            measure.figure(f"temperature_gpu{card.index}", "°C", heat, note=card.name)
    rooms = [(card, room) for card in cards if (room := _room(card)) is not None]
    if not rooms:
        could_not_measure("no GPU states its temperature and where heat slows it")
    measure.found("; ".join(f"GPU {card.index}: {_heat(card, room)}" for card, room in rooms))

    def nearer(name: str) -> str:
        least = limits.bound(name)
        return "; ".join(
            f"{card.title}: {_heat(card, room)}" for card, room in rooms if room < least
        )

    assert not nearer("headroom_fail"), nearer("headroom_fail")
    warn_unless(not nearer("headroom_warn"), nearer("headroom_warn"))


def _room(card: Card) -> float | None:
    """Least distance to the slowdown, °C."""
    margins = card.under_load("margin")
    heat = card.under_load("temperature")
    if margins:
        return min(margins)
    return card.slowdown - max(heat) if card.slowdown and heat else None


def _heat(card: Card, room: float) -> str:
    heat = card.under_load("temperature")
    return f"{f'{max(heat):.0f} °C, ' if heat else ''}{room:.0f} °C to its slowdown"


@question(
    "Are the GPUs left as they were found?",
    expected="persistence, compute mode, power limit and application clocks are the same after the load as before; "
    "nothing of it still runs",
    source="a check that changes what it measures makes the next one wrong",
    remedy="Compare: nvidia-smi -q -d CLOCK,POWER,COMPUTE; without persistence mode the driver forgets settings when "
    "the last program ends: sudo nvidia-smi -pm 1",
)
def test_left_as_found(load: Seen, cards: list[Card], measure: Measure) -> None:
    """No check of this suite sets anything."""
    measure.found(f"{', '.join(_SETTINGS.values())} unchanged on {len(cards)} GPUs")
    changed = [
        f"{card.title}: {words} {card.before.get(name):g} before, {card.after.get(name):g} after"
        for card in cards
        for name, words in _SETTINGS.items()
        if None not in {card.before.get(name), card.after.get(name)}
        and card.before.get(name) != card.after.get(name)
    ]
    assert not changed, "; ".join(changed)
    assert not load.left, f"the load left programs behind, which were ended: {', '.join(load.left)}"
