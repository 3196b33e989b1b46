"""The CIFAR-10 workload's lines, figures and schedule."""

from __future__ import annotations

import datetime as dt
import importlib.util
import itertools
import re
import sys
from pathlib import Path

import numpy as np
import pytest

# By path, as it is no part of a package: it is sent to rigs on standard input.
SOURCE = Path(__file__).parents[2] / "checks" / "workloads" / "cifar10_tensorflow.py"
_spec = importlib.util.spec_from_file_location("cifar10_tensorflow", SOURCE)
assert _spec is not None
assert _spec.loader is not None
workload = sys.modules.setdefault("cifar10_tensorflow", importlib.util.module_from_spec(_spec))
if not hasattr(workload, "main"):
    _spec.loader.exec_module(workload)

NOW = dt.datetime(2017, 4, 2, 17, 41, 33, 123456, tzinfo=dt.UTC)


def window(step: int, steps: int = 10, seconds: float = 4.66, loss: float = 4.68) -> object:
    return workload.Window(step=step, loss=loss, steps=steps, seconds=seconds)


def test_a_line_has_the_form_published_in_2017() -> None:
    first = window(0, steps=1, seconds=0.466)

    assert workload.log_line(first, 128, 1, "", NOW) == (
        "2017-04-02 17:41:33.123456: step 0, loss = 4.68 (274.7 examples/sec; 0.466 sec/batch)"
    )


@pytest.mark.parametrize("tag", ["[synthetic]", "[subset]"])
def test_a_line_says_when_the_images_are_not_all_of_cifar10(tag: str) -> None:
    assert workload.log_line(window(10), 128, 1, tag).endswith(f"sec/batch) {tag}")


def test_two_devices_halve_the_seconds_per_batch_as_the_tutorial_counts_them() -> None:
    line = workload.log_line(window(10, seconds=1.0), 128, 2, "", NOW)

    assert "(2560.0 examples/sec; 0.050 sec/batch)" in line


def test_a_line_without_a_given_time_is_stamped_now() -> None:
    line = workload.log_line(window(10), 128, 1, "")

    stamp = re.match(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}): step 10, ", line)
    assert stamp is not None
    then = dt.datetime.fromisoformat(stamp[1]).astimezone()
    assert abs((dt.datetime.now().astimezone() - then).total_seconds()) < 60


def test_step_0_is_no_window_and_the_first_window_does_not_count() -> None:
    windows = [window(0, 1, 50.0), window(10, 10, 8.0), window(20, 10, 1.0), window(30, 10, 2.0)]

    rated = workload.rates(windows, 128)

    assert rated == [160.0, 1280.0, 640.0]
    assert workload.throughput(rated) == 960.0


@pytest.mark.parametrize("rated", [[], [1280.0]])
def test_no_window_that_counts_is_could_not_measure(rated: list[float]) -> None:
    with pytest.raises(workload.WorkloadError, match="time limit left") as caught:
        workload.throughput(rated)

    assert caught.value.code == 3


def test_arithmetic_per_example_is_that_of_the_layers() -> None:
    assert pytest.approx(105.3e6, rel=1e-3) == workload.FLOP_PER_EXAMPLE


def test_learning_rate_falls_every_350_epochs_and_the_average_starts_short() -> None:
    def at(step: int) -> tuple[float, float]:
        rate, decay = workload.schedule(step)
        return float(rate), float(decay)

    assert at(0) == pytest.approx((0.1, 0.1))
    assert at(90) == pytest.approx((0.1, 0.91))
    assert at(136_717) == pytest.approx((0.1, 0.9999))
    assert at(136_718) == pytest.approx((0.01, 0.9999))


def test_an_epoch_visits_each_image_once_in_an_order_of_its_own() -> None:
    batches = list(itertools.islice(workload.index_batches(12, 4, seed=3), 6))
    indices = [batch for batch, _ in batches]

    assert sorted(np.concatenate(indices[:3])) == list(range(12))
    assert sorted(np.concatenate(indices[3:])) == list(range(12))
    assert list(np.concatenate(indices[:3])) != list(np.concatenate(indices[3:]))
    assert len({tuple(key) for _, key in batches}) == 6


class FakeTrainer:
    """Trains nothing: gives the losses it was told, each run taking no time."""

    batch, towers = 128, (None,)

    def __init__(self, losses: list[float]) -> None:
        self.losses = iter(losses)
        self.runs: list[tuple[int, int]] = []

    def run(self, first: int, count: int) -> float:
        self.runs.append((first, count))
        return next(self.losses)


def test_a_run_prints_step_0_and_whole_windows_only(capsys: pytest.CaptureFixture[str]) -> None:
    trainer = FakeTrainer([4.68, 4.62, 4.5, 4.4])

    windows = list(workload.train(trainer, workload.Options(steps=25), "[synthetic]"))

    assert trainer.runs == [(0, 1), (1, 10), (11, 10), (21, 5)]
    assert [w.step for w in windows] == [0, 10, 20]
    assert re.findall(r"step (\d+),.*\[synthetic\]", capsys.readouterr().out) == ["0", "10", "20"]


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_run(loss: float) -> None:
    with pytest.raises(workload.WorkloadError, match=f"loss is {loss} at step 10") as caught:
        list(workload.train(FakeTrainer([4.68, loss]), workload.Options(steps=50), ""))

    assert caught.value.code == 3


def test_a_run_stops_at_a_window_end_before_its_limit() -> None:
    used_up = workload.Options(steps=50, time_limit=0.001)

    windows = list(workload.train(FakeTrainer([4.68] * 9), used_up, ""))

    assert [w.step for w in windows] == [0]
