"""How fast the CIFAR-10 tutorial's model trains on this CPU, by each workload and by what a user would write.

    .venv/bin/python benchmarks/throughput.py DATA.npz [--rounds N] [--steps N] [--smoke N] [--keep FILE]

Whole processes in interleaved rounds, each measured by its own windows of ten steps, the first of which does not count.
DATA.npz holds real images (`x_train`, `y_train`). The opponents are in `opponents/`. The smoke test is the workload as
`checks/training` runs it. The environments are those of `tests/workloads`, which are made where they are missing.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from pathlib import Path

from training_runs import OPPONENTS, Run, Way, ours, run, spans, table

SMOKE_STEPS = 120
"""As STEPS of checks/options.py."""
KERAS = "Keras fit, tf.data"
NAIVE, NAIVE_READY = "torch, plain", "torch, plain, one batch made before"
Rounds = dict[str, list[Run]]


def ways(data: str, steps: int) -> list[Way]:
    """All that compete; those that are compared most closely stand side by side."""
    asked = (
        ("tensorflow", "limit", "bfloat16", data),
        ("tensorflow", "limit", "float32", data),
        ("tensorflow", "limit", "float32", "synthetic"),
        ("tensorflow", "reference", "float32", "synthetic"),
        ("tensorflow", "reference", "float32", data),
        ("torch", "limit", "float32", data),
        ("torch", "limit", "bfloat16", data),
        ("jax", "limit", "float32", data),
        ("torch", "reference", "float32", data),
    )
    made = [ours(*which, steps) for which in asked]
    keras, torch = OPPONENTS / "keras_fit.py", OPPONENTS / "naive_torch.py"
    made.insert(0, Way(KERAS, "tensorflow", keras, (data, str(steps + 10))))
    for name, workers in ((NAIVE, "2"), (NAIVE_READY, "-1")):
        made.append(Way(name, "torch", torch, (data, str(steps + 10), workers)))
    return made


def speeds(runs: list[Run]) -> list[float]:
    """Examples per second, by each run's own word."""
    return [float(one.result["examples_per_sec"]) for one in runs]


def ratios(found: Rounds, first: str, second: str) -> list[float]:
    """Round by round."""
    pairs = zip(speeds(found[first]), speeds(found[second]), strict=True)
    return [one / other for one, other in pairs]


def shown(found: Rounds) -> str:
    """All ways, fastest first."""
    rows = []
    for name, runs in sorted(found.items(), key=lambda item: -statistics.median(speeds(item[1]))):
        first, *_ = (one.result for one in runs)
        fraction = [
            one.result["fraction_of_matmul"] for one in runs if "fraction_of_matmul" in first
        ]
        alone = [
            one.result["compute_examples_per_sec"]
            for one in runs
            if one.result.get("compute_examples_per_sec")
        ]
        windows = [one.first_window for one in runs if one.first_window]
        marked = sum(bool(one.result.get("disturbed")) for one in runs)
        rows.append(
            (
                name,
                *spans(speeds(runs)),
                f"{statistics.median(ratios(found, name, KERAS)):.2f}",
                f"{statistics.median(fraction):.0%}" if fraction else "",
                f"{statistics.median(alone):,.0f}" if alone else "",
                f"{statistics.median(windows):.1f}" if windows else "",
                f"{marked} of {len(runs)}" if "fraction_of_matmul" in first else "",
            )
        )
    head = ("examples per second", "median", "min", "max", "ratio to Keras")
    more = ("of the matrix product", "the step alone", "start to first window, s", "disturbed")
    return table((*head, *more), rows)


