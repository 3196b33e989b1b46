from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pytest

from provision.report import plots
from provision.results import Figure


def _figure(name: str, *samples: float, at: tuple[float, ...] = (), at_unit: str = "") -> Figure:
    return Figure(name=name, unit="examples/s", samples=samples, at=at, at_unit=at_unit)


def test_the_reference_is_the_published_one() -> None:
    found = plots.reference()
    assert {(p.run, p.step): p.value for p in found.points} == {
        ("CPU", 0): 4.68,
        ("CPU", 10): 4.60,
        ("one GPU", 0): 4.67,
        ("one GPU", 10): 4.62,
        ("one GPU", 20): 4.54,
        ("two GPUs", 0): 4.68,
        ("two GPUs", 10): 4.61,
    }
    assert found.source
    assert found.date.year == 2017
    assert found.confidence


@pytest.mark.parametrize(
    ("check", "figure", "count"),
    [
        ("training/cifar10_smoke[tensorflow]", _figure("loss", 4.7, 4.6, at=(0, 100)), 7),
        ("training/cifar10_smoke[tensorflow]", _figure("loss", 4.7, 4.6, at=(0, 10)), 6),
        ("training/another", _figure("loss", 4.7, 4.6, at=(0, 10)), 0),
        ("training/cifar10_smoke[tensorflow]", _figure("accuracy", 0.1, at=(10,)), 0),
        ("training/cifar10_smoke[tensorflow]", _figure("loss"), 3),
    ],
)
def test_the_reference_stands_beside_its_own_figure(check: str, figure: Figure, count: int) -> None:
    # Without samples the steps end at 0.
    assert len(plots.reference().beside(check, figure)) == count


def test_a_drawing_takes_the_pages_colours_and_is_well_formed() -> None:
    figure = _figure("throughput", 300, 320, 330, at=(10, 20, 30), at_unit="step")
    points = (plots.Point("CPU", 10, 310.0),)
    for drawing in (plots.throughput(figure, "a"), plots.loss(figure, points, "b")):
        root = ET.fromstring(drawing)
        assert root.get("viewBox")
        assert root.get("width") is None
        assert not re.search(r"#[0-9a-fA-F]{6}\b", drawing)
        assert "var(--series)" in drawing
        assert {node.text for node in root.iter("{http://www.w3.org/2000/svg}text")} >= {"step"}


def _heights(drawing: str, colour: str) -> list[float]:
    """Heights in the drawing, from its bottom, of the first path in that colour."""
    root = ET.fromstring(drawing)
    paths = root.iter("{http://www.w3.org/2000/svg}path")
    path = next(p for p in paths if colour in p.get("style", ""))
    bottom = float((root.get("viewBox") or "").split()[3])
    points = re.findall(r"[ML] [-0-9.]+ ([-0-9.]+)", path.get("d", ""))
    return [bottom - float(height) for height in points]


def test_the_band_holds_the_middle_and_the_line_the_median() -> None:
    drawing = plots.throughput(_figure("throughput", 50, 90, 100, 110, 200), "a")
    band, median = _heights(drawing, "var(--band)"), _heights(drawing, "var(--series)")
    # From zero to 15 % above the highest, so the axis's bottom and scale follow from the two percentiles.
    low, high = min(band), max(band)  # the 10th percentile is 66, the 90th 164
    scale = (high - low) / (164 - 66)
    assert median[0] == pytest.approx(low + (100 - 66) * scale, abs=0.01)


def test_one_window_has_no_band() -> None:
    assert "var(--band)" not in plots.throughput(_figure("throughput", 100), "a")


def test_the_reference_is_marked_only_where_it_is_given() -> None:
    marked = plots.loss(_figure("loss", 4.7, 4.6), (plots.Point("CPU", 1, 4.68),), "a")
    assert "2017, CPU" in marked
    assert "2017" not in plots.loss(_figure("loss", 4.7, 4.6), (), "a")


def test_two_drawings_share_no_ids() -> None:
    figure = _figure("throughput", 1, 2, 3)
    first, second = (
        set(re.findall(r'id="([^"]*)"', plots.throughput(figure, salt))) for salt in ("a", "b")
    )
    assert first
    assert not first & second
    assert plots.throughput(figure, "a") == plots.throughput(figure, "a")


def test_matplotlibs_settings_are_left_as_they_were() -> None:
    before = dict(mpl.rcParams)
    plots.throughput(_figure("throughput", 1, 2), "a")
    assert dict(mpl.rcParams) == before
