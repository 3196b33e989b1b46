"""The rules of docs/architecture.md that a program can hold."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = sorted((ROOT / "provision").rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Every module that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def importers(module: str) -> set[str]:
    return {
        str(path.relative_to(ROOT))
        for path in PACKAGE
        if any(name == module or name.startswith(f"{module}.") for name in imports(path))
    }


def test_the_package_does_not_know_the_checks() -> None:
    assert importers("checks") == set()


def test_one_module_imports_fabric() -> None:
    assert importers("fabric") == {"provision/connection/ssh.py"}


def test_one_module_imports_ansible_runner() -> None:
    assert importers("ansible_runner") == {"provision/apply.py"}


@pytest.mark.parametrize(
    "part", ["facts", "planner", "plan.py", "target.py", "wishes.py", "results.py"]
)
def test_facts_and_plan_do_no_input_or_output(part: str) -> None:
    place = ROOT / "provision" / part
    doers = {
        "subprocess",
        "socket",
        "pathlib",
        "os",
        "shutil",
        "fabric",
        "paramiko",
        "sqlite3",
        "urllib",
        "tempfile",
    }
    for path in [place] if place.is_file() else sorted(place.rglob("*.py")):
        assert not imports(path) & doers, path
        calls = {
            n.func.id
            for n in ast.walk(ast.parse(path.read_text()))
            if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
        }
        assert not calls & {"open", "print", "input"}, path
