"""Training seen by the real monitor on cards that a library made here answers for; the training itself is a stub.

The cards' answers are made from NVML's documentation: what is tested is that they reach the diagnosis, in its units.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import made_gpu_training as made
import pytest
from msgspec import convert

from checks.performance import loading
from checks.performance.loading import SHARED
from checks.performance.seen import Card, CardSeries, Program, Seen
from checks.question import CouldNotMeasure, Measure
from checks.training import evidence, figures, limit, running
from checks.training.outcome import Outcome
from provision.connection.local import LocalConnection

if TYPE_CHECKING:
    from pathlib import Path

    from checks.training.running import Run

pytestmark = pytest.mark.box


@pytest.fixture
def train(tmp_path: Path, nvidia_libraries: Path, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401 - a function
    """Runs the stub on every card; ``fake`` says what is wrong with them."""
    for name in SHARED:
        text = (loading._PROGRAMS / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(nvidia_libraries))

    def run(fake: str = "", text: str = made.STUB, device: str = "all", **result: object) -> Run:
        changed = {**made.RESULT, "devices": 2 if device == "all" else 1, **result}
        source = text.replace("RESULT", repr(json.dumps(changed)))
        (tmp_path / "cifar10_tensorflow.py").write_text(source, encoding="utf-8")
        monkeypatch.setattr(loading, "_PROGRAMS", tmp_path)
        monkeypatch.setenv("FAKE_NVML", fake)
        rig: Any = SimpleNamespace(run=LocalConnection().run)
        return running._run(rig, made.environment(), device, ["--device", device], Measure())

    return run


def test_what_the_cards_say_reaches_the_diagnosis(train: Any) -> None:  # noqa: ANN401 - as above
    run = train()
    assert isinstance(run.result, Outcome), run
    seen = evidence.gather(run)
    assert seen
    first, second = seen.cards
    assert (first.clock, second.clock, first.clock_max) == (1700, 1701, 1900)
    assert (first.temperature, first.slowdown) == (61, 99)
    assert (first.power, first.power_limit) == (101.5, 120.0)
    assert (first.hot, first.capped) == (0.0, 1.0)
    # kB/s over an eightfold link of the third generation.
    assert (first.traffic, first.link) == (0.002, 7.9)
    assert first.utilisation == 97
    best = limit.ranked(seen)[0]
    assert (best.name, best.holds) == ("power", True)
    assert best.evidence.endswith("1700 MHz of 1900, 102 of 120 W")


def test_one_gpu_of_two_is_one(train: Any) -> None:  # noqa: ANN401 - as above
    run = train(device="gpu")
    assert [card.index for card in run.cards] == [0]
    measure = Measure()
    assert isinstance(run.result, Outcome)
    figures.keep(run, run.result, measure)
    kept = {figure.name: figure for figure in measure.figures}
    assert kept["gpu0_clock"].median == 1700
    assert "gpu1_clock" not in kept


def test_the_cards_of_a_run_are_its_own() -> None:
    """Another program may work more, on another card; and a framework touches cards that it leaves idle."""
    mine, other = Program(pid=2, mine=True), Program(pid=3, name="train", seen=("before",))
    busy, idle = CardSeries(utilisation_gpu=[90.0]), CardSeries(utilisation_gpu=[1.0])
    cards = [
        Card(index=0, programs=[other], series=CardSeries(utilisation_gpu=[100.0])),
        Card(index=1, programs=[mine], series=idle),
        Card(index=2, programs=[mine], series=busy),
    ]
    result = convert({**made.RESULT, "devices": 1}, Outcome)
    run = running.Run(device="gpu", seen=Seen(gpus=cards), result=result)
    assert [card.index for card in run.cards] == [2]
    assert run.disturbed == ""


def test_another_program_on_the_card_is_told(train: Any) -> None:  # noqa: ANN401 - as above
    run = train("pid=1")
    assert "is in use by" in run.disturbed
    assert isinstance(run.result, Outcome)
    assert "disturbed: GPU 0 (" in figures.note(run, run.result)


def test_a_card_that_dies_in_the_middle_fails_the_run(train: Any) -> None:  # noqa: ANN401 - as above
    run = train("lost=0.8")
    assert run.outcome is None
    with pytest.raises(AssertionError, match="GPU is lost"):
        running.told(run)


def test_a_run_that_is_killed_says_so(train: Any) -> None:  # noqa: ANN401 - as above
    run = train(
        text="import os\nprint('half a line', end='', flush=True)\nos.kill(os.getpid(), 9)\n"
    )
    assert run.seen.exit_code == 137
    with pytest.raises(CouldNotMeasure, match="SIGKILL"):
        running.told(run)


def test_a_run_that_hangs_is_ended(train: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401 - as above
    monkeypatch.setattr(running, "LIMIT", 1)
    monkeypatch.setattr(running, "MARGIN", 1.0)
    monkeypatch.setattr(loading, "MARGIN", 3.0)
    run = train(text="import time\ntime.sleep(60)\n")
    assert run.seen.timed_out
    with pytest.raises(AssertionError, match="a GPU hangs"):
        running.told(run)
