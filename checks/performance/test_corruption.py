"""Whether the same computation gives the same result: silent corruption."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.performance.loading import seen
from checks.performance.loads import SAME_RESULTS, Repeats, read
from checks.question import could_not_measure, question

if TYPE_CHECKING:
    from checks.question import Measure
    from checks.rigs import Rig


@question(
    "Does every GPU compute the same each time, and all like ones the same?",
    expected="the same product of the same bits comes out bit by bit the same, again and again and on every like card",
    source="cuBLAS, results reproducibility: the same on cards of one architecture with as many multiprocessors; "
    "Hochschild et al. 2021, Cores that don't count",
    remedy="Undo overclocking and undervolting; check the supply; then: sudo dmesg | grep -i xid. A card "
    "that goes on computing wrongly must leave the rig: nothing else tells.",
)
@pytest.mark.usefixtures("driven")
def test_same_results(rig: Rig, measure: Measure) -> None:
    """Compared on the device; the last product also by its bytes on the host."""
    found = read(seen(rig, SAME_RESULTS, tells=True).result, Repeats)
    measure.found(
        "; ".join(
            f"{row.device} ({row.model}): {row.products} times the same" for row in found.devices
        )
    )
    bad = [
        f"{row.device} ({row.model}): {row.differing} of {row.products} products differ from the first"
        if row.differing
        else f"{row.device} ({row.model}): a product changed when it was read back"
        for row in found.devices
        if row.differing or not row.right
    ]
    bad += [
        f"{model} cards disagree: {' against '.join('+'.join(devices) for devices in digests.values())}"
        for model, digests in found.unlike.items()
        if not bad
    ]
    assert not bad, "; ".join(bad)
    if not found.devices:
        could_not_measure("no GPU took part")
