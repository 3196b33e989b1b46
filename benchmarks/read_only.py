"""The read-only acceptance suite, against the same questions through pytest-testinfra, on links of three lengths.

    sudo .venv/bin/python benchmarks/read_only.py [PAIRS]

Both sides ask one box (``gpu_box.py``) through one relay (``relay.py``), each in a new process that opens its own
connection; nothing is kept open between runs. The questions of the other side are in ``testinfra_questions/``,
under the names of the checks. The ways in which testinfra can ask are first tried once each; measured are then the
fastest with one process, and the fastest of all, which may split the questions among processes (pytest-xdist).
testinfra is installed into a virtual environment for this alone.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import venv
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gpu_box import ROOT, USER, gpu_box
from pairs import report, timed
from relay import measured, relayed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.box import Box

TESTINFRA = ("pytest-testinfra==10.2.2", "paramiko", "pytest-xdist")
QUESTIONS = Path(__file__).with_name("testinfra_questions")
# What is only read: all of two chapters, and of a third what the facts answer.
CHECKS = ("checks/hardware", "checks/driver", "checks/runtime/test_environments.py")
ACTIVE = "environment_consistent"
OUR_OWN = {"readings_answered", "plan_possible", "gpu_identity"}
"""About the asking, the plan and the last acceptance: the other side has none of these."""
TRIPS = (0.0, 0.020, 0.100)
"""Seconds."""
ENDINGS = {
    "pass": "passed",
    "warn": "failed",
    "fail": "failed",
    "skip": "skipped",
    "error": "failed",
}
LIMIT = 600
_PLAIN = ("-q", "-p", "no:cacheprovider", "--tb=line")


class Way(NamedTuple):
    """How testinfra asks: ``shared``, commands of ssh share a connection; ``split``, processes of pytest-xdist."""

    backend: str
    shared: bool = False
    split: int = 0

    def __str__(self) -> str:
        """For people."""
        plain = "ssh as it comes" if self.backend == "ssh" else self.backend
        kind = "ssh with ControlPersist" if self.shared else plain
        return kind + (f", {self.split} processes" if self.split else "")


SPLITS = (2, 4, 8)
_PLAINLY = (Way("paramiko"), Way("ssh", shared=True))
WAYS = (
    *(way._replace(split=split) for way in _PLAINLY for split in (0, *SPLITS)),
    Way("ssh"),
)


class Link:
    """The box, seen through a relay.

    Attributes:
        checks: how each of ours ended, the last time; by name.
        questions: the same of theirs.
        commands: how many they took; 0 where several processes asked.
    """

    def __init__(self, box: Box, port: int, folder: Path, testinfra: Path) -> None:
        self._folder = folder
        self._name = box.name
        self._testinfra = testinfra
        self.checks: dict[str, str] = {}
        self.questions: dict[str, str] = {}
        self.commands = 0
        known = (box.ssh_config.parent / "known_hosts").read_text().split(maxsplit=1)[1]
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {known}")
        lines = box.ssh_config.read_text().splitlines()
        text = "\n".join(line for line in lines if "UserKnownHostsFile" not in line)
        text = text.replace(box.address, "127.0.0.1").replace("Port 22", f"Port {port}")
        self._config = folder / "config"
        self._config.write_text(f"{text}\n    UserKnownHostsFile {folder}/known_hosts\n")
        # testinfra has ssh keep its connection, and leaves it to the configuration where its socket lies: without
        # that, each command opens a connection of its own.
        self._socket = folder / "cp"
        self._shared = folder / "shared"
        self._shared.write_text(f"{self._config.read_text()}    ControlPath {self._socket}\n")

    def ours(self) -> None:
        """Ask by the suite."""
        results = self._folder / "results.json"
        rig = ["--rig", f"{USER}@{self._name}", "--ssh-config", str(self._config)]
        chosen = [*CHECKS, "-k", f"not {ACTIVE}", "--results", str(results)]
        _pytest([sys.executable, "-m", "pytest", *_PLAIN, *chosen, *rig], ROOT)
        ((_, found),) = json.loads(results.read_text()).items()
        self.checks = {one["check"].partition("/")[2]: one["status"] for one in found["results"]}

    def theirs(self, way: Way) -> None:
        """Ask by testinfra."""
        account = self._folder / "account.json"
        config = self._shared if way.shared else self._config
        host = ["--hosts", f"{way.backend}://{USER}@{self._name}", "--ssh-config", str(config)]
        host += ["--account", str(account), *(["-n", str(way.split)] if way.split else [])]
        _pytest([str(self._testinfra), "-m", "pytest", *_PLAIN, str(QUESTIONS), *host], QUESTIONS)
        if self._socket.exists():
            # Else the next run would find the connection open.
            end = ["ssh", "-F", str(self._shared), "-O", "exit", self._name]
            subprocess.run(end, check=True, capture_output=True, timeout=LIMIT)
        found: dict[str, Any] = json.loads(account.read_text())
        self.questions, self.commands = found["questions"], found["commands"]


def _pytest(command: list[str], place: Path) -> None:
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    # Compiled modules are kept, as they are anywhere else.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        command,
        cwd=place,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    # 1: some question has an answer that is not as wished.
    if done.returncode not in {0, 1}:
        raise SystemExit(f"{command}: {done.returncode}\n{(done.stdout + done.stderr)[-4000:]}")


@contextmanager
def linked(box: Box, rtt: float, testinfra: Path) -> Iterator[Link]:
    """A link of that round-trip time."""
    with (
        tempfile.TemporaryDirectory() as folder,
        relayed(box.address, box.port, rtt) as port,
    ):
        yield Link(box, port, Path(folder), testinfra)


def install(folder: Path) -> Path:
    """The Python of a new virtual environment with testinfra."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", *TESTINFRA]
    subprocess.run(command, check=True, capture_output=True)
    return python


