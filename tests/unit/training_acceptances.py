"""Acceptances with training runs on several devices, made up for the tests of the report: nothing here was measured."""

from __future__ import annotations

import math

import msgspec
from acceptances import result, sample, with_results

from provision.results import Acceptance, Figure, Result, Status

CPU, GPU = "Made-up CPU", "Made-up GPU 6GB"


def note(devices: int, kind: str, *, more: str = "", framework: str = "tensorflow") -> str:
    name = CPU if kind == "cpu" else GPU
    return (
        f"cifar-10 images, {devices} {kind} ({name}), reference mode, float32, batch 128, "
        f"{framework} 2.20.0{more}"
    )


def run(
    rate: float,
    said: str,
    *,
    check: str = "training/cifar10_smoke[tensorflow]",
    falls: float = 0.0,
    steps: int = 120,
    cards: int = 0,
) -> Result:
    """A run whose throughput wavers about ``rate`` and falls by the fraction ``falls``."""
    at = tuple(float(step) for step in range(20, steps + 1, 10))
    wavering = tuple(
        rate * (1 - falls * place / len(at)) * (1 + 0.01 * math.sin(7 * place))
        for place in range(len(at))
    )
    losses = tuple(4.68 * math.exp(-step / 900) for step in (0.0, 10.0, *at))
    figures = (
        Figure(
            name="throughput", unit="examples/s", samples=wavering, at=at, at_unit="step", note=said
        ),
        Figure(name="loss", unit="", samples=losses, at=(0, 10, *at), at_unit="step", note=said),
        *monitored(cards),
    )
    return result(
        Status.PASS, check, message=f"{rate:,.1f} examples/s", figures=msgspec.to_builtins(figures)
    )


def monitored(cards: int, points: int = 200) -> tuple[Figure, ...]:
    """What a monitor would have seen of a run of a minute."""
    seconds = tuple(place * 60 / points for place in range(points))

    def course(name: str, unit: str, low: float, high: float, lag: float) -> Figure:
        samples = tuple(
            low + (high - low) * (1 - math.exp(-second / lag)) * (0.97 + 0.03 * math.sin(second))
            for second in seconds
        )
        return Figure(name=name, unit=unit, samples=samples, at=seconds, at_unit="s")

    found = [course("cpu_utilisation", "", 0.05, 0.95 if not cards else 0.45, 2)]
    for card in range(cards):
        found += [
            course(f"gpu{card}_utilisation", "%", 0, 62 - 3 * card, 3 + card),
            course(f"gpu{card}_temperature", "°C", 34 + card, 71 + 2 * card, 25),
            course(f"gpu{card}_power", "W", 9, 96 - 4 * card, 4),
            course(f"gpu{card}_clock", "MHz", 300, 1860 - 30 * card, 1.5),
        ]
    return tuple(found)


def limit(text: str, instance: str = "tensorflow") -> Result:
    return result(Status.PASS, f"training/cifar10_limit[{instance}]", message=text)


def scaling(speed_up: float, cards: int, instance: str = "tensorflow_gpu") -> Result:
    serial = (cards / speed_up - 1) / (cards - 1)
    figures = [
        Figure(name=name, unit="", samples=(value,), note=note(cards, "gpu"))
        for name, value in (
            ("speed_up", speed_up),
            ("scaling_efficiency", speed_up / cards),
            ("serial_share", serial),
        )
    ]
    return result(
        Status.PASS,
        f"training/cifar10_scaling[{instance}]",
        message=f"{cards} GPUs are {speed_up:.2f} times as fast as one",
        figures=msgspec.to_builtins(figures),
    )


def trained(*results: Result) -> Acceptance:
    return with_results(sample("gpu_rejected"), *results)


def of_two_cards(*, more: str = "") -> Acceptance:
    """The CPU, one GPU and two, with a limit of each and the scaling."""
    return trained(
        run(329.4, note(4, "cpu"), cards=0),
        run(
            6134,
            note(1, "gpu"),
            check="training/cifar10_smoke[tensorflow_gpu]",
            steps=600,
            cards=1,
        ),
        run(
            9800,
            note(2, "gpu", more=more),
            check="training/cifar10_smoke[tensorflow_gpu-all]",
            falls=0.4,
            steps=600,
            cards=2,
        ),
        limit(
            "on the CPU: CPU compute: the step without input does 352 examples/s, and with it 330 (94%)"
        ),
        limit(
            "on one GPU: input pipeline: alone it makes 6,310 examples/s, and training takes 6,141 (97%)",
            "tensorflow_gpu",
        ),
        limit(
            "on all 2 GPUs: input pipeline: alone it makes 8,020 examples/s, and training takes 7,947 (99%); "
            "what helps: make the input cheaper; next: communication (0.4 GB/s over PCI Express)",
            "tensorflow_gpu-all",
        ),
        scaling(1.45, 2),
    )


def together() -> Acceptance:
    """Two machines, each alone and both at once."""
    said = (
        "cifar-10 images, 2 cpu of 2 processes (Made-up CPU), reference mode, float32, batch 128 each, "
        "tensorflow 2.20.0, MultiWorkerMirroredStrategy"
    )
    whole = run(170, said, check="training/cifar10_together")
    alone = tuple(
        Figure(
            name=f"alone_{number}",
            unit="examples/s",
            samples=(99.0, 100.0, 101.0),
            note=f"{rig} alone; {said}",
        )
        for number, rig in enumerate(("ada@one", "ada@two"), 1)
    )
    single = tuple(
        Figure(name=name, unit="", samples=(value,), note=said)
        for name, value in (
            ("speed_up", 1.7),
            ("scaling_efficiency", 0.85),
            ("serial_share", 2 / 1.7 - 1),
        )
    )
    return trained(msgspec.structs.replace(whole, figures=(*whole.figures, *alone, *single)))
