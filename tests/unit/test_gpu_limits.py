"""The limits and words of ``gpu_limits.toml``: their form, and that what the checks ask for is there."""

from __future__ import annotations

import re

import msgspec
import pytest

from provision import catalogue
from provision.catalogue.gpu_limits import GpuLimits, word_of
from provision.catalogue.rows import read_bytes

TEXT = read_bytes("gpu_limits.toml").decode()
KNOWN = catalogue.criteria().gpu_limits


def test_each_limit_has_one_bound() -> None:
    for row in KNOWN.limit:
        assert (row.most is None) != (row.least is None), row
        assert KNOWN.bound(row.id) == row.bound > 0
    assert len({row.id for row in KNOWN.limit}) == len(KNOWN.limit)
    with pytest.raises(KeyError):
        KNOWN.bound("nonsense")


def test_the_limits_that_the_checks_ask_for_are_those_of_their_sources() -> None:
    names = (
        "sram_uncorrected",
        "retired_pages",
        "retired_pages_soft",
        "pcie_replays",
        "pcie_correctable",
    )
    assert [KNOWN.bound(name) for name in names] == [4, 63, 15, 80, 32]
    assert KNOWN.bound("headroom_fail") < KNOWN.bound("headroom_warn")


@pytest.mark.parametrize(
    ("kind", "word", "verdict"),
    [
        ("reason", "hw_thermal_slowdown", "fail"),
        ("reason", "sw_thermal_slowdown", "warn"),
        ("reason", "gpu_idle", None),
        ("reason", "sw_power_cap", None),
        ("compute_mode", "EXCLUSIVE_PROCESS", "warn"),
        ("compute_mode", "Exclusive Process", "warn"),
        ("recovery", "Drain and Reset", "fail"),
        ("link_error", "CRC Errors", "fail"),
        ("link_error", "Symbol Errors", None),
    ],
)
def test_words_are_found_whatever_their_spelling(kind: str, word: str, verdict: str | None) -> None:
    row = word_of(getattr(KNOWN, kind), word)
    assert (row.verdict if row else None) == verdict


def test_an_unknown_key_and_a_missing_source_are_refused() -> None:
    for wrong in (
        TEXT.replace("most =", "mots =", 1),
        re.sub(r"^source = .*\n", "", TEXT, count=1, flags=re.MULTILINE),
        TEXT.replace('verdict = "warn"', 'verdict = "perhaps"', 1),
    ):
        with pytest.raises(msgspec.ValidationError):
            msgspec.toml.decode(wrong, type=GpuLimits)
