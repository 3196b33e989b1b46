from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pytest
from training_acceptances import note, run

from provision.report import plots
from provision.report.drawn import VALUES, Plot, drawn
from provision.results import Figure, Result

_SVG = "{http://www.w3.org/2000/svg}"


def _figure(name: str, *samples: float, at: tuple[float, ...] = (), at_unit: str = "") -> Figure:
    return Figure(name=name, unit="examples/s", samples=samples, at=at, at_unit=at_unit)


def _plots(*results: Result) -> dict[str, Plot]:
    return {plot.title: plot for each in drawn(results) for plot in each.plots}


def words(drawing: str) -> set[str]:
    return {node.text or "" for node in ET.fromstring(drawing).iter(f"{_SVG}text")}


def test_a_drawing_takes_the_pages_colours_and_is_well_formed() -> None:
    figure = _figure("throughput", 300, 320, 330, at=(10, 20, 30), at_unit="step")
    marks = {"2017, CPU": ((10.0, 310.0),)}
    for drawing in (plots.throughput(figure, "a", marks), plots.loss(figure, "b", marks)):
        root = ET.fromstring(drawing)
        assert root.get("viewBox")
        assert root.get("width") is None
        assert not re.search(r"#[0-9a-fA-F]{6}\b", drawing)
        assert "var(--series)" in drawing
        assert "var(--mark)" in drawing
        assert words(drawing) >= {"step", "2017, CPU"}


def _heights(drawing: str, colour: str) -> list[float]:
    """Heights in the drawing, from its bottom, of the first path in that colour."""
    root = ET.fromstring(drawing)
    path = next(p for p in root.iter(f"{_SVG}path") if colour in p.get("style", ""))
    bottom = float((root.get("viewBox") or "").split()[3])
    points = re.findall(r"[ML] [-0-9.]+ ([-0-9.]+)", path.get("d", ""))
    return [bottom - float(height) for height in points]


def test_the_band_holds_the_middle_and_the_line_the_median() -> None:
    drawing = plots.throughput(_figure("throughput", 50, 90, 100, 110, 200), "a")
    band, median = _heights(drawing, "var(--band)"), _heights(drawing, "var(--series)")
    # From zero to 15 % above the highest, so the axis's bottom and scale follow from the two percentiles.
    low, high = min(band), max(band)  # the 10th percentile is 66, the 90th 164
    scale = (high - low) / (164 - 66)
    assert median[0] == pytest.approx(low + (100 - 66) * scale, abs=0.05)


def test_one_window_has_no_band() -> None:
    assert "var(--band)" not in plots.throughput(_figure("throughput", 100), "a")


def test_a_drawing_without_marks_has_none() -> None:
    for draw in (plots.throughput, plots.loss):
        assert "var(--mark)" not in draw(_figure("loss", 4.7, 4.6), "a", {"2017, CPU": ()})


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


@pytest.mark.parametrize(
    ("mark", "fits"),
    [
        ((100.0, 300.0), True),
        ((200.0, 600.0), True),
        ((201.0, 300.0), False),
        ((100.0, 601.0), False),
        ((100.0, 15.0), True),
        ((100.0, 14.9), False),
    ],
)
def test_a_mark_is_drawn_where_it_does_not_squeeze_the_run(
    mark: tuple[float, float], *, fits: bool
) -> None:
    figure = _figure("throughput", 290, 300, at=(50, 100), at_unit="step")
    assert plots.within(figure, (mark,)) == (((mark,), ()) if fits else ((), (mark,)))


def test_marks_need_steps() -> None:
    assert plots.within(_figure("throughput", 300, 300), ((1.0, 300.0),))[0] == ()


def test_throughput_has_the_reference_rigs_marks_of_the_same_kind_of_run() -> None:
    plot = _plots(run(6000, note(1, "gpu"), steps=600))["Throughput, window by window"]
    assert "2017 reference rig, GTX 1060 6GB" in words(plot.svg)
    assert plot.marks == (
        "Hollow marks: 2017 reference rig, GTX 1060 6GB.",
        "Not drawn, beyond this plot: 2017 reference rig, GTX 1060 6GB: 5823 at step 10,000.",
    )
    slow = _plots(run(100, note(1, "gpu"), steps=600))["Throughput, window by window"]
    assert "var(--mark)" not in slow.svg
    assert len(slow.marks) == 1
    assert "6139 at step 10" in slow.marks[0]


@pytest.mark.parametrize("said", [note(3, "gpu"), "on some machine", note(1, "gpu").upper()])
def test_another_kind_of_run_has_no_marks(said: str) -> None:
    assert _plots(run(6000, said))["Throughput, window by window"].marks == ()


def test_another_training_has_no_marks() -> None:
    found = _plots(run(6000, note(1, "gpu"), check="training/other_smoke[tensorflow_gpu]"))
    assert all("var(--mark)" not in plot.svg and not plot.marks for plot in found.values())


def test_the_loss_has_the_published_losses_as_far_as_it_reaches() -> None:
    plot = _plots(run(300, note(1, "cpu"), steps=30))["Loss by step"]
    assert words(plot.svg) >= {"2017, CPU", "2017, 1 GPU", "2017, 2 GPUs"}
    assert plot.marks == ("Hollow marks: 2017 reference rig (real images).",)
    # Three marks at step 0 and at step 10, one at step 20.
    assert _marks(plot.svg) == 7


def _marks(drawing: str) -> int:
    """Points in the marks' colour, without the legend's three."""
    uses = re.findall(r"<use [^>]*var\(--mark\)[^>]*>", drawing)
    return len(uses) - 3


def test_a_disturbed_run_is_dotted_and_told_so() -> None:
    quiet, busy = (
        _plots(run(300, note(1, "cpu", more=more)))["Throughput, window by window"]
        for more in ("", ", disturbed: other programs took 23 % of the processors")
    )
    assert (quiet.disturbed, busy.disturbed) == (False, True)
    dashes = [set(re.findall(r"stroke-dasharray: ([0-9., ]+)", plot.svg)) for plot in (quiet, busy)]
    assert len(dashes[1]) == len(dashes[0]) + 1


def test_a_long_series_is_a_short_table() -> None:
    figure = _figure("throughput", *map(float, range(10_000)))
    plot = _plots(_result(figure))["Throughput, window by window"]
    assert len(plot.values) == VALUES
    assert "one of 50" in plot.head[0]


def _result(figure: Figure) -> Result:
    return Result(
        check="training/cifar10_smoke[tensorflow]",
        rig="ada",
        status=run(1, "").status,
        question="",
        message="",
        figures=(figure,),
    )