def compare(link: Link) -> None:
    """Show what both sides ask, and where they differ in how it ended."""
    link.ours()
    link.theirs(WAYS[0])
    ours, theirs = link.checks, link.questions
    print(f"{len(ours)} checks; {len(theirs)} questions of testinfra, in {link.commands} commands.")
    print(f"Only ours: {', '.join(sorted(ours.keys() - theirs.keys())) or 'none'}.")
    print(f"Only theirs: {', '.join(sorted(theirs.keys() - ours.keys())) or 'none'}.")
    missing = ours.keys() - theirs.keys() - OUR_OWN
    if missing:
        raise SystemExit(f"testinfra_questions has none for: {', '.join(sorted(missing))}")
    for name in sorted(ours.keys() & theirs.keys()):
        if ENDINGS[ours[name]] != theirs[name]:
            print(f"    {name}: {ours[name]} of ours, {theirs[name]} of theirs")


def choose(link: Link, rtt: float) -> list[Way]:
    """The fastest way with one process, and the fastest of all; each is tried once."""
    found = {way: timed(lambda: link.theirs(way)) for way in WAYS}  # noqa: B023 - runs at once
    print(f"Ways of testinfra at {rtt * 1000:g} ms, once each, s: ", end="")
    print("; ".join(f"{way}: {seconds:.1f}" for way, seconds in found.items()), flush=True)
    single = min((way for way in WAYS if not way.split), key=lambda way: found[way])
    best = min(found, key=lambda way: found[way])
    return list(dict.fromkeys((single, best)))


def measure(link: Link, rtt: float, ways: list[Way], rounds: int) -> None:
    """Interleaved rounds on one link."""
    ours: list[float] = []
    theirs: dict[Way, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        ours.append(timed(link.ours))
        for way, samples in theirs.items():
            samples.append(timed(lambda: link.theirs(way)))  # noqa: B023 - runs at once
        others = ", ".join(f"{samples[-1]:.2f}" for samples in theirs.values())
        load = os.getloadavg()[0]
        print(f"{rtt * 1000:g} ms: {ours[-1]:.2f}; {others}; load {load:.1f}", file=sys.stderr)
    for way, samples in theirs.items():
        pairs = list(zip(ours, samples, strict=True))
        print(report(f"{rtt * 1000:g} ms; {way}", "pytest checks/", "testinfra", pairs), flush=True)


def main(rounds: int) -> None:
    """Measure, and print tables."""
    with tempfile.TemporaryDirectory() as folder, gpu_box() as box:
        testinfra = install(Path(folder))
        for rtt in TRIPS:
            trip = statistics.median(measured(rtt) for _ in range(3)) * 1000
            print(f"\nA byte's round trip through the relay of {rtt * 1000:g} ms: {trip:.2f} ms")
            with linked(box, rtt, testinfra) as link:
                # Also warms both sides up.
                compare(link)
                measure(link, rtt, choose(link, rtt), rounds)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
