"""What training over several machines is, whatever the framework: windows that end together, and what sharing costs.

Shared by `together_tensorflow.py` and `together_torch.py`; model, input and log lines come from the single-machine
programs beside them. Every process runs the same steps, so whatever one decides by its own clock is agreed on first:
a process that stopped alone would leave the others waiting.
"""

from __future__ import annotations

import json
import math
import os
import platform
import signal
import statistics
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

STARTED = time.monotonic()
RESERVE = 4.0
"""Seconds kept free before the time limit: for the products and the report."""
PAIRS, PAIRS_SECONDS = 5, 8.0
"""Windows with and without the exchange of gradients: so many, or fewer where they take so many seconds."""
LEAST_PAIRS = 3
LINGER = 1.0
"""Seconds that a process stays after its report: the others may still be fetching from it."""
PEER_LOST = (
    *(
        "Connection reset",
        "Connection refused",
        "Connection closed",
        "Socket closed",
        "Broken pipe",
    ),
    *("connection closed by peer", "recvBytes", "sendBytes", "UNAVAILABLE", "Unavailable"),
    *("Collective ops is aborted", "NCCL", "Timed out waiting", "remote process exited"),
)
"""Words by which the frameworks tell that another process has gone."""


class Engine(Protocol):
    """A framework's training over all processes.

    Attributes:
        name: what carries the gradients: ``ring (gRPC)``, ``nccl``, ``gloo``.
        backend: the base's: device, version, the matrix product's rate.
        rank: of this process.
        processes: how many there are.
        replicas: devices of all processes.
        devices: devices of this process.
        gradient_bytes: that every device gives to each exchange.
    """

    name: str
    backend: Any
    rank: int
    processes: int
    replicas: int
    devices: int
    gradient_bytes: int

    def run(self, first: int, count: int, *, exchange: bool) -> float:
        """Train ``count`` steps from number ``first``; this process's last loss, when all of them are done."""

    def total(self, value: float) -> float:
        """The sum of every device's value; all processes wait here for each other."""

    def norms(self) -> list[float]:
        """The norm of each tensor of weights."""

    def close(self) -> None:
        """Leave the others, in an orderly way."""


def train(
    base: ModuleType,
    engine: Engine,
    options: Any,  # noqa: ANN401 - the base's Options
    tag: str,
) -> Iterator[Any]:
    """Step 0, then whole windows; all processes stop after the same one.

    Raises:
        WorkloadError: the loss is no number any more.
    """
    first, longest, startup = 0, 0.0, 0.0
    while first <= options.steps:
        count = min(options.window, options.steps - first + 1) if first else 1
        after = RESERVE + 2 * startup + min(PAIRS_SECONDS, options.time_limit / 10)
        short = bool(first) and left(options) < 1.2 * longest + after
        if engine.total(float(short)) > 0:
            return
        start = time.perf_counter()
        loss = engine.run(first, count, exchange=True)
        seconds = time.perf_counter() - start
        last, now = first + count - 1, base.ProcessorTimes.now()
        window = base.Window(last, loss, count, seconds, time.time(), now)
        if not math.isfinite(loss):
            raise base.WorkloadError(f"The loss is {loss} at step {last}", kind="not-a-number")
        if count == options.window or not first:
            if engine.rank == 0:
                line = base.log_line(window, options.batch, engine.replicas, tag)
                print(line, flush=True)
            yield window
        longest = max(longest, window.seconds) if first else 0.0
        startup = startup if first else window.seconds
        first += count


