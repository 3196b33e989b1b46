"""Published figures say where they come from, and stand beside the checks that they are of."""

from __future__ import annotations

import re

import msgspec
import pytest

from provision.catalogue.published import Published, read_published
from provision.catalogue.rows import read_bytes


def test_the_reference_rigs_log_is_as_published() -> None:
    log = {
        run.gpus: (run.rates, run.losses)
        for run in read_published().runs("training/cifar10_smoke[tensorflow]")
        if run.by == "reference rig"
    }
    assert log == {
        0: (
            ((0, 274.9), (10, 274.5), (9980, 283.0), (9990, 282.5)),
            ((0, 4.68), (10, 4.60), (9980, 0.80), (9990, 1.03)),
        ),
        1: (
            ((0, 2.3), (10, 6139.0), (20, 6197.2), (10000, 5823.0)),
            ((0, 4.67), (10, 4.62), (20, 4.54), (10000, 0.96)),
        ),
        2: (
            ((0, 4.7), (10, 10065.4), (6000, 8172.5), (9990, 6167.8)),
            ((0, 4.68), (10, 4.61), (6000, 0.91), (9990, 0.90)),
        ),
    }


def test_step_0_is_no_throughput() -> None:
    spans = {
        run.gpus: run.span
        for run in read_published().run
        if run.by == "reference rig" and run.rates
    }
    assert spans == {0: (274.5, 283.0), 1: (5823.0, 6197.2), 2: (6167.8, 10065.4)}


def test_seconds_per_batch_are_examples_per_second_of_batches_of_128() -> None:
    tutorial = [run for run in read_published().run if "s per batch" in run.source]
    assert len(tutorial) == 5
    for run in tutorial:
        seconds = [float(said) for said in re.findall(r"0\.\d\d", run.source)]
        assert run.between == (round(128 / max(seconds)), round(128 / min(seconds)))


@pytest.mark.parametrize(
    ("check", "unit", "found"),
    [
        ("training/cifar10_smoke[torch]", "examples/s", {0, 1, 2, 3, 4}),
        ("training/cifar10", "steps/s", set()),
        ("training/phase_smoke[tensorflow]", "steps/s", {0, 2}),
        ("training/residual_smoke[torch_gpu]", "examples/s", set()),
        ("hardware/disk_space", "examples/s", set()),
    ],
)
def test_a_run_stands_beside_its_own_check(check: str, unit: str, found: set[int]) -> None:
    assert {run.gpus for run in read_published().runs(check, unit)} == found


def test_records_stand_beside_the_network_of_their_kind() -> None:
    records = read_published().records("training/residual_smoke[torch_gpu]")
    assert {(one.accuracy, one.seconds) for one in records} == {(0.9401, 2.59), (0.96, 27.3)}
    assert read_published().records("training/cifar10_smoke[tensorflow]") == ()


def test_every_row_says_where_it_comes_from() -> None:
    file = read_published()
    for row in (*file.run, *file.record):
        assert row.source
        assert row.confidence in {"high", "medium", "low"}
        assert row.date.year >= 2026
    for run in file.run:
        assert bool(run.rates) != bool(run.between)
        low, high = run.span or (0, 0)
        assert 0 < low <= high


@pytest.mark.parametrize("wrong", ['colour = "red"\nsource =', "source = 1\nsource ="])
def test_an_unknown_key_is_refused(wrong: str) -> None:
    text = read_bytes("published.toml").decode().replace("source =", wrong, 1)
    with pytest.raises((msgspec.ValidationError, msgspec.DecodeError)):
        msgspec.toml.decode(text, type=Published)
