"""What the programs of this folder have in common: options, exit codes, the time limit, the last line.

Standard library alone; Python 3.10 or later. See README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MEASURED, WRONG, USAGE, UNMEASURED = 0, 1, 2, 3
"""Exit codes: measured, and right; measured, and a result is wrong; wrong usage; could not measure."""

FRAMEWORKS = ("torch", "jax", "tensorflow")
WINDOW = 0.25
"""Seconds that one sample takes at least: the wait at its end is then no part of it that counts."""
WINDOWS = 200


class WorkloadError(Exception):
    """Ends the program: what happened, what to do, the exit code."""

    def __init__(self, what: str, hint: str = "", code: int = UNMEASURED) -> None:
        super().__init__(what)
        self.what, self.hint, self.code = what, hint, code


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:  # noqa: ANN401 - as the parent, it does not return
        raise WorkloadError(f"wrong usage: {message}", "Run it with --help.", USAGE)


def parser(
    description: str, *, seconds: float, limit: float, framework: bool = True
) -> argparse.ArgumentParser:
    """The options that every program has.

    Args:
        description: for ``--help``.
        seconds: how long it measures on each device, by default.
        limit: after how many seconds it gives up, by default.
        framework: it computes with one.
    """
    made = _Parser(
        description=description.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    if framework:
        made.add_argument("--framework", choices=("auto", *FRAMEWORKS), default="auto")
    made.add_argument(
        "--device",
        default="gpu",
        type=_device,
        metavar="cpu|gpu|gpu:N",
        help="the CPU, every GPU, or one of them",
    )
    made.add_argument("--seconds", default=seconds, type=_positive, help="of measuring, per device")
    made.add_argument(
        "--time-limit", default=limit, type=_positive, help="in seconds; then it ends"
    )
    made.add_argument("--json", action="store_true", help="the last line is one JSON object")
    return made


def _device(text: str) -> str:
    kind, colon, number = text.partition(":")
    if text in {"cpu", "gpu"} or (kind == "gpu" and colon and number.isdecimal()):
        return text
    raise argparse.ArgumentTypeError(f"'{text}' is none of cpu, gpu, gpu:N")


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e6:  # noqa: PLR2004 - eleven days
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")
    return value


def chosen(count: int, device: str) -> list[int]:
    """The numbers of the GPUs that ``--device`` names.

    Raises:
        WorkloadError: there is none of them.
    """
    numbers = list(range(count))
    if device != "gpu":
        wanted = int(device.partition(":")[2])
        numbers = [number for number in numbers if number == wanted]
    if not numbers:
        seen = f"{count} GPUs are seen" if count else "no GPU is seen"
        raise WorkloadError(f"{device}: {seen}", "Try: nvidia-smi; or use --device cpu.")
    return numbers


def run(
    measure: Callable[[argparse.Namespace], dict[str, Any]],
    options: argparse.ArgumentParser,
    arguments: Sequence[str] | None = None,
) -> int:
    """Measure, print, and give the exit code; ``right: false`` in the result makes it 1.

    The last line is one JSON object where ``--json`` is given; without it the result is printed as text.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given
    started = time.monotonic()
    about = {"python": platform.python_version()}
    try:
        asked = options.parse_args(given)
        watchdog = threading.Timer(asked.time_limit, _give_up, (asked.time_limit, as_json))
        watchdog.daemon = True
        watchdog.start()
        try:
            result = measure(asked)
        finally:
            watchdog.cancel()
    except WorkloadError as error:
        say({"error": {"what": error.what, "hint": error.hint}, **about}, as_json=as_json)
        return error.code
    except Exception as error:  # noqa: BLE001 - a framework's own; what matters is said in one line
        what = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        say({"error": {"what": what, "hint": ""}, **about}, as_json=as_json)
        return UNMEASURED
    seconds = round(time.monotonic() - started, 3)
    say({**result, **about, "seconds": seconds}, as_json=as_json)
    return MEASURED if result.get("right", True) else WRONG


def _give_up(limit: float, as_json: bool) -> None:  # noqa: FBT001 - a Timer passes by position
    what = f"not done within its time limit of {limit:g} s"
    say(
        {"error": {"what": what, "hint": "A device does not answer, or is very slow."}},
        as_json=as_json,
    )
    os._exit(UNMEASURED)


def say(result: dict[str, Any], *, as_json: bool) -> None:
    """Print the result."""
    print(json.dumps(result) if as_json else json.dumps(result, indent=2), flush=True)


def rates(
    work: Callable[[int], None], amount: float, seconds: float, *, window: float = WINDOW
) -> list[float]:
    """How much is done in a second, a sample per window.

    Args:
        work: does so many rounds, and returns when they are done.
        amount: what one round does, in the unit wanted.
        seconds: to measure; at least three windows are taken.
        window: least seconds of one.
    """
    work(1)
    count, took = 1, timed(work, 1)
    for _ in range(20):
        if took >= window / 2:
            break
        count = max(2 * count, min(16 * count, int(count * window / max(took, 1e-6))))
        took = timed(work, count)
    count = max(1, round(count * window / took))
    samples: list[float] = []
    end = time.monotonic() + seconds
    while len(samples) < 3 or (time.monotonic() < end and len(samples) < WINDOWS):  # noqa: PLR2004 - see above
        samples.append(amount * count / timed(work, count))
    return samples


def timed(work: Callable[[int], None], count: int) -> float:
    """Seconds that so many rounds take."""
    start = time.perf_counter()
    work(count)
    return time.perf_counter() - start


def figure(samples: Sequence[float]) -> dict[str, Any]:
    """Samples with their median, as every result states a rate."""
    return {
        "median": float(f"{statistics.median(samples):.5g}"),
        "samples": [float(f"{sample:.5g}") for sample in samples],
    }
