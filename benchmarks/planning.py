"""How long the planner takes: one plan, cold and warm, and a thousand rigs, all different and all alike.

    .venv/bin/python benchmarks/planning.py [ROUNDS]

Only ``make_plan`` is timed, not reading rigs. *Cold* is the first plan of a process, after import and catalogue;
*warm* the same again. The cold figures come from a process each, the rest from this one, where every round starts
with a catalogue of its own, whose answers are not known yet. *Different* rigs have different GPUs (one or two kinds of
every kind that is listed), systems, kernels and wishes, drawn with a fixed seed; wishes that nothing satisfies take
part, with the search for what is nearest. *Alike* rigs differ in name alone.
"""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from provision.catalogue.whole import Catalogue
    from provision.facts import Facts
    from provision.wishes import Wishes

    Rig = tuple[Facts, Wishes]

FIRST = ("import", "catalogue", "one plan, cold", "the same, warm")
"""What ``first`` prints."""
RIGS = 1000
SEED = 20261123
NOW = "2026-11-23T00:00:00+00:00"
WISHES: tuple[dict[str, object], ...] = (
    {},
    {},
    {"driver": "580"},
    {"driver": ">=595"},
    {"modules": "open"},
    {"driver_source": "nvidia"},
    {"cuda": ("12.9", "12.6")},
    {"python": "3.11"},
    {"tensorflow": "2.19"},
    {"torch": "2.10.0"},
    {"jax": "0.10.2"},
    {"environment_maker": "venv"},
    {"driver": "595", "cuda": ("13.2",), "torch": "2.15.0", "jax": "0.10.2"},
)
KERNELS = (
    "",
    "6.8.0-60-generic",
    "6.11.0-29-generic",
    "6.8.0-1030-aws",
    "6.1.0-40-amd64",
    "7.0.0-14-generic",
)


def clock(work: Callable[[], object]) -> float:
    """Milliseconds, wall time."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def first() -> None:
    """In a process of its own: print what import, catalogue, a cold and a warm plan take."""
    times = [clock(_import)]
    from provision import catalogue  # noqa: PLC0415 - its time was just taken
    from provision.imagined import imagine  # noqa: PLC0415
    from provision.planner import make_plan  # noqa: PLC0415
    from provision.wishes import Wishes  # noqa: PLC0415

    times.append(clock(catalogue.load))
    known = catalogue.load()
    facts = imagine("ubuntu-24.04", ["10de:1c03", "10de:1c03"], known, now=NOW)
    times += [clock(lambda: make_plan(facts, Wishes(), known)) for _ in range(2)]
    print(*times)


def _import() -> None:
    import provision.catalogue  # noqa: PLC0415 - that is what is timed
    import provision.imagined  # noqa: PLC0415
    import provision.planner  # noqa: F401, PLC0415


def different(known: Catalogue) -> list[Rig]:
    """Rigs with different GPUs, systems, kernels and wishes."""
    from provision.imagined import imagine  # noqa: PLC0415 - see first()
    from provision.wishes import make_wishes  # noqa: PLC0415

    draw = random.Random(SEED)  # noqa: S311 - no secret
    devices = sorted(
        device for device in known.gpus.gpus if known.gpus.guess(device).compute_capability
    )
    rigs = []
    for number in range(RIGS):
        kinds = draw.sample(devices, draw.choice((1, 1, 1, 2)))
        gpus = [f"10de:{device}" for device in kinds for _ in range(draw.choice((1, 2, 8)))]
        system = draw.choice(known.systems).id
        made = imagine(system, gpus, known, kernel=draw.choice(KERNELS), now=NOW)
        facts = msgspec.structs.replace(made, target=f"rig{number}")
        rigs.append((facts, make_wishes(draw.choice(WISHES), "benchmark")))
    return rigs


def alike(known: Catalogue) -> list[Rig]:
    """Rigs that differ in name alone."""
    from provision.imagined import imagine  # noqa: PLC0415 - see first()
    from provision.wishes import Wishes  # noqa: PLC0415

    facts = imagine("ubuntu-24.04", ["10de:1c03", "10de:1c03"], known, now=NOW)
    return [
        (msgspec.structs.replace(facts, target=f"rig{number}"), Wishes()) for number in range(RIGS)
    ]


def plan_all(rigs: list[Rig], known: Catalogue) -> tuple[list[float], list[float]]:
    """Plan each; milliseconds of those that have a plan, and of those that wish what nothing satisfies."""
    from provision.errors import ImpossiblePlanError  # noqa: PLC0415 - see first()
    from provision.planner import make_plan  # noqa: PLC0415

    planned: list[float] = []
    refused: list[float] = []
    for facts, wishes in rigs:
        start = time.perf_counter()
        kind = planned
        try:
            make_plan(facts, wishes, known)
        except ImpossiblePlanError:
            kind = refused
        kind.append((time.perf_counter() - start) * 1000)
    return planned, refused


def main(rounds: int) -> None:
    """Measure in interleaved rounds, and print a table."""
    from provision import catalogue  # noqa: PLC0415 - see first()

    known = catalogue.load()
    groups = {"different": different(known), "alike": alike(known)}
    samples: dict[str, list[float]] = {}
    for _ in range(rounds):
        command = [sys.executable, __file__, "--first"]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        for name, value in zip(FIRST, said.split(), strict=True):
            samples.setdefault(name, []).append(float(value))
        for name, rigs in groups.items():
            # Answers are kept by catalogue: an equal one that is not the same knows none.
            outcomes = plan_all(rigs, msgspec.structs.replace(known))
            samples.setdefault(f"{RIGS} {name} rigs", []).append(sum(map(sum, outcomes)))
            for what, times in zip(("with a plan", "without one"), outcomes, strict=True):
                if times and len(times) < RIGS:
                    samples.setdefault(f"of these, {len(times)} {what}", []).append(sum(times))
    print(f"{rounds} interleaved rounds; milliseconds, wall time; seed {SEED}.\n")
    print("| | median | min | max |\n|---|---|---|---|")
    for name, values in samples.items():
        print(
            f"| {name} | {statistics.median(values):.1f} | {min(values):.1f} | {max(values):.1f} |"
        )


if __name__ == "__main__":
    if sys.argv[1:] == ["--first"]:
        first()
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
