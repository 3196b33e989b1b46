"""Watch the machine and its GPUs while a command runs: one JSON object with a series of everything.

    python monitor.py --limit 60 --output series.json -- python train.py

Needs nvml.py beside it and the standard library; without NVIDIA's library it watches the CPU alone, and says so.
The command has a process group of its own, which is ended at the limit; whatever it started is ended with it.
README.md lists the fields. Exit code: the command's own; 124 at the limit; 127 where it does not start.
"""
# Command, Cards, Processor, Report: read from top to bottom.

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from nvml import (
    FIXED,
    NOW,
    PCIE,
    SETTINGS,
    Card,
    Nvml,
    NvmlError,
    descends,
    parent,
    port,
    program_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT, NOT_FOUND = 124, 127
GRACE = 2.0
"""Seconds between asking the command to end and killing it."""
QUIET, SETTLE = 10, 3.0
"""Percent of use below which a GPU is idle; seconds to wait for that, as the figure is a mean over the last one."""
START, END = 20.0, 10.0
"""Seconds to wait for the cards' first and last answers: a sick one gives none."""
KEPT_OUT, KEPT_ERR = 1 << 20, 1 << 16

# -------------------------------------------------------------- Command

_SUBREAPER = 36
# PR_SET_PDEATHSIG, SIGKILL; a parent that died before that is seen by its number.
_GUARD = (
    "import ctypes,os,sys;ctypes.CDLL(None).prctl(1,9);"
    "os.getppid()==int(sys.argv[1]) and os.execvp(sys.argv[2],sys.argv[2:])"
)


class Tail:
    """The end of what a stream said."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream, self._most, self._kept = stream, most, b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while chunk := os.read(self._stream.fileno(), 1 << 16):
            self._kept = (self._kept + chunk)[-self._most :]

    def text(self) -> str:
        """All of it, once it has ended."""
        self._thread.join(timeout=GRACE)
        return self._kept.decode(errors="replace")


class Command:
    """The command, in a session of its own; it dies with this program."""

    def __init__(self, argv: list[str], *, capture: bool) -> None:
        self.stopped = 0
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)
        # What it leaves behind becomes a child of this program, which then finds it.
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
        pipe = subprocess.PIPE if capture else None
        self._used = _used()
        self._process = subprocess.Popen(  # noqa: S603 - to run it is what was asked for
            [sys.executable, "-I", "-S", "-c", _GUARD, str(os.getpid()), *argv],
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            start_new_session=True,
        )
        out, err = self._process.stdout, self._process.stderr
        self._tails = [Tail(out, KEPT_OUT), Tail(err, KEPT_ERR)] if out and err else []

    def _stop(self, number: int, _frame: object) -> None:
        self.stopped = number

    def wait(self, limit: float) -> dict[str, Any]:
        """Until it ends, or is ended; what became of it."""
        start = time.monotonic()
        while self._process.poll() is None and not self.stopped:
            if time.monotonic() - start >= limit:
                break
            time.sleep(0.02)
        seconds = time.monotonic() - start
        code = self._process.poll()
        left = self._end()
        ended = {"exit_code": code if code is None or code >= 0 else 128 - code}
        used = _used() - self._used
        texts = [tail.text() for tail in self._tails]
        return {
            **ended,
            "timed_out": code is None and not self.stopped,
            "stopped_by": signal.Signals(self.stopped).name if self.stopped else "",
            "seconds": round(seconds, 3),
            "cpu_seconds": round(used, 3),
            "left": left,
            **(dict(zip(("stdout", "stderr"), texts, strict=True)) if texts else {}),
        }

    def _end(self) -> list[str]:
        """End it and all that it started; the names of those that outlived it."""
        running = self._process.poll() is None
        if running:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=GRACE)
        self._signal(signal.SIGKILL)
        left: list[str] = []
        for _ in range(200):
            others = [pid for pid in _children() if pid != self._process.pid]
            for pid in others:
                left.append(program_name(pid))
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            if self._process.poll() is not None and not others:
                break
            time.sleep(0.01)
            _reap(others)
        return [] if running else sorted(filter(None, set(left)))

    def _signal(self, number: int) -> None:
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, number)


def _children() -> list[int]:
    me = os.getpid()
    pids = [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdecimal()]
    return [pid for pid in pids if parent(pid) == me]


def _reap(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):
            os.waitpid(pid, os.WNOHANG)


def _used() -> float:
    """Seconds of CPU that children which have ended took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# ---------------------------------------------------------------- Cards


class Watch:
    """One thing that is watched, in a thread of its own: what does not answer stops only itself."""

    def __init__(self, interval: float) -> None:
        self.ready, self.done = threading.Event(), threading.Event()
        self._go, self._over = threading.Event(), threading.Event()
        self._interval = interval
        self._start = 0.0
        self.times: list[float] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def prepare(self) -> None:
        """Look at it before the command starts; returns at once."""
        self._thread.start()

    def start(self, now: float) -> None:
        """The command starts."""
        self._start = now
        self._go.set()

    def stop(self) -> None:
        """The command has ended."""
        self._over.set()
        self._go.set()

    def _run(self) -> None:
        self.before()
        self.ready.set()
        self._go.wait()
        while not self._over.wait(timeout=self._pause()):
            self.times.append(round(time.monotonic() - self._start, 3))
            self.sample()
        self.after()
        self.done.set()

    def _pause(self) -> float:
        """Seconds until the next sample is due."""
        passed = time.monotonic() - self._start
        return self._interval - passed % self._interval if self.times else 0.0

    def before(self) -> None:
        """The first look."""

    def sample(self) -> None:
        """One sample."""

    def after(self) -> None:
        """The last look."""


class CardWatch(Watch):
    """One GPU."""

    _EVERY = 10
    """Samples between two looks at the programs on it, which take longest."""

    def __init__(self, card: Card, interval: float) -> None:
        super().__init__(interval)
        self.card = card
        self.about: dict[str, Any] = {"index": card.index}
        names = (
            *NOW,
            *PCIE,
            "pstate",
            "utilisation_gpu",
            "utilisation_memory",
            "memory_used",
            "margin",
        )
        self.series: dict[str, list[float | None]] = {name: [] for name in names}
        self.programs: dict[int, dict[str, Any]] = {}
        self.listed = False

    def before(self) -> None:
        """See ``Watch``."""
        card = self.card
        address = card.address
        memory = card.memory
        self.about |= {"name": card.name, "uuid": card.uuid, "address": address, "mig": card.mig}
        self.about |= {"memory": memory[0] if memory else None, **card.read(FIXED), **port(address)}
        self.about["utilisation_before"] = self._settled()
        self.about["before"] = self._state("before")

    def _settled(self) -> int | None:
        """Percent of use before the start: what ran just before is waited out."""
        end = time.monotonic() + SETTLE
        while (busy := self.card.utilisation[0] or 0) >= QUIET and time.monotonic() < end:
            time.sleep(0.2)
        return busy

    def _state(self, when: str) -> dict[str, Any]:
        self._look(when)
        return {"pstate": self.card.state, **self.card.read(SETTINGS)}

    def _look(self, when: str) -> None:
        """Which programs compute on it; those that this program started are ``mine``."""
        found = self.card.processes()
        self.listed = self.listed or found is not None
        for pid, memory in (found or {}).items():
            row = self.programs.setdefault(
                pid, {"pid": pid, "name": program_name(pid), "mine": descends(pid), "seen": []}
            )
            row["memory"] = max(row.get("memory") or 0, memory or 0)
            row["seen"] = list(dict.fromkeys((*row["seen"], when)))

    def sample(self) -> None:
        """See ``Watch``."""
        card, first = self.card, self.card.state
        # A link is read between two looks at the state: only where both are fast does it count.
        now = card.read(NOW)
        second = card.state
        states = [state for state in (first, second) if state is not None]
        busy, moving = card.utilisation
        memory = card.memory
        now |= {
            **card.read(PCIE),
            "pstate": max(states, default=None),
            "utilisation_gpu": busy,
            "utilisation_memory": moving,
            "memory_used": memory[0] - memory[1] if memory else None,
            "margin": card.margin,
        }
        for name, value in now.items():
            self.series[name].append(value)
        if len(self.times) % self._EVERY == 1:
            self._look("during")

    def after(self) -> None:
        """See ``Watch``."""
        # The driver takes a moment to forget the programs that have ended.
        for _ in range(20):
            found = self.card.processes() or {}
            if not any(self.programs.get(pid, {}).get("mine") for pid in found):
                break
            time.sleep(0.1)
        self.about["after"] = self._state("after")

    def report(self) -> dict[str, Any]:
        """What was seen of it."""
        size = min((len(values) for values in self.series.values()), default=0)
        series = {name: values[:size] for name, values in self.series.items()}
        programs = sorted(self.programs.values(), key=lambda row: int(row["pid"]))
        return {
            **self.about,
            "trouble": self.card.trouble,
            "answers": self.done.is_set(),
            "programs": programs if self.listed else None,
            "series": {"t": self.times[:size], **series},
        }


# ------------------------------------------------------------ Processor


class ProcessorWatch(Watch):
    """All logical processors, and the memory."""

    def __init__(self, interval: float) -> None:
        super().__init__(interval)
        self.series: dict[str, list[float]] = {
            name: [] for name in ("utilisation", "busiest", "stolen", "memory_available")
        }
        self._last: list[list[int]] = []

    def before(self) -> None:
        """See ``Watch``."""
        self._last = _ticks()

    def sample(self) -> None:
        """See ``Watch``."""
        now = _ticks()
        shares = [_shares(*pair) for pair in zip(self._last, now, strict=False)]
        self._last = now
        whole, *each = shares or [(0.0, 0.0)]
        self.series["utilisation"].append(whole[0])
        self.series["busiest"].append(max((busy for busy, _ in each), default=whole[0]))
        self.series["stolen"].append(whole[1])
        self.series["memory_available"].append(_available())

    def report(self) -> dict[str, Any]:
        """What was seen of it."""
        size = min(len(values) for values in self.series.values())
        series = {name: values[:size] for name, values in self.series.items()}
        return {"processors": os.cpu_count(), "series": {"t": self.times[:size], **series}}


def _ticks() -> list[list[int]]:
    """``/proc/stat``: all processors together, then each."""
    lines = Path("/proc/stat").read_text(encoding="utf-8").splitlines()
    return [[int(field) for field in line.split()[1:]] for line in lines if line.startswith("cpu")]


def _shares(before: list[int], now: list[int]) -> tuple[float, float]:
    """Fraction of the time that it worked; fraction that the host of a virtual machine kept from it."""
    # user, nice, system, idle, iowait, irq, softirq, steal; guests' time is part of the first two.
    passed = [late - early for early, late in zip(before[:8], now[:8], strict=True)]
    whole = sum(passed)
    if whole <= 0:
        return 0.0, 0.0
    stolen = passed[7]
    return round((whole - passed[3] - passed[4] - stolen) / whole, 4), round(stolen / whole, 4)


def _available() -> float:
    """Bytes of memory that programs could still take."""
    for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


# --------------------------------------------------------------- Report


def _cards(interval: float) -> tuple[list[CardWatch], dict[str, Any]]:
    """The cards, and what there is to say of the library; it may hang, so it is asked beside."""
    found: list[CardWatch] = []
    said: dict[str, Any] = {"error": f"no answer within {START:g} s", "driver": ""}

    def ask() -> None:
        try:
            nvml = Nvml()
            driver, cards = nvml.driver, nvml.cards()
        except NvmlError as error:
            said["error"] = str(error)
            return
        found.extend(CardWatch(card, interval) for card in cards)
        said.update(error="", driver=driver)

    _within(ask, START)
    return (found if not said["error"] else []), dict(said)


def _within(function: Callable[[], None], limit: float) -> None:
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    thread.join(timeout=limit)


def _wait(events: list[threading.Event], limit: float) -> None:
    end = time.monotonic() + limit
    for event in events:
        event.wait(timeout=max(0.0, end - time.monotonic()))


def watch(argv: list[str], limit: float, interval: float, *, capture: bool) -> dict[str, Any]:
    """Run a command for ``limit`` seconds at most, and say all that was seen."""
    cards, library = _cards(interval)
    processor = ProcessorWatch(interval)
    watches: list[Watch] = [processor, *cards]
    for each in watches:
        each.prepare()
    _wait([each.ready for each in watches], START)
    began = time.time()
    command = Command(argv, capture=capture)
    start = time.monotonic()
    for each in watches:
        each.start(start)
    ended = command.wait(limit)
    for each in watches:
        each.stop()
    _wait([each.done for each in watches], END)
    return {
        "command": argv,
        "began": round(began, 3),
        "interval": interval,
        "limit": limit,
        **ended,
        "nvml": library,
        "cpu": processor.report(),
        "gpus": [card.report() for card in cards],
    }


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Watch the machine and its GPUs while a command runs.",
        usage="%(prog)s [--limit S] [--interval S] [--output FILE] -- COMMAND …",
    )
    parser.add_argument(
        "--limit", type=float, default=600.0, help="seconds; then it is ended (600)"
    )
    parser.add_argument("--interval", type=float, default=0.1, help="seconds between samples (0.1)")
    parser.add_argument(
        "--output",
        default="-",
        help="a file; - (default) puts what the command says into the object",
    )
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args(arguments)
    if given.command[:1] == ["--"]:
        del given.command[0]
    if not given.command:
        parser.error("no command")
    if given.limit <= 0 or given.interval < 0.01:  # noqa: PLR2004 - faster tells nothing
        parser.error("--limit must be above 0, --interval at least 0.01")
    return given


def main(arguments: list[str]) -> int:
    """Watch, write, and give the exit code."""
    given = parse(arguments)
    if not shutil.which(given.command[0]):
        print(f"{given.command[0]}: not found", file=sys.stderr)
        return NOT_FOUND
    capture = given.output == "-"
    seen = watch(given.command, given.limit, given.interval, capture=capture)
    text = json.dumps(seen, separators=(",", ":"))
    if capture:
        print(text, flush=True)
    else:
        Path(given.output).write_text(f"{text}\n", encoding="utf-8")
    if seen["timed_out"]:
        return LIMIT
    number: int = signal.Signals[seen["stopped_by"]] if seen["stopped_by"] else 0
    return 128 + number if number else int(seen["exit_code"])


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    # A card that hangs keeps its thread in the library; the interpreter's own end would wait for nothing good.
    os._exit(code)
