"""How data travel: between host and GPUs, between GPUs, and among all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.performance.judging import Rate, hold, lost, told
from checks.performance.loading import seen
from checks.performance.loads import (
    ALL_REDUCE,
    HOST_TRANSFER,
    PEER_TRANSFER,
    Pairs,
    Reduced,
    Transfers,
    read,
)
from checks.question import question
from provision import catalogue

if TYPE_CHECKING:
    from checks.performance.seen import Card, Seen
    from checks.question import Measure
    from checks.rigs import Rig
    from provision.facts.gpus import PciDevice
    from provision.results import Acceptance

_DRIVER = "CUDA driver API"


@question(
    "Do data travel between host and GPUs as fast as they should, and unchanged?",
    expected="data arrive; each rate within 10% of the best like card on a like link, and of the last acceptance",
    source="huggingface/gpu-fryer; PCI Express' rates in provision/catalog/peaks.toml",
    remedy="See performance/link_under_load. Seat the card again, try another slot; in a machine with two sockets, run "
    "near the card: numactl --cpunodebind",
)
@pytest.mark.usefixtures("driven")
def test_host_transfer(rig: Rig, measure: Measure, baseline: Acceptance | None) -> None:
    """From pinned memory, which the card reads by itself."""
    run = seen(rig, HOST_TRANSFER, tells=True)
    found = read(run.result, Transfers)
    rates = [
        rate
        for row in found.devices
        for rate in _ways(
            run,
            row.device,
            row.model,
            {
                "to the GPU": row.to_device.samples,
                "to the host": row.to_host.samples,
            },
        )
    ]
    figures = [rate.keep(measure) for rate in rates]
    measure.found(told(rates))
    changed = [f"{row.device} ({row.model})" for row in found.devices if not row.right]
    assert not changed, f"data were changed on their way to {', '.join(changed)} and back"
    assert rates, "nothing was measured"
    hold(rates, figures, baseline, HOST_TRANSFER.check)


def _ways(run: Seen, device: str, model: str, ways: dict[str, tuple[float, ...]]) -> list[Rate]:
    card = next((one for one in run.gpus if f"gpu:{one.index}" == device), None)
    generation, width = _link(card) if card else (0, 0)
    published = catalogue.criteria().peaks.link(generation, width)
    return [
        Rate(
            name=f"{way.replace(' ', '_')}_{device.replace(':', '')}".lower(),
            what=way,
            device=device,
            model=model,
            unit="GB/s",
            samples=samples,
            alike=f"{generation} x{width}",
            published=published,
            how=_DRIVER,
        )
        for way, samples in ways.items()
    ]


def _link(card: Card) -> tuple[int, int]:
    """Generation and width that card and slot both know; 0 for what neither says."""
    generations = [one for one in (card.pcie_generation_max, card.pcie_generation_port) if one]
    widths = [one for one in (card.pcie_width_max, card.pcie_width_port) if one]
    return int(min(generations, default=0)), int(min(widths, default=0))


@pytest.fixture
def several(driven: tuple[PciDevice, ...]) -> tuple[PciDevice, ...]:
    """Two GPUs or more."""
    if len(driven) < 2:  # noqa: PLR2004 - a pair
        pytest.skip("there is one GPU")
    return driven


@question(
    "Do data travel between the GPUs as fast as they should, and unchanged?",
    expected="data arrive; each pair within 10% of the best pair of like cards that are joined alike, and of the last "
    "acceptance",
    source="huggingface/gpu-fryer; CUDA's p2pBandwidthLatencyTest for the way",
    remedy="nvidia-smi topo -m; nvidia-smi topo -p2p r. Data that change between cards: switch off ACS or the IOMMU's "
    "translation in the board's settings.",
)
@pytest.mark.usefixtures("several")
def test_peer_transfer(rig: Rig, measure: Measure, baseline: Acceptance | None) -> None:
    """Every pair, both ways; directly where the cards can, else through the host."""
    found = read(seen(rig, PEER_TRANSFER, tells=True).result, Pairs)
    rates = [
        Rate(
            name=f"{one.from_}_to_{one.to}".replace(":", ""),
            what="direct" if one.direct else "through the host",
            device=f"{one.from_} to {one.to}",
            model=" and ".join(sorted(set(one.models))),
            unit="GB/s",
            samples=one.rate.samples,
            how=_DRIVER,
        )
        for one in found.pairs
    ]
    figures = [rate.keep(measure) for rate in rates]
    measure.found(told(rates))
    changed = [f"{one.from_} to {one.to}" for one in found.pairs if not one.right]
    assert not changed, f"data were changed on their way from {', '.join(changed)}"
    assert rates, "nothing was measured"
    hold(rates, figures, baseline, PEER_TRANSFER.check)


@question(
    "Do all GPUs together add up the same numbers, as fast as they did?",
    expected="every sum is exact; the bus rate within 10% of the last acceptance",
    source="NVIDIA/nccl-tests, which defines the bus rate",
    remedy="On the rig, with NCCL_DEBUG=INFO: the ways that it chose. Then: nvidia-smi topo -m; nvidia-smi nvlink -s",
)
@pytest.mark.usefixtures("several")
def test_all_reduce(rig: Rig, measure: Measure, baseline: Acceptance | None) -> None:
    """What training on several GPUs does after every step."""
    found = read(seen(rig, ALL_REDUCE, tells=True).result, Reduced)
    model = rig.facts.nvidia.gpus[0].name if rig.facts.nvidia.gpus else "GPUs"
    rate = Rate(
        name="all_reduce_bus",
        what="bus",
        device=f"{found.ranks} GPUs",
        model=f"{found.ranks} of {model}",
        unit="GB/s",
        samples=found.bus.samples,
        how=f"{found.framework} {found.version}, {found.engine}",
    )
    figure = rate.keep(measure)
    measure.found(f"{told([rate])}, {found.engine}")
    assert found.right, f"{found.wrong} elements of the sum over {found.ranks} GPUs are wrong"
    assert not found.wrong, f"{found.wrong} elements of the sum over {found.ranks} GPUs are wrong"
    wanted = len(rig.facts.gpus)
    assert found.ranks == wanted, f"{found.ranks} of {wanted} GPUs took part"
    worse = lost([rate], [figure], baseline, ALL_REDUCE.check)
    assert not worse, "; ".join(worse)
