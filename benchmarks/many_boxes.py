"""One run of the read-only suite on one, on ten and on fifty boxes at once.

    sudo .venv/bin/python benchmarks/many_boxes.py [ROUNDS [BOXES]]

The boxes are bare, stand on one root that is made once, and run on this machine beside who asks them, so that both
share its processors. All are booted first; the sizes are then measured in turn. Fifty take about 3 GiB of memory
and 500 MB of disk.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from pairs import timed

from provision.box import Box

ROOT = Path(__file__).parents[1]
SIZES = (1, 10, 50)
AIM = 3
"""Times the time of one box, per ten boxes."""
PER = 10
LIMIT = 900
"""Seconds for one run."""
CHAPTERS = "hardware or driver"
USER = "rigger"
_INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
_INSTANCES = 16
"""Of inotify, that a booted box needs; Linux gives a user 128."""


class Run(NamedTuple):
    """Wall time, and processor time of the side that asks; in seconds."""

    wall: float
    processor: float


def boot(stack: ExitStack, count: int) -> list[Box]:
    """So many boxes, which end with ``stack``."""
    before = _INOTIFY.read_text()
    if int(before) < count * _INSTANCES:
        _INOTIFY.write_text(f"{count * _INSTANCES}\n")
        stack.callback(_INOTIFY.write_text, before)
    boxes = []
    for number in range(count):
        boxes.append(stack.enter_context(Box.start(f"many-{number + 1}")))
        print(f"\r{number + 1} of {count} boxes", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return boxes


def check(boxes: list[Box], config: Path, results: Path) -> None:
    """One run on these boxes.

    Raises:
        SystemExit: it did not work, or a box has no answer.
    """
    rigs = [word for box in boxes for word in ("--rig", box.target_for(USER))]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=line"]
    command += ["checks", "-m", CHAPTERS, *rigs, "--ssh-config", str(config)]
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    # Compiled modules are kept, as they are anywhere else.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [*command, "--results", str(results)],
        cwd=ROOT,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    # 1: some question has an answer that is not as wished.
    if done.returncode not in {0, 1}:
        raise SystemExit(f"pytest: {done.returncode}\n{(done.stdout + done.stderr)[-4000:]}")
    found = json.loads(results.read_text())
    asked = {len(one["results"]) for one in found.values()}
    unread = {name: one["facts"]["unread"] for name, one in found.items() if one["facts"]["unread"]}
    if len(found) != len(boxes) or len(asked) != 1 or unread:
        raise SystemExit(f"{len(found)} of {len(boxes)} answered, {asked} checks, unread: {unread}")


def measured(boxes: list[Box], config: Path, results: Path) -> Run:
    """The time of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall = timed(lambda: check(boxes, config, results))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(wall, own)


def table(runs: dict[int, list[Run]], checks: int) -> str:
    """In Markdown; ratios are round by round."""
    lines = [
        f"{checks} checks of each box.\n",
        "| boxes | median s | min | max | ratio to one box, median (min to max) | aim | asker's processor time, s |",
        "|---|---|---|---|---|---|---|",
    ]
    first = next(iter(runs.values()))
    for size, found in runs.items():
        walls = [run.wall for run in found]
        ratios = [run.wall / one.wall for run, one in zip(found, first, strict=True)]
        span = f"{statistics.median(walls):.2f} | {min(walls):.2f} | {max(walls):.2f}"
        ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        aim = f"under {AIM * size / PER:g}" if size >= PER else ""
        processor = statistics.median(run.processor for run in found)
        lines.append(f"| {size} | {span} | {ratio} | {aim} | {processor:.2f} |")
    return "\n".join(lines)


def main(rounds: int, most: int) -> None:
    """Measure, and print a table."""
    sizes = [size for size in SIZES if size <= most]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        boxes = boot(stack, max(sizes))
        config, results = folder / "config", folder / "results.json"
        config.write_text("\n".join(box.ssh_config.read_text() for box in boxes))
        check(boxes, config, results)
        checks = len(next(iter(json.loads(results.read_text()).values()))["results"])
        runs: dict[int, list[Run]] = {size: [] for size in sizes}
        for _ in range(rounds):
            for size, found in runs.items():
                found.append(measured(boxes[:size], config, results))
                load = os.getloadavg()[0]
                print(f"{size}: {found[-1].wall:.2f} s, load {load:.1f}", file=sys.stderr)
        print(table(runs, checks))


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 5,
        int(sys.argv[2]) if len(sys.argv) > 2 else SIZES[-1],  # noqa: PLR2004 - the second argument
    )
