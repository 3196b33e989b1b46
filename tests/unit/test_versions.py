"""Versions and specifiers as people write them."""

from __future__ import annotations

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from provision.errors import UsageError
from provision.versions import allows, at_least, specifier, version, wished


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ("580.178.04", "580.95.05"),
        ("580", "575.64.05"),
        ("3.10", "3.9"),
        ("13.0", "12.9"),
        ("9.11", "9.10.2.21"),
        ("6.16", "6.8"),
    ],
)
def test_versions_are_compared_by_number_and_not_by_letter(newer: str, older: str) -> None:
    assert at_least(newer, older)
    assert not at_least(older, newer)
    assert version(newer) == Version(newer)


def test_a_branch_is_as_old_as_its_oldest_release() -> None:
    assert at_least("580", "580")
    assert not at_least("580", "580.65.06")


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("580", ["580", "580.95.05"], ["58", "5800", "581", "579.99"]),
        ("12", ["12.0", "12.9"], ["1.2", "13.0", "120.0"]),
        ("2.20", ["2.20.0", "2.20.9"], ["2.2.0", "2.200.0", "2.21.0"]),
        ("3.1", ["3.1"], ["3.10", "3.12"]),
        ("2.20.0", ["2.20.0"], ["2.20.1"]),
        ("580.95.05", ["580.95.05"], ["580.95.06", "580.178.04"]),
        (">=2.18,<2.20", ["2.18.1", "2.19.1"], ["2.17.1", "2.20.0"]),
        ("!=580", ["595"], ["580"]),
        (" 580 ", ["580.95.05"], ["595"]),
        ("~=580.95", ["580.95.05", "580.178.04"], ["595.71.05", "580.82"]),
    ],
)
def test_what_a_wish_means(text: str, yes: list[str], no: list[str]) -> None:
    spec = wished(text, "--driver", "580")
    SpecifierSet(spec)
    assert [allows(spec, one) for one in yes] == [True] * len(yes)
    assert [allows(spec, one) for one in no] == [False] * len(no)


@pytest.mark.parametrize(
    "text",
    [
        *("latest", "v580", "580-open", "2.20.0rc1", "=580", ">>580", "580 595", "580.*", "1!2"),
        # Digits of other scripts, and more than Python reads.
        *("\u0665\u0668\u0660", "9" * 10, "9" * 5000, ">=" + "9" * 5000),
    ],
)
def test_what_is_no_version_is_a_slip_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        wished(text, "--driver", "580")
    assert caught.value.reference == "bad-version"
    assert caught.value.where == "--driver"
    assert caught.value.hint == "For example: --driver 580"
    assert text in caught.value.what


def test_the_catalogues_specifiers() -> None:
    assert allows("", "1.0")
    assert allows(">=2.0,<3", "2.5rc1")
    assert specifier(">=1") is specifier(">=1")
