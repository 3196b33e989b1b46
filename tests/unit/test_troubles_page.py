"""docs/troubles.md names tests, checks and errors: they are all there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "troubles.md").read_text("utf-8")
TESTS = re.findall(r"`(test_\w+\.py)::(test_\w+)`", PAGE)
CHECKS = re.findall(r"`((?:hardware|driver|runtime)/\w+)`", PAGE)
ERRORS = re.findall(r"`\[([a-z-]+)\]`", PAGE)


def text_of(*folders: str) -> str:
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    return "\n".join(path.read_text("utf-8") for path in files if path.suffix in {".py", ".yml"})


@pytest.mark.parametrize(("file", "test"), sorted(set(TESTS)))
def test_a_named_test_is_there(file: str, test: str) -> None:
    found = (ROOT / "tests").rglob(file)
    assert any(f"def {test}(" in one.read_text("utf-8") for one in found)


@pytest.mark.parametrize("check", sorted(set(CHECKS)))
def test_a_named_check_is_there(check: str) -> None:
    chapter, _, name = check.partition("/")
    assert f"def test_{name}(" in text_of(f"checks/{chapter}")


@pytest.mark.parametrize("error", sorted(set(ERRORS)))
def test_a_named_error_is_there(error: str) -> None:
    known = text_of("provision", "playbooks")
    assert f'"{error}"' in known or f"word: {error}" in known or f"[{error}]" in known


def test_the_page_names_some_of_each() -> None:
    assert min(len(TESTS), len(CHECKS), len(ERRORS)) >= 3
