"""Run training programs as processes of their own, and read what they say of themselves."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
WORKLOADS, OPPONENTS = ROOT / "checks" / "workloads", Path(__file__).parent / "opponents"
LIMIT = 600.0
"""Seconds for one run."""


class Way(NamedTuple):
    """A way to train the CIFAR-10 tutorial's model."""

    name: str
    framework: str
    program: Path
    arguments: tuple[str, ...]


class Run(NamedTuple):
    """A run's own result, and what the clock on the wall said of it, in seconds."""

    result: dict[str, Any]
    seconds: float
    first_window: float | None
    load: float


def ours(framework: str, mode: str, dtype: str, data: str, steps: int, *more: str) -> Way:
    """One of the workloads of ``checks/workloads``."""
    options = ("--mode", mode, "--dtype", dtype, "--data", data, "--steps", str(steps), *more)
    name = f"{framework} {mode} {dtype}" + (" on synthetic images" if data == "synthetic" else "")
    return Way(name, framework, WORKLOADS / f"cifar10_{framework}.py", (*options, "--json"))


def interpreter(framework: str) -> str:
    """Of the environment that the tests made; it is made where it is missing."""
    folder = str(ROOT / "tests" / "workloads")
    if folder not in sys.path:
        sys.path.append(folder)
    from cpu_environments import made  # noqa: PLC0415 - lies in the tests' folder

    return str(made(framework))


def run(way: Way) -> Run:
    """Run it to its end.

    Raises:
        RuntimeError: it failed; with what it said.
    """
    command = [interpreter(way.framework), str(way.program), *way.arguments]
    start, load, first = time.perf_counter(), os.getloadavg()[0], None
    lines: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        watchdog = threading.Timer(LIMIT, process.kill)
        watchdog.start()
        try:
            for line in process.stdout or ():
                lines.append(line)
                if "examples/sec" in line and " step 0," not in line and first is None:
                    first = time.perf_counter() - start
        finally:
            watchdog.cancel()
            process.kill()
    seconds = time.perf_counter() - start
    result = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    if "examples_per_sec" not in result:
        raise RuntimeError(f"{way.name}: exit code {process.returncode}: {''.join(lines[-3:])}")
    print(f"{way.name}: {result['examples_per_sec']} examples/s, {seconds:.0f} s", file=sys.stderr)
    return Run(result, seconds, first, load)


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """In Markdown."""
    first, *others = (f"| {' | '.join(cells)} |" for cells in (head, *rows))
    return "\n".join((first, "|" + "---|" * len(head), *others))


def spans(values: list[float], form: str = ",.0f") -> tuple[str, str, str]:
    """Median, smallest and largest, as text."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:{form}}", f"{low:{form}}", f"{high:{form}}"
