"""What the monitor saw: which panels there are, and how cards are told apart."""

from __future__ import annotations

import re
import statistics
from xml.etree import ElementTree as ET

import msgspec
import pytest
from training_acceptances import monitored, note, run

from provision.report import panels
from provision.report.drawn import drawn
from provision.results import Figure

_SVG = "{http://www.w3.org/2000/svg}"


def _words(drawing: str) -> list[str]:
    return [node.text or "" for node in ET.fromstring(drawing).iter(f"{_SVG}text")]


def test_a_cpu_run_has_one_panel() -> None:
    (panel,) = panels.panels(monitored(0))
    assert (panel.name, panel.unit) == ("Utilisation", "%")
    (line,) = panel.lines
    assert line.label == "CPU"
    assert max(line.values) == pytest.approx(95, abs=3)  # a fraction becomes percent


def test_a_gpu_run_has_four() -> None:
    found = panels.panels(monitored(2))
    assert [(panel.name, [line.label for line in panel.lines]) for panel in found] == [
        ("Utilisation", ["CPU", "GPU 0", "GPU 1"]),
        ("Clock", ["GPU 0", "GPU 1"]),
        ("Temperature", ["GPU 0", "GPU 1"]),
        ("Power", ["GPU 0", "GPU 1"]),
    ]


def test_other_figures_are_no_panels() -> None:
    figures = [
        Figure(name="gpu0_power", unit="W", samples=(1.0, 2.0), at=(0.0, 1.0), at_unit="step"),
        Figure(name="gpu0_power", unit="W", samples=(1.0,), at=(0.0,), at_unit="s"),
        Figure(name="gpu0_fan", unit="%", samples=(1.0, 2.0), at=(0.0, 1.0), at_unit="s"),
        Figure(name="<gpu>0_power", unit="W", samples=(1.0, 2.0), at=(0.0, 1.0), at_unit="s"),
    ]
    assert panels.panels(figures) == ()


def test_eight_cards_differ_without_colours() -> None:
    drawing = panels.draw(panels.panels(monitored(8)), "a")
    assert {f"GPU {number}" for number in range(8)} | {"CPU"} <= set(_words(drawing))
    # The marks: each shape is defined once and used by its card's lines, in each of the four panels.
    shapes = set(re.findall(r'xlink:href="#(m[0-9a-f]+)"[^>]*style="fill: var\(--paper\)', drawing))
    forms = {
        " ".join(found.split())
        for shape in shapes
        for found in re.findall(rf'<path id="{shape}" d="([^"]*)"', drawing)
    }
    assert len(forms) == 8


def test_of_more_cards_the_middle_and_the_span_are_drawn() -> None:
    found = _words(panels.draw(panels.panels(monitored(9)), "a"))
    assert {"the middle one", "all 9 GPUs", "CPU"} <= set(found)
    assert "GPU 0" not in found
    (each,) = drawn((run(100, note(9, "gpu"), cards=9),))
    plot = next(plot for plot in each.plots if plot.title == "While it ran")
    assert "the middle of 9 GPUs, and their span" in plot.summary
    assert len(plot.values) == 1 + 4 * 9


def test_cards_that_start_later_or_end_sooner_do_not_stop_the_span() -> None:
    cut = [
        msgspec.structs.replace(figure, samples=figure.samples[5:40], at=figure.at[5:40])
        if figure.name.startswith("gpu3_")
        else figure
        for figure in monitored(9)
    ]
    assert "all 9 GPUs" in _words(panels.draw(panels.panels(cut), "a"))


def test_the_table_tells_what_the_drawing_shows() -> None:
    (each,) = drawn((run(100, note(1, "gpu"), cards=1),))
    plot = next(plot for plot in each.plots if plot.title == "While it ran")
    assert plot.head == ("Device", "Quantity", "Median", "Least", "Most")
    power = next(row for row in plot.values if row[1] == "Power, W")
    samples = next(figure.samples for figure in monitored(1) if figure.name == "gpu0_power")
    assert power == (
        "GPU 0",
        "Power, W",
        f"{statistics.median(samples):.0f}",
        f"{min(samples):.0f}",
        f"{max(samples):.0f}",
    )
    assert plot.summary == "utilisation, clock, temperature, power by time"


def test_a_tall_plot_stands_beside_the_two_others() -> None:
    for cards, titles in (
        (0, ["Throughput, window by window", "Loss by step", "While it ran"]),
        (1, ["Throughput, window by window", "While it ran", "Loss by step"]),
    ):
        (each,) = drawn((run(100, note(1, "cpu"), cards=cards),))
        assert [plot.title for plot in each.plots] == titles


def test_long_series_are_thinned() -> None:
    for panel in panels.panels(monitored(1, points=5000)):
        for line in panel.lines:
            assert len(line.values) == len(line.seconds) <= panels.POINTS