def aims(found: Rounds, smoke: list[Run]) -> str:
    """What was aimed at, and what came out."""
    limit = "tensorflow limit float32"
    fraction = [one.result["fraction_of_matmul"] for one in found[limit]]
    start = [
        one.first_window or 0.0 for one in found[limit] + found["tensorflow reference float32"]
    ]
    lines = [
        ("TensorFlow limit float32 / Keras fit", ratios(found, limit, KERAS), 1.4, ".2f"),
        (
            "TensorFlow limit bfloat16 / Keras fit",
            ratios(found, "tensorflow limit bfloat16", KERAS),
            2.0,
            ".2f",
        ),
        ("TensorFlow limit float32, of the matrix product", fraction, 0.85, ".0%"),
        ("TensorFlow reference / torch, plain", _to_naive(found, "tensorflow"), None, ".2f"),
        ("torch reference / torch, plain", _to_naive(found, "torch"), None, ".2f"),
        ("TensorFlow, start to first window, s", start, -10.0, ".1f"),
    ]
    for mode in ("limit", "reference"):
        real = f"tensorflow {mode} float32"
        pairs = ratios(found, f"{real} on synthetic images", real)
        lines.append((f"TensorFlow {mode}, synthetic / real images", pairs, None, ".2f"))
    if smoke:
        lines.append(("whole smoke test, s", [one.seconds for one in smoke], -60.0, ".0f"))
    rows = []
    for name, values, aim, form in lines:
        middle, low, high = spans(values, form)
        said = _judged(statistics.median(values), aim, form)
        rows.append((name, f"{middle} ({low} to {high})", *said))
    return table(("", "median (min to max)", "aim", "met"), rows)


def _to_naive(found: Rounds, framework: str) -> list[float]:
    return ratios(found, f"{framework} reference float32", NAIVE)


def _judged(value: float, aim: float | None, form: str) -> tuple[str, str]:
    # A negative aim is an upper bound.
    if aim is None:
        return "", ""
    under = aim < 0
    met = value < -aim if under else value >= aim
    return f"{'under' if under else 'at least'} {abs(aim):{form}}", "yes" if met else "**no**"


def repeated(smoke: list[Run]) -> str:
    """The smoke test's own figure, run after run."""
    found = speeds(smoke)
    middle = statistics.median(found)
    off = max(abs(value / middle - 1) for value in found)
    rows = [
        (
            str(number),
            f"{one.result['examples_per_sec']:,.1f}",
            f"{one.result['examples_per_sec'] / middle - 1:+.1%}",
            f"{one.result['matmul_gflops_before']:.0f}, {one.result['matmul_gflops_after']:.0f}",
            f"{one.seconds:.1f}",
            one.result["disturbed"] or "no",
        )
        for number, one in enumerate(smoke, 1)
    ]
    head = (
        "run",
        "examples/s",
        "to the median",
        "matrix product, GFLOP/s",
        "whole, s",
        "disturbed",
    )
    return f"{table(head, rows)}\n\nFarthest from the median: {off:.1%}; the aim is 3 %."


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    for name, default in (("--rounds", 3), ("--steps", 40), ("--smoke", 5)):
        parser.add_argument(name, type=int, default=default)
    parser.add_argument("--keep", type=Path, help="write what every run said there, as JSON")
    given = parser.parse_args()
    data = str(given.data.resolve())
    found: Rounds = {way.name: [] for way in ways(data, given.steps)}
    for _ in range(given.rounds):
        for way in ways(data, given.steps):
            found[way.name].append(run(way))
    smoke_way = ours("tensorflow", "reference", "float32", data, SMOKE_STEPS)
    smoke = [run(smoke_way) for _ in range(given.smoke)]
    if given.keep:
        given.keep.write_text(json.dumps({**found, "smoke test": smoke}), encoding="utf-8")
    loads = [one.load for runs in (*found.values(), smoke) for one in runs]
    print(
        f"{given.rounds} interleaved rounds of whole processes, {given.steps} steps each; "
        f"{os.cpu_count()} processors, load {min(loads):.1f} to {max(loads):.1f} before each.\n"
    )
    print(shown(found), aims(found, smoke), repeated(smoke) if smoke else "", sep="\n\n")


if __name__ == "__main__":
    main()
