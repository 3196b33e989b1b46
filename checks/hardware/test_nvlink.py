"""NVLink between the cards. Cards without it, and cards without a bridge, have no fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.conditions import require_answers
from checks.hardware.cards import names
from checks.question import could_not_measure, question
from provision import catalogue
from provision.catalogue.gpu_limits import word_of
from provision.results import Status

if TYPE_CHECKING:
    from checks.question import Measure
    from checks.rigs import Rig
    from provision.facts import Facts
    from provision.facts.health.nvlink import Linked
    from provision.facts.health.smi_card import Card

_REMEDY = (
    "nvidia-smi nvlink -s; systemctl status nvidia-fabricmanager; sudo dmesg | grep -i -e sxid -e nvlink. "
    "Reset the cards, seat bridges and boards again."
)


@question(
    "Are the NVLinks between the GPUs up?",
    expected="with NVSwitch equally many links on every card, and every pair connected; with bridges as many on each",
    source="nvidia-smi nvlink -s; absent hardware is no fault (NVSentinel#1481)",
    remedy=_REMEDY,
)
def test_nvlink_up(cards: tuple[Card, ...], rig: Rig, measure: Measure) -> None:
    """Work goes on over PCI Express where a link is down, many times slower."""
    facts = rig.facts
    require_answers(rig, "nvlink_status")
    linked = _linked(cards, facts)
    nvlink = facts.health.nvlink
    if nvlink.trouble:
        could_not_measure(f"nvidia-smi nvlink -s: {nvlink.trouble}")
    measure.found(_counts(linked))
    down = _down(cards, linked, switched=_switched(facts))
    if down and any(card.fabric.state not in {"", "Completed"} for card in cards):
        pytest.skip("links are down, and the fabric is not ready: see hardware/fabric_state")
    assert not down, "; ".join(down)
    if _switched(facts):
        here = {f"GPU{one.index}" for one in linked}
        pairs = {pair: path for pair, path in nvlink.paths.items() if set(pair.split("-")) <= here}
        around = [f"{pair} by {path}" for pair, path in pairs.items() if not path.startswith("NV")]
        assert not around, f"pairs that are not connected by NVLink: {', '.join(around)}"


@question(
    "Do the NVLinks carry data without errors?",
    expected="no replay, recovery or CRC error since the driver was loaded",
    source="NVIDIA DCGM, dcgm_gpu_hardware_limits.h: DCGM_LIMIT_MAX_NVLINK_ERROR",
    remedy="Watch whether they grow under load: nvidia-smi nvlink -e. Then seat bridges or boards again.",
    severity=Status.WARN,
)
def test_nvlink_errors(cards: tuple[Card, ...], rig: Rig, measure: Measure) -> None:
    """A link corrects them by sending again, which costs time, and wears out from there."""
    facts = rig.facts
    if facts.health.nvlink.trouble:
        pytest.skip("no link is known to be up: see hardware/nvlink_up")
    linked = _linked(cards, facts)
    if not any(one.active for one in linked):
        pytest.skip("no link is up: see hardware/nvlink_up")
    require_answers(rig, "nvlink_errors")
    if facts.health.nvlink.errors_trouble:
        could_not_measure(f"nvidia-smi nvlink -e: {facts.health.nvlink.errors_trouble}")
    active = [(one, link) for one in linked for link in one.active]
    if not any(link.errors for _, link in active):
        could_not_measure("nvidia-smi nvlink -e lists no counters")
    rows = catalogue.criteria().gpu_limits.link_error
    measure.found(f"no errors on {len(active)} links")
    bad = [
        f"GPU {one.index}, link {link.number}: {count} {counter} ({row.means})"
        for one, link in active
        for counter, count in link.errors.items()
        if count and (row := word_of(rows, counter))
    ]
    assert not bad, "; ".join(bad)


def _linked(cards: tuple[Card, ...], facts: Facts) -> tuple[Linked, ...]:
    """The cards with their links; the checks do not apply where no card has an active one, and none should."""
    whole = {card.index for card in cards if not card.mig}
    if not whole:
        pytest.skip(f"{names(cards)} uses no NVLink while it is divided (MIG)")
    linked = tuple(one for one in facts.health.nvlink.cards if one.index in whole)
    if not _switched(facts):
        if not any(one.links for one in linked):
            pytest.skip(f"{names(cards)} has no NVLink here")
        if not any(one.active for one in linked):
            pytest.skip(f"{names(cards)} can be bridged by NVLink, and is not")
    return linked


def _switched(facts: Facts) -> bool:
    """There is an NVSwitch: class 0680."""
    return facts.driver.nvswitch or any(one.cls.startswith("0680") for one in facts.pci)


def _down(cards: tuple[Card, ...], linked: tuple[Linked, ...], *, switched: bool) -> list[str]:
    """Cards with fewer links up than the best of them has; some models never have all that are listed."""
    up = {one.index: {link.number for link in one.active} for one in linked}
    if switched:
        up = {card.index: up.get(card.index, set()) for card in cards if not card.mig}
    most = max(map(len, up.values()), default=0)
    usual = set().union(*up.values())
    return [
        f"GPU {index}: {len(mine)} of {most} links up, down: {', '.join(map(str, sorted(usual - mine)))}"
        if mine
        else f"GPU {index}: no link up"
        for index, mine in up.items()
        if len(mine) < most or (switched and not mine)
        if switched or mine
    ]


def _counts(linked: tuple[Linked, ...] | list[Linked]) -> str:
    by_count: dict[int, list[str]] = {}
    for one in linked:
        by_count.setdefault(len(one.active), []).append(str(one.index))
    return "; ".join(f"{count} links (GPU {', '.join(on)})" for count, on in by_count.items())