def compare_exchange(
    engine: Engine,
    options: Any,  # noqa: ANN401 - as above
    first: int,
    least: float,
) -> tuple[list[float], list[float]]:
    """Seconds per step with and without the exchange of gradients, window by window, taken in turns.

    Without it every device follows its own gradients, so this comes last: the weights are of no use afterwards.
    None where fewer seconds than `least` are left.
    """
    count = max(1, options.window // 2)
    if engine.total(float(left(options) < RESERVE + least)) > 0:
        return [], []
    engine.run(first, 1, exchange=False)  # compiles that form
    taken: dict[bool, list[float]] = {True: [], False: []}
    begin = time.perf_counter()
    for pair in range(PAIRS):
        spent = time.perf_counter() - begin
        long = spent > PAIRS_SECONDS and pair >= LEAST_PAIRS
        if engine.total(float(long or left(options) < RESERVE + spent / max(pair, 1))) > 0:
            break
        for exchange in (True, False):
            engine.total(0.0)
            start = time.perf_counter()
            engine.run(first, count, exchange=exchange)
            taken[exchange].append((time.perf_counter() - start) / count)
    return taken[True], taken[False]


def measure(
    base: ModuleType,
    make: Callable[[Any, Any], Engine],
    options: Any,  # noqa: ANN401 - as above
) -> tuple[dict[str, Any], Engine]:
    """Load, train and report; docs/together.md lists the fields."""
    images = base.load(options)
    ready = time.monotonic()
    engine = make(options, images)
    meeting = time.monotonic() - ready
    before = engine.backend.matmul_gflops()
    startup = time.monotonic() - STARTED
    windows = list(train(base, engine, options, images.tag))
    norms = engine.norms()
    following = windows[-1].step + 1
    shares = engine.replicas > 1
    joined, apart = (
        compare_exchange(engine, options, following, needed(windows)) if shares else ([], [])
    )
    after = engine.backend.matmul_gflops()
    result = {
        **_trained(base, windows, options, engine.replicas),
        **_described(base, engine, options, images),
        "step_seconds": round(statistics.median(joined), 6) if joined else None,
        "step_seconds_apart": round(statistics.median(apart), 6) if apart else None,
        "weights": [round(norm, 6) for norm in norms],
        "matmul_gflops_before": round(before, 1),
        "matmul_gflops_after": round(after, 1),
        "disturbed": base.disturbances(windows, before, after),
        "startup_seconds": round(startup, 3),
        "meeting_seconds": round(meeting, 3),
    }
    return {**result, "seconds": round(time.monotonic() - STARTED, 3)}, engine


def needed(windows: Sequence[Any]) -> float:
    """Seconds that a comparison takes at least: to compile, and one pair."""
    longest = max((window.seconds for window in windows[1:]), default=0.0)
    return float(2 * (windows[0].seconds + longest))


def _trained(
    base: ModuleType,
    windows: Sequence[Any],
    options: Any,  # noqa: ANN401 - as above
    replicas: int,
) -> dict[str, Any]:
    rated = base.rates(windows, options.batch * replicas)
    last = windows[-1].step
    return {
        "examples_per_sec": base.throughput(rated),
        "unit": "examples/s",
        "windows": rated,
        "window_ends": [round(window.end, 3) for window in windows[1:]],
        "step0_end": round(windows[0].end, 3),
        "window_steps": options.window,
        "spread": base.spread(rated),
        "drift": base.drift(rated),
        "losses": {str(window.step): round(window.loss, 4) for window in windows},
        "steps": last,
        "stopped_by": "steps" if last == options.steps else "time limit",
        "first_step_seconds": round(windows[0].seconds, 3),
    }


def _described(
    base: ModuleType,
    engine: Engine,
    options: Any,  # noqa: ANN401 - as above
    images: Any,  # noqa: ANN401 - as above
) -> dict[str, Any]:
    return {
        "data": images.name,
        "data_note": images.note,
        "device": options.device,
        "device_name": engine.backend.name,
        "devices": engine.devices,
        "mode": options.mode,
        "batch": options.batch,
        "seed": options.seed,
        "framework": base.FRAMEWORK,
        "version": engine.backend.version,
        "python": platform.python_version(),
        "dtype": options.dtype,
        "processors": len(os.sched_getaffinity(0)),
        "engine": engine.name,
        "rank": engine.rank,
        "processes": engine.processes,
        "replicas": engine.replicas,
        "gradient_bytes": engine.gradient_bytes,
    }


def left(options: Any) -> float:  # noqa: ANN401 - as above
    """Seconds until the time limit."""
    return float(options.time_limit) - (time.monotonic() - STARTED)


def main(base: ModuleType, make: Callable[[Any, Any], Engine]) -> NoReturn:
    """Run to the exit; every failure is one sentence, and one object with `--json`.

    The process ends at once after its report: the frameworks' own farewells wait for processes that may be gone.
    """
    given = sys.argv[1:]
    # A thread waits for it, since the main thread hears of nothing while it waits for another machine.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_await_termination, args=(base, given), daemon=True).start()
    try:
        code = _run(base, make, given)
    except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001 - and the frameworks' own
        code = tell(failure_of(base, error), given)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run(base: ModuleType, make: Callable[[Any, Any], Engine], given: list[str]) -> int:
    options = base.parse_options(given)
    watchdog = threading.Timer(
        min(options.time_limit, threading.TIMEOUT_MAX), _give_up, (base, "no-time", given)
    )
    watchdog.daemon = True
    watchdog.start()
    result, engine = measure(base, make, options)
    if options.json or engine.rank == 0:
        print(json.dumps(result) if options.json else summary(result), flush=True)
    try:
        engine.total(0.0)
        time.sleep(LINGER if engine.rank == 0 else LINGER / 2)
        engine.close()
    except Exception:  # noqa: BLE001 - all is measured and told
        return 0
    return 0


def _await_termination(base: ModuleType, given: list[str]) -> None:
    signal.sigwait({signal.SIGTERM})
    _give_up(base, "interrupted", given)


def _give_up(base: ModuleType, kind: str, given: list[str]) -> None:
    words = {
        "interrupted": "Interrupted",
        "no-time": "Not done within the time limit: another machine or a device does not answer, or is very slow",
    }
    os._exit(tell(base.WorkloadError(words[kind], kind=kind), given))


def tell(failure: Any, given: list[str]) -> int:  # noqa: ANN401 - the base's error
    """Say why there is no result; returns the exit code."""
    if "--json" in given:
        about = {"what": failure.what, "hint": failure.hint, "kind": failure.kind}
        print(json.dumps({"error": about}), flush=True)
    else:
        print(f"{failure.what}\n{failure.hint}", file=sys.stderr, flush=True)
    return int(failure.code)


def failure_of(base: ModuleType, error: BaseException) -> Any:  # noqa: ANN401 - the base's error
    """Any failure as the base tells it; `peer-lost` where the words say that another process has gone."""
    failure = base.failure_of(error)
    if failure.kind == "failed" and any(word in str(error) for word in PEER_LOST):
        failure.kind = "peer-lost"
        failure.hint = "See what the other machines say."
    return failure


def summary(result: dict[str, Any]) -> str:
    """The result for a reader."""
    who = f"{result['replicas']} devices of {result['processes']} processes ({result['engine']})"
    lines = [
        f"{result['examples_per_sec']} examples/sec on {who}",
        f"data: {result['data']} ({result['data_note']})",
    ]
    if result["step_seconds"] is not None:
        lines.append(
            f"{result['step_seconds']:.4f} s per step; {result['step_seconds_apart']:.4f} s without the exchange of "
            f"{result['gradient_bytes'] / 1e6:.1f} MB of gradients"
        )
    return "\n".join(lines)
