from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.report.text import clean, duration, line, moment, number, percent, signed, size


@given(st.text())
def test_cleaned_text_cannot_drive_anything(text: str) -> None:
    found = clean(text)
    assert "\x1b" not in found
    assert not any(ord(c) < 32 and c not in "\n\t" for c in found)
    assert not any(0x7F <= ord(c) <= 0x9F for c in found)
    found.encode()
    assert "\n" not in line(text)


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"]), max_size=500))
def test_ordinary_text_stays(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;never ended\nnext line", "\nnext line"),
        ("\x1bcreset", "reset"),
        ("\x9b31mred", "31mred"),
        ("10%\r20%\r\ndone", "10%\n20%\ndone"),
        ("a\u202egnp.exe", "agnp.exe"),
        ("a\x00b\ud800c", "abc"),
        ("tab\tstays → é 漢", "tab\tstays → é 漢"),
    ],
)
def test_clean(raw: str, cleaned: str) -> None:
    assert clean(raw) == cleaned


def test_text_is_cut_with_a_mark() -> None:
    assert clean("x" * 10**7, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(329.4, "329.4"), (10065.4, "10,065"), (0.0214, "0.0214"), (4.6, "4.6"), (0, "0"), (-3, "-3")],
)
def test_number(value: float, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.018, "1.8 %"),
        (0.5, "50 %"),
        (0, "0 %"),
        (1.5, "150 %"),
        (0.994, "99 %"),
        (0.996, "100 %"),
        (-0.4, "-40 %"),
    ],
)
def test_percent(value: float, shown: str) -> None:
    assert percent(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(-0.317, "-31.7 %"), (0.001, "+0.1 %"), (-0.0004, "0 %"), (0, "0 %")]
)
def test_signed(value: float, shown: str) -> None:
    assert signed(value) == shown


def test_percent_with_more_digits() -> None:
    assert percent(0.9401, 4) == "94.01 %"
    assert percent(0.99999, 4) == "100 %"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "unknown"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1_090_921_692_160, "1016 GiB"),
        (25276514304, "23.5 GiB"),
        (10**15, "909 TiB"),
    ],
)
def test_size(value: int | None, shown: str) -> None:
    assert size(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.01, "< 0.1 s"),
        (0.4, "0.4 s"),
        (9.99, "10.0 s"),
        (59.6, "60 s"),
        (61.4, "1 min 01 s"),
        (3600, "1 h 00 min"),
        (273_600, "3 d 4 h"),
    ],
)
def test_duration(value: float, shown: str) -> None:
    assert duration(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("2026-05-04T09:12:40+00:00", "2026-05-04 09:12:40 UTC"),
        ("2026-05-04T09:12:40.123Z", "2026-05-04 09:12:40 UTC"),
        ("yesterday", "yesterday"),
        ("2026-05-04T09:12:40+02:00", "2026-05-04T09:12:40+02:00"),
    ],
)
def test_moment(value: str, shown: str) -> None:
    assert moment(value) == shown
