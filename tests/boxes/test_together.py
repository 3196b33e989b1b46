"""Two rigs that train as one, over a real network, with the real frameworks on their processors."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from rigs import Ran, dlrig, kill, start

from provision.box import Box, Settings

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

PYTHON = "3.11"
"""Debian 12's."""
SMALL = ("--data", "synthetic", "--mode", "limit", "--batch", "16", "--steps", "20")
RUNNING = "pgrep --full --list-full /opt/dlrig/[e]nvs/"
PATIENCE = 120.0


class Pair(msgspec.Struct):
    """Two boxes, and how dlrig names and reaches both."""

    left: Box
    right: Box
    config: Path

    @property
    def reach(self) -> tuple[str, ...]:
        return ("rigger@left", "rigger@right", "--ssh-config", str(self.config))

    def running(self) -> str:
        """Processes of a training in either box."""
        return "".join(box.shell(RUNNING, check=False).stdout for box in (self.left, self.right))

    def left_over(self) -> str:
        """What must not be there after any run, however it ended."""
        files = "ls -d /tmp/dlrig-together-* 2>/dev/null"
        return self.running() + "".join(
            box.shell(files, check=False).stdout for box in (self.left, self.right)
        )


def site_packages(framework: str) -> Path:
    """Of the environment that the workloads' tests keep."""
    path = Path(__file__).parents[1] / "workloads" / "cpu_environments.py"
    spec = importlib.util.spec_from_file_location("cpu_environments_for_boxes", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = module.made(framework).parents[1] / "lib" / f"python{PYTHON}" / "site-packages"
    if not found.is_dir():
        pytest.skip(f"the tests' own Python is not {PYTHON}, which the box has")
    return Path(found)


@pytest.fixture(scope="module")
def pair(boxes_possible: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:  # noqa: ARG001 - only says whether
    """Two rigs with both frameworks, as read-only binds; what a virtual environment adds to them is small."""
    binds = {f"/srv/{name}": site_packages(name) for name in ("tensorflow", "torch")}
    with ExitStack() as stack:
        boxes = [
            stack.enter_context(Box.start(name, "debian-12", Settings(python=True, binds=binds)))
            for name in ("left", "right")
        ]
        for box in boxes:
            for name in ("tensorflow", "torch"):
                folder = f"/opt/dlrig/envs/{name}"
                box.shell(
                    f"mkdir -p {folder}/bin {folder}/lib/python{PYTHON}; "
                    f"ln -s /usr/bin/python3 {folder}/bin/python; "
                    f"printf 'home = /usr/bin\nversion = {PYTHON}\n' >{folder}/pyvenv.cfg; "
                    f"ln -s /srv/{name} {folder}/lib/python{PYTHON}/site-packages"
                )
        config = tmp_path_factory.mktemp("together") / "config"
        config.write_text("\n".join(box.ssh_config.read_text() for box in boxes))
        yield Pair(*boxes, config)


def together(pair: Pair, state: Path, *options: str) -> Ran:
    return dlrig(state, "bench", "--together", *pair.reach, *SMALL, *options, limit=500)


def wait_for(condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.3)


def read_until(run: subprocess.Popen[str], words: str) -> str:
    """What it printed up to a line with those words."""
    assert run.stdout
    seen = ""
    for line in run.stdout:
        seen += line
        if words in line:
            return seen
    raise AssertionError(f"it ended without {words!r}:\n{seen}")


def test_two_rigs_train_as_one(pair: Pair, tmp_path: Path) -> None:
    ran = together(pair, tmp_path, "--json", "--framework", "tensorflow")
    assert ran.code == 0, ran.text[-3000:]
    found = ran.document
    assert found["status"] in {"pass", "warn"}, found["message"]
    left, right = found["rigs"]
    for rig, box in ((left, pair.left), (right, pair.right)):
        assert rig["place"].startswith(f"{box.address}:"), "the address that the other reaches"
        assert len(rig["alone"]) == len(rig["together"]) == 1
        assert rig["alone"][0]["replicas"] == 1
        assert rig["together"][0]["processes"] == rig["together"][0]["replicas"] == 2
        assert rig["together"][0]["steps"] == 20
        assert rig["together"][0]["losses"]["0"] == pytest.approx(4.68, abs=0.1)
    assert left["together"][0]["weights"] == right["together"][0]["weights"]
    assert left["alone"][0]["weights"] != left["together"][0]["weights"]
    assert left["together"][0]["losses"] != right["together"][0]["losses"], (
        "each has its own images"
    )
    _require_consistent(
        found["scaling"], [rig["alone"][0]["examples_per_sec"] for rig in (left, right)]
    )
    page = (tmp_path / "runs" / found["id"] / "report.html").read_text()
    assert "training/cifar10_together" in page
    assert json.loads((tmp_path / "runs" / found["id"] / "together.json").read_text()) == found
    assert "step 20, loss = " in ran.err, "the first rig's lines"
    assert not pair.left_over()


def _require_consistent(scaling: dict[str, Any], alone: list[float]) -> None:
    assert [share["alone"] for share in scaling["shares"]] == alone
    assert scaling["efficiency"] == pytest.approx(scaling["together"] / sum(alone))
    assert scaling["speed_up"] == pytest.approx(2 * scaling["efficiency"])
    own = max(share["step"] for share in scaling["shares"])
    assert scaling["communication"] == pytest.approx(max(0.0, scaling["step"] - own))
    assert min(share["waits"] for share in scaling["shares"]) == 0, "the slowest waits for nobody"


def test_the_same_with_torch(pair: Pair, tmp_path: Path) -> None:
    ran = together(pair, tmp_path, "--json", "--framework", "torch")
    assert ran.code == 0, ran.text[-3000:]
    left, right = ran.document["rigs"]
    assert left["together"][0]["engine"] == "gloo"
    assert left["together"][0]["processes"] == 2
    assert left["together"][0]["weights"] == right["together"][0]["weights"]
    assert left["together"][0]["losses"]["0"] == pytest.approx(4.68, abs=0.1)
    assert not pair.left_over()


def test_a_worker_that_dies_is_named_and_ends_all(pair: Pair, tmp_path: Path) -> None:
    many = ("--framework", "tensorflow", "--steps", "400")
    run = start(tmp_path, "bench", "--together", *pair.reach, *SMALL, *many)
    try:
        seen = read_until(run, "step 0, loss = ")
        pair.right.shell("pkill --signal KILL --full [t]ogether_tensorflow.py")
        rest, _ = run.communicate(timeout=60)
    finally:
        if run.poll() is None:
            kill(run)
    assert run.returncode == 3, seen + rest
    assert "rigger@right: its process was killed by SIGKILL" in rest
    assert "together-killed" in rest
    assert not pair.left_over()


def test_a_rig_out_of_reach_is_told_before_anything_trains(pair: Pair, tmp_path: Path) -> None:
    # Both ways: what the left one sends does not come back either.
    pair.right.shell(f"ip route add unreachable {pair.left.address}")
    try:
        ran = together(pair, tmp_path)
    finally:
        pair.right.shell(f"ip route delete unreachable {pair.left.address}")
    assert ran.code == 3
    assert f"rigger@right cannot reach rigger@left at {pair.left.address} port " in ran.text
    assert "--address rigger@left=ADDRESS" in ran.text
    assert not pair.left_over()


def test_an_address_that_is_not_the_rigs_is_refused(pair: Pair, tmp_path: Path) -> None:
    ran = together(pair, tmp_path, "--address", "rigger@left=192.0.2.1")
    assert ran.code == 3
    assert "rigger@left: it cannot listen at 192.0.2.1" in ran.text
    assert not pair.left_over()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopping_it_leaves_no_process_on_any_rig(
    pair: Pair, tmp_path: Path, number: signal.Signals
) -> None:
    run = start(tmp_path, "bench", "--together", *pair.reach, *SMALL, "--framework", "tensorflow")
    try:
        read_until(run, "Each rig alone")
        wait_for(lambda: pair.running().count("together_tensorflow.py") == 2, "nothing was started")
        os.kill(run.pid, number)
        run.communicate(timeout=60)
    finally:
        if run.poll() is None:
            kill(run)
    assert run.returncode == {signal.SIGINT: 130, signal.SIGKILL: -9}[number]
    wait_for(lambda: not pair.left_over(), "something was left on the rigs")
