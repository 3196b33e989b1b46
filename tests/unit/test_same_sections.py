"""The programs of a family share their sections to the letter, and the tool that keeps them so works."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location("same_sections", ROOT / "tools/same_sections.py")
assert _spec is not None
assert _spec.loader is not None
tool = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tool)


def program(**sections: str) -> str:
    text = "import this\n"
    for name, body in sections.items():
        text += (
            f"\n# >>> same in all cifar10 programs: {name}\n{body}\n# <<< {name}\nown = '{name}'\n"
        )
    return text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / tool.SOURCE).write_text(program(SETUP="A = r'\\1'", DATA="B = 2"))
    (tmp_path / "cifar10_other.py").write_text(program(SETUP="A = 0", DATA="B = 2"))
    return tmp_path


def test_the_programs_share_their_sections(capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["--check"]) == 0, capsys.readouterr().err
    shared = tool.sections((tool.FOLDER / tool.SOURCE).read_text(encoding="utf-8"))
    assert list(shared) == ["SETUP", "OPTIONS", "DATA", "TRAINING", "SERIES", "REPORT"]
    assert {"cifar10_tensorflow.py", "cifar10_torch.py"} <= {
        path.name for path in tool.FOLDER.glob("cifar10_*.py")
    }


def test_a_difference_is_named_and_changes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (folder / "cifar10_other.py").read_text()

    assert tool.main(["--check"], folder) == 1

    assert "cifar10_other.py differs from cifar10_tensorflow.py" in capsys.readouterr().err
    assert (folder / "cifar10_other.py").read_text() == before


def test_writing_takes_the_sections_and_leaves_the_rest(folder: Path) -> None:
    source = (folder / tool.SOURCE).read_text()

    assert tool.main([], folder) == 0

    assert (folder / "cifar10_other.py").read_text() == program(SETUP="A = r'\\1'", DATA="B = 2")
    assert (folder / tool.SOURCE).read_text() == source
    assert tool.main(["--check"], folder) == 0


def test_a_program_of_another_name_takes_the_sections_that_it_has(folder: Path) -> None:
    (folder / "residual_other.py").write_text(program(DATA="B = 0"))

    assert tool.main(["--check"], folder) == 1
    assert tool.main([], folder) == 0

    assert (folder / "residual_other.py").read_text() == program(DATA="B = 2")


def test_families_do_not_mix(folder: Path) -> None:
    both = program(DATA="B = 2") + program(DATA="P = 0").replace("cifar10", "phase")
    (folder / "residual_other.py").write_text(both)
    (folder / tool.SOURCES["phase"]).write_text(program(DATA="P = 1").replace("cifar10", "phase"))

    tool.main([], folder)

    assert (folder / "residual_other.py").read_text() == both.replace("P = 0", "P = 1")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (program(SETUP="A = 0"), "only one of both has: DATA"),
        (program(SETUP="A = 0", DATA="B = 2", MORE="C = 3"), "only one of both has: MORE"),
        (program(SETUP="A = 0", DATA="B = 2").replace("# <<< DATA", ""), "one is not closed"),
    ],
)
def test_a_program_with_other_sections_is_named_and_left_alone(
    text: str, says: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "cifar10_other.py").write_text(text)

    assert tool.main([], folder) == 1

    said = capsys.readouterr().err
    assert says in said
    assert said.startswith("cifar10_other.py: ")
    assert (folder / "cifar10_other.py").read_text() == text
