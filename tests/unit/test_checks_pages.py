"""``docs/checks``: the pages are what the tool makes of the checks, and say what the checks do."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from provision.report.words import page_of

if TYPE_CHECKING:
    from collections.abc import Iterator

Tool = Any
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool() -> Iterator[Tool]:
    """The script, imported as it is when it runs: with its folder first on the path."""
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        yield importlib.import_module("checks_pages")
    finally:
        sys.path.remove(str(ROOT / "tools"))
        sys.modules.pop("checks_pages", None)
        sys.modules.pop("checks_ways", None)


@pytest.fixture(scope="module")
def texts(tool: Tool) -> dict[str, str]:
    rendered: dict[str, str] = tool.render()
    return rendered


def test_the_pages_are_current(tool: Tool, texts: dict[str, str]) -> None:
    assert tool.stale(texts) == [], "write them anew: python tools/checks_pages.py"


def test_every_check_has_a_page_that_its_name_leads_to(texts: dict[str, str]) -> None:
    sources = (ROOT / "checks").glob("*/test_*.py")
    declared = re.compile(r"^def test_(\w+)", re.MULTILINE)
    names = {
        f"{path.parent.name}/{name}"
        for path in sources
        for name in declared.findall(path.read_text())
    }
    assert {f"{name}.md" for name in names} == texts.keys() - {
        "README.md",
        "connection/reachable.md",
    }
    for name in names:
        assert (ROOT / page_of(name)).is_file()
        assert f"]({name}.md)" in texts["README.md"]


def test_a_page_leads_back_to_its_check(texts: dict[str, str]) -> None:
    for name, text in texts.items():
        for target in re.findall(r"\]\(([^)]+)\)", text):
            assert (ROOT / "docs" / "checks" / name).parent.joinpath(target).resolve().exists(), (
                target
            )


def test_every_table_is_whole(texts: dict[str, str]) -> None:
    for name, text in texts.items():
        for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
            columns = {len(re.split(r"(?<!\\)\|", line)) for line in table.splitlines()}
            assert len(columns) == 1, f"{name}: {table}"


def test_what_a_page_says_is_what_the_check_does(texts: dict[str, str]) -> None:
    disk = texts["hardware/disk_space.md"]
    for part in (
        "# Is there room for the environments?",
        "less than 95% used",
        "    See what takes it: sudo du",
        "| fail | it is not: the rig is rejected |",
        "| warn | a part of it is not",
        "df gives no size for …",
        "no answer to `df_bytes`",
        "Markers: `hardware`, `quick`.",
        "pytest checks/hardware/test_disk.py::test_disk_space --rig user@host",
    ):
        assert part in disk, part
    assert "| skip |" not in disk
    governor = texts["hardware/cpu_governor.md"]
    assert "| warn | it is not" in governor
    assert "| skip | it does not apply: the kernel offers no frequency scaling here" in governor
    assert "no NVIDIA GPU in this machine" in texts["driver/driver_loaded.md"]
    assert "It is asked in each environment" in texts["runtime/environment_imports.md"]
    assert "throughput | examples/s" in texts["training/cifar10_smoke.md"]


@pytest.mark.parametrize(
    ("check", "page"),
    [
        ("hardware/disk_space", "docs/checks/hardware/disk_space.md"),
        ("runtime/environment_imports[torch]", "docs/checks/runtime/environment_imports.md"),
        ("waivers/hardware/*", "docs/accepting.md"),
    ],
)
def test_names_of_pages(check: str, page: str) -> None:
    assert page_of(check) == page


def test_check_tells_a_stale_page_and_writing_mends_it(
    tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tool, "FOLDER", tmp_path / "checks")
    assert tool.main(["--check"]) == 1
    assert "python tools/checks_pages.py" in capsys.readouterr().err
    assert tool.main([]) == 0
    assert tool.main(["--check"]) == 0
    gone = tool.FOLDER / "old" / "check.md"
    gone.parent.mkdir()
    gone.write_text("of no check")
    changed = tool.FOLDER / "hardware" / "disk_space.md"
    changed.write_text(changed.read_text() + "x")
    assert tool.main(["--check"]) == 1
    assert tool.main([]) == 0
    assert not gone.parent.exists()
    assert tool.main(["--check"]) == 0
