"""The drawing of the CPU against one GPU against all: what it holds, and on which axis."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from training_acceptances import note, of_two_cards, run, together, trained

from provision.catalogue.published import read_published
from provision.report import overview
from provision.report.speeds import trainings
from provision.report.training_view import views

if TYPE_CHECKING:
    from provision.results import Acceptance

_SVG = "{http://www.w3.org/2000/svg}"


def _rows(acceptance: Acceptance) -> tuple[overview.Row, ...]:
    (training,) = trainings(acceptance)
    return overview.rows(training, read_published().runs(training.workload, training.unit))


def _words(drawing: str) -> list[str]:
    return [node.text or "" for node in ET.fromstring(drawing).iter(f"{_SVG}text")]


def test_a_row_per_device_and_the_published_ones_as_far_as_the_rig_reaches() -> None:
    found = {row.label: [run.by for run in row.runs] for row in _rows(of_two_cards())}
    tutorial = "TensorFlow's tutorial"
    assert found == {
        "CPU": ["reference rig"],
        "1 GPU": ["reference rig", tutorial, tutorial],
        "2 GPUs": ["reference rig", tutorial],
    }
    eight = _rows(trained(run(100, note(1, "gpu")), run(700, note(8, "gpu"))))
    assert [(row.label, bool(row.speed)) for row in eight] == [
        ("CPU", False),
        ("1 GPU", True),
        ("2 GPUs", False),
        ("3 GPUs", False),
        ("4 GPUs", False),
        ("8 GPUs", True),
    ]


@pytest.mark.parametrize(("rate", "log"), [(100, False), (950, False), (1100, True)])
def test_the_axis_is_logarithmic_beyond_ten_to_one(rate: float, *, log: bool) -> None:
    check = "training/other_smoke[tensorflow]"
    rows = _rows(
        trained(run(100, note(1, "cpu"), check=check), run(rate, note(1, "gpu"), check=check))
    )
    assert overview.logarithmic(rows) is log
    # Only an axis from zero has a zero.
    assert ("0" in _words(overview.draw(rows, "a"))) is not log


def test_the_drawing_names_devices_publishers_and_medians() -> None:
    rows = _rows(of_two_cards())
    found = _words(overview.draw(rows, "a"))
    medians = {f"{row.speed.figure.median:.0f}" for row in rows if row.speed}
    assert {"CPU", "1 GPU", "2 GPUs", "this rig", "2017 reference rig"} <= set(found)
    assert medians <= set(found)
    assert "this rig, disturbed" not in found
    busy = _rows(of_two_cards(more=", disturbed: other programs took 23 % of the processors"))
    assert {"this rig", "this rig, disturbed"} <= set(_words(overview.draw(busy, "a")))


def test_it_takes_the_pages_colours_and_holds_none_of_a_rigs_words() -> None:
    drawing = overview.draw(_rows(of_two_cards()), "a")
    assert not re.search(r"#[0-9a-fA-F]{6}\b", drawing)
    assert "Made-up" not in drawing
    machines = overview.draw(_rows(together()), "a")
    assert "ada@" not in machines
    assert {"machine 1", "machine 2", "together"} <= set(_words(machines))


def test_one_device_needs_no_drawing() -> None:
    (view,) = views(trained(run(100, note(1, "cpu"))))
    assert view.svg == ""
    assert [row.rate for row in view.published] == ["274.5 to 283"]
    assert view.as_published
    (limit,) = views(trained(run(100, note(1, "cpu").replace("reference", "limit"))))
    assert not limit.as_published


def test_records_stand_beside_the_network_that_they_are_of() -> None:
    check = "training/residual_smoke[torch_gpu]"
    (view,) = views(trained(run(9000, note(1, "gpu", framework="torch"), check=check)))
    assert view.records[0] == "cifar10-airbench: 94.01 % in 2.59 s on one A100 of 400 W"
