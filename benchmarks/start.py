"""How long a command takes from nothing to its end, beside what Python itself and its command-line library take.

    .venv/bin/python benchmarks/start.py [ROUNDS]

Every command is a process of its own; the rounds are interleaved. The file cache is warm, and so are Python's
compiled modules: one round that is not counted goes first.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

from pairs import timed

DLRIG = (str(Path(sys.executable).with_name("dlrig")),)
PLAN = ("plan", "--os", "ubuntu-24.04", "--gpu", "10de:1c03")
COMMANDS = {
    "`python -c pass`": (sys.executable, "-c", "pass"),
    "`python -c 'import rich_click'`": (sys.executable, "-c", "import rich_click"),
    "`dlrig --help`": (*DLRIG, "--help"),
    "`dlrig plan --help`": (*DLRIG, "plan", "--help"),
    f"`dlrig {' '.join(PLAN)}`": (*DLRIG, *PLAN),
    f"`dlrig {' '.join(PLAN)} --json`": (*DLRIG, *PLAN, "--json"),
}
ENVIRONMENT = {**os.environ, "COLUMNS": "100", "LC_ALL": "C.UTF-8"}


def run(command: tuple[str, ...]) -> None:
    """Run it; it must succeed."""
    subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True)


def main(rounds: int) -> None:
    """Measure, and print a table."""
    samples: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for number in range(rounds + 1):
        for name, command in COMMANDS.items():
            seconds = timed(lambda: run(command))  # noqa: B023 - runs at once
            if number:
                samples[name].append(seconds * 1000)
    floor = samples["`python -c 'import rich_click'`"]
    print(
        f"{rounds} interleaved rounds; milliseconds, wall time. Ratio: to `import rich_click`, round by round.\n"
    )
    print("| | median | min | max | ratio, median |\n|---|---|---|---|---|")
    for name, values in samples.items():
        ratio = statistics.median(value / base for value, base in zip(values, floor, strict=True))
        figures = f"{statistics.median(values):.0f} | {min(values):.0f} | {max(values):.0f}"
        print(f"| {name} | {figures} | {ratio:.2f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
