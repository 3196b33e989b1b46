"""Published peaks: every row is complete and plausible, and cards are found by the names that drivers give them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from provision import catalogue
from provision.catalogue.rows import read_bytes

if TYPE_CHECKING:
    from provision.catalogue.peaks import Peak, Peaks

PEAKS: Peaks = catalogue.criteria().peaks
TENSOR_CORES = {"tf32", "bfloat16", "float16"}


@pytest.mark.parametrize(
    ("name", "float32", "memory"),
    [
        ("NVIDIA GeForce GTX 1060 6GB", 4.37, 192),
        ("NVIDIA GeForce RTX 3090", 35.6, 936),
        ("NVIDIA GeForce RTX 5090", 104.8, 1792),
        ("NVIDIA A100 80GB PCIe", 19.5, 1935),
        ("NVIDIA A100-SXM4-80GB", 19.5, 2039),
        ("NVIDIA H100 80GB HBM3", 66.9, 3350),
        ("NVIDIA H100 PCIe", 51.2, 2000),
        ("Tesla T4", 8.1, 300),
        ("Tesla V100-SXM2-32GB", 15.7, 900),
        ("NVIDIA RTX A6000", 38.7, 768),
        ("NVIDIA B200", 80, 8000),
    ],
)
def test_a_card_is_found_by_its_drivers_name(name: str, float32: float, memory: float) -> None:
    peak = PEAKS.find(name)
    assert peak
    assert (peak.tflops["float32"], peak.memory) == (float32, memory)


@pytest.mark.parametrize(
    "name", ["", "NVIDIA GeForce GTX 1060 3GB", "NVIDIA A100", "AMD Instinct MI300X"]
)
def test_a_card_that_is_not_known_has_no_peak(name: str) -> None:
    assert PEAKS.find(name) is None


@pytest.mark.parametrize("peak", PEAKS.cards, ids=lambda peak: peak.names[0])
def test_a_row_agrees_with_itself(peak: Peak) -> None:
    assert 1 < peak.tflops["float32"] < 200
    assert 100 < peak.memory < 20_000
    assert 3 <= peak.pcie <= 6
    for form in TENSOR_CORES & peak.tflops.keys():
        assert peak.tflops[form] >= peak.tflops["float32"]
    if "bfloat16" in peak.tflops:
        assert peak.tflops["bfloat16"] == peak.tflops["float16"]
        assert peak.tflops["tf32"] == pytest.approx(peak.tflops["float16"] / 2, rel=0.03)
    assert peak.source


def test_no_card_has_two_rows() -> None:
    names = [name for peak in PEAKS.cards for name in peak.names]
    assert len(names) == len(set(names))
    assert all(PEAKS.find(name) in PEAKS.cards for name in names)


@pytest.mark.parametrize(
    ("generation", "width", "rate"), [(1, 16, 4.0), (3, 8, 7.9), (4, 16, 31.5), (5, 16, 63.0)]
)
def test_the_rate_of_a_link(generation: int, width: int, rate: float) -> None:
    assert PEAKS.link(generation, width) == rate
    assert PEAKS.link(99, width) is None


def test_an_unknown_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = read_bytes("peaks.toml").replace(b"memory = 192", b"memory = 192\ncolour = 1", 1)
    monkeypatch.setattr("provision.catalogue.rows.read_bytes", lambda _name: changed)
    with pytest.raises(msgspec.ValidationError):
        catalogue.load.__wrapped__()
