"""``docs/compatibility.md``: it is what the tool writes, its tables are whole, and its words fit the catalogue."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from provision import catalogue
from provision.imagined import imagine
from provision.planner import make_plan
from provision.versions import at_least
from provision.wishes import Wishes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.catalogue.repositories import CudaOffer

Tool = Any
ROOT = Path(__file__).parents[2]
PARTS = ("page", "kinds", "notes", "plans", "software", "tables")
KNOWN = catalogue.load()


@pytest.fixture(scope="module")
def tool() -> Iterator[Tool]:
    """The script, imported as it is when it runs: with its folder first on the path."""
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        yield importlib.import_module("compatibility_page")
    finally:
        sys.path.remove(str(ROOT / "tools"))
        for part in PARTS:
            sys.modules.pop(f"compatibility_{part}", None)


@pytest.fixture(scope="module")
def text(tool: Tool) -> str:
    rendered: str = tool.render()
    return rendered


def section(text: str, title: str) -> list[list[str]]:
    """The first table under a heading: its lines' cells, the head first."""
    part = re.split(rf"^#+ {re.escape(title)}$", text, flags=re.MULTILINE)[1]
    lines = []
    for line in part.splitlines():
        if line.startswith("| "):
            lines.append([cell.strip() for cell in line.strip("|").split(" | ")])
        elif lines:
            break
    return [lines[0], *lines[2:]]


def test_the_page_is_current(tool: Tool, text: str) -> None:
    assert tool.PAGE.read_text() == text, "write it anew: python tools/compatibility_page.py"


def test_it_is_the_same_every_time(tool: Tool, text: str) -> None:
    assert tool.render() == text


def test_check_tells_a_stale_page(
    tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tool, "PAGE", tmp_path / "compatibility.md")
    assert tool.main(["--check"]) == 1
    assert "python tools/compatibility_page.py" in capsys.readouterr().err
    assert tool.main([]) == 0
    assert tool.main(["--check"]) == 0
    tool.PAGE.write_text(tool.PAGE.read_text() + "x")
    assert tool.main(["--check"]) == 1


def test_every_table_is_whole(text: str) -> None:
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    assert len(tables) >= 14
    for table in tables:
        lines = table.splitlines()
        columns = {len(re.split(r"(?<!\\)\|", line)) for line in lines}
        assert len(columns) == 1, lines[0]
        assert len(lines) > 2, lines[0]


def test_every_footnote_is_there_and_used(text: str) -> None:
    body, _, notes = text.partition("\n[^1]:")
    numbers = [int(number) for number in re.findall(r"^\[\^(\d+)\]:", text, flags=re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert {int(number) for number in re.findall(r"\[\^(\d+)\]", body)} == set(numbers)
    for note in notes.strip().splitlines():
        assert re.search(r"; \d{4}-\d{2}-\d{2}, (high|medium|low) confidence\.$", note), note


def test_every_row_of_the_catalogue_is_shown(text: str) -> None:
    for framework, label in KNOWN.frameworks.labels.items():
        shown = {row[0] for row in section(text, label)[1:]}
        rows = KNOWN.frameworks.of(framework)
        assert shown == {f"{row.version} {row.build}".strip() for row in rows}
    assert [row[0] for row in section(text, "CUDA toolkits")[1:]] == [
        row.version for row in KNOWN.cuda.toolkit
    ]
    assert [row[0] for row in section(text, "Systems")[1:]] == [row.name for row in KNOWN.systems]
    generations = {row[0] for row in section(text, "GPU generations")[1:]}
    modern = [row.name for row in KNOWN.architectures.architecture]
    assert generations == set(modern[modern.index("Kepler") :])


@pytest.mark.parametrize("system", [row.id for row in KNOWN.systems])
@pytest.mark.parametrize(
    ("device", "kind"), [("1c03", "Pascal 6.0, 6.1"), ("1db4", "Volta 7.0"), ("2b85", "Blackwell")]
)
def test_a_default_plan_is_what_the_planner_decides_for_a_real_card(
    tool: Tool, text: str, system: str, device: str, kind: str
) -> None:
    assert tool.SYSTEM in {row.id for row in KNOWN.systems}
    month = importlib.import_module("compatibility_kinds").month(KNOWN)
    facts = imagine(system, [f"10de:{device}"], KNOWN, now=f"{month}-01T00:00:00+00:00")
    plan = make_plan(facts, Wishes(), KNOWN)
    rows = section(text, KNOWN.system(system).name)[1:]
    (row,) = [row for row in rows if kind in row[0]]
    assert plan.driver is not None
    assert row[1] == f"{plan.driver.branch} {plan.driver.flavour}"
    assert row[2] == (", ".join(plan.cuda.toolkits) or "none")
    environment = plan.environments["tensorflow_gpu"]
    assert row[3].startswith(environment.version)
    assert row[6] == environment.python


def test_a_pascal_card_is_told_of_cudnn(text: str) -> None:
    (row,) = [row for row in section(text, "Cards that many have") if row[1] == "`10de:1c03`"]
    assert row[0] == "GeForce GTX 1060 6GB"
    assert row[5] == "580 proprietary"
    assert row[7] == "2.21.0, cuDNN `<9.11`"


def test_the_traps_are_true() -> None:
    """What the page says in words of its own, held against the catalogue."""
    generations = KNOWN.architectures
    last = {row.id: row.last_branch for row in generations.architecture}
    assert len({last["maxwell"], last["pascal"], last["volta"]}) == 1
    assert last["kepler"] == 470
    names = [row.id for row in generations.architecture]
    turing, blackwell = names.index("turing"), names.index("blackwell")
    for n, row in enumerate(generations.architecture):
        expected = "no" if n < turing else "yes" if n < blackwell else "only"
        assert row.open_modules == expected, row.id
    (cudnn,) = KNOWN.cuda.cudnn
    assert cudnn.compute_capability == ">=7.5"
    assert {row.repository for row in KNOWN.repositories.transition} == {"ubuntu"}
    offers: list[CudaOffer] = [row for row in KNOWN.repositories.cuda if row.repository == "nvidia"]
    assert {row.package for row in offers} == {"cuda-toolkit-{dashed}"}
    newest = max(row.branch for row in KNOWN.repositories.driver if row.repository == "debian")
    assert not at_least(f"{newest}.999", KNOWN.cuda.family_of("13.0").driver)
