"""The thresholds of ``limits.toml``: their form, and that those that the checks ask for are there."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from provision import catalogue
from provision.catalogue.limits import TrainingLimits
from provision.catalogue.rows import read_bytes

TEXT = read_bytes("limits.toml").decode()
KNOWN = catalogue.criteria().limits
CHECKS = Path(__file__).parents[2] / "checks" / "training"


def test_each_limit_has_one_bound() -> None:
    for row in KNOWN.limit:
        assert (row.most is None) != (row.least is None), row
        assert KNOWN.bound(row.id) == row.bound > 0
    assert len({row.id for row in KNOWN.limit}) == len(KNOWN.limit)
    with pytest.raises(KeyError):
        KNOWN.bound("nonsense")


def test_the_checks_ask_for_each_of_them_and_for_no_other() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in CHECKS.glob("*.py"))
    asked = set(re.findall(r'bound\("(\w+)"\)', source))
    assert asked == {row.id for row in KNOWN.limit}


def test_an_unknown_key_and_a_missing_source_are_refused() -> None:
    for wrong in (TEXT.replace("most =", "mots =", 1), re.sub(r"\nsource = .*", "", TEXT, count=1)):
        with pytest.raises(msgspec.ValidationError):
            msgspec.toml.decode(wrong, type=TrainingLimits)
