"""Values over time: spread, drift, alignment of windows with samples, thinning."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.training import series

FINITE = st.floats(-1e6, 1e6)


def test_spread_is_half_the_way_between_the_deciles() -> None:
    assert series.spread([90, 95, 100, 105, 110]) == pytest.approx(0.08)
    assert series.spread([5]) == series.spread([]) == series.spread([0, 0]) == 0


def test_the_reference_rigs_fall_is_seen() -> None:
    """Two GPUs, 2017: 10,065 examples/s at step 10, 8,172 at 6000, 6,168 at 9990; between them evenly."""
    windows = [10_065.4 + (8172.5 - 10_065.4) * n / 60 for n in range(60)]
    windows += [8172.5 + (6167.8 - 8172.5) * n / 40 for n in range(41)]
    assert series.drift(windows) == pytest.approx(-0.29, abs=0.02)
    first, last = series.quarters(windows)
    assert max(last) < min(first)


@pytest.mark.parametrize(("count", "told"), [(0, False), (7, False), (8, True), (9, True)])
def test_a_fall_needs_eight_windows(count: int, told: bool) -> None:  # noqa: FBT001 - a column
    assert (series.drift([100.0] * count) is not None) is told


def test_windows_are_placed_in_the_monitors_time() -> None:
    spans = series.spans(105.0, [106.0, 108.0, 109.5], began=100.0)
    assert spans == [(5.0, 6.0), (6.0, 8.0), (8.0, 9.5)]


def test_samples_belong_to_the_window_in_which_they_were_taken() -> None:
    times, values = [5.0, 5.5, 6.0, 6.5, 7.5, 9.0], [1.0, 2.0, 4.0, None, 10.0, 20.0]
    spans = [(5.0, 6.0), (6.0, 8.0), (8.0, 8.5)]
    assert series.by_window(times, values, spans) == [3.0, 10.0, None]
    assert series.within(times, values, (5.0, 6.0)) == [2.0, 4.0]


@given(st.lists(st.one_of(st.none(), FINITE), max_size=900), st.integers(1, 200))
def test_thinned_series_are_short_and_stay_within_what_was_said(
    values: list[float | None], most: int
) -> None:
    times = [0.1 * n for n in range(len(values))]
    at, kept = series.thinned(times, values, most)
    said = [value for value in values if value is not None]
    assert len(at) == len(kept) <= most
    assert at == sorted(at)
    assert bool(kept) == bool(said)
    if said:
        slack = 1e-5 * max(1.0, *map(abs, said))
        assert min(said) - slack <= min(kept) <= max(kept) <= max(said) + slack


def test_a_short_series_is_kept_as_it_is() -> None:
    assert series.thinned([0.1, 0.2, 0.3], [1.0, None, 3.0]) == ([0.1, 0.3], [1.0, 3.0])


def test_an_hour_of_samples_keeps_its_shape() -> None:
    times = [0.1 * n for n in range(36_000)]
    at, kept = series.thinned(times, [60 + 20 * (1 - math.exp(-t / 300)) for t in times])
    assert len(kept) == 200
    assert at[0] == pytest.approx(8.95)
    assert kept == sorted(kept)
