"""The check that CONTRIBUTING.md shows is one: in a copy of the suite it passes, fails and has no answer as it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
import rig_cases

from provision.facts.reading import Outcome, to_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from acceptance_suite import Suite

PAGE = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text()
DAY = 86400
NO_ANSWER = "the reading 'boot' gave no answer"


@pytest.fixture(scope="module")
def extended(suite: Suite) -> Iterator[Suite]:
    """With the page's file where the page says that it goes."""
    section = PAGE.partition("## A new check in ten lines")[2]
    (name,) = re.findall(r"^`checks/(\S+\.py)`", section, flags=re.MULTILINE)
    (code,) = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    path = suite.checks / name
    path.write_text(code)
    yield suite
    path.unlink()


@pytest.mark.parametrize(
    ("boot", "status", "message"),
    [
        (rig_cases.said(f"id\n{3 * DAY}.5\n/sbin/init\n"), "pass", "3 days"),
        (rig_cases.said(f"id\n{400 * DAY}\n"), "fail", "it has been running for 400 days"),
        (rig_cases.HUNG, "error", f"{NO_ANSWER}: hung: no answer within its time limit"),
    ],
)
def test_the_example(extended: Suite, boot: Outcome, status: str, message: str) -> None:
    whole = rig_cases.transcript("healthy")
    changed = msgspec.structs.replace(whole, outcomes={**whole.outcomes, "boot": boot})
    file = extended.folder / "uptime.json"
    file.write_bytes(to_json(changed))
    ran = extended.run("--transcript", str(file), "-k", "uptime")
    found = ran.results("healthy")["hardware/uptime"]
    assert (found.status, found.message) == (status, message)
    assert found.remedy == ("sudo reboot" if status != "pass" else "")


def test_what_the_page_names_exists() -> None:
    root = Path(__file__).parents[2]
    for path in re.findall(r"`((?:provision|tools|docs|checks|tests|playbooks)/[\w./]*)`", PAGE):
        assert (root / path).exists() or "uptime" in path, path
    source = (root / "checks" / "question.py").read_text() + (
        root / "checks" / "conftest.py"
    ).read_text()
    for name in ("warn_unless", "could_not_measure", "require_reading", "baseline", "environment"):
        assert f"def {name}(" in source
