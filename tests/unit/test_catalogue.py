"""The catalogue loads, and the roles say the same where they repeat it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from provision import catalogue, layout

ROLES = Path(__file__).parents[2] / "playbooks" / "roles"


def variables(role: str, kind: str) -> dict[str, Any]:
    found = yaml.safe_load((ROLES / role / kind / "main.yml").read_text())
    assert isinstance(found, dict)
    return found


def test_every_base_package_is_the_roles() -> None:
    assert sorted(catalogue.load().base_packages) == sorted(
        variables("base", "defaults")["base_packages"]
    )


def test_every_managed_file_is_its_roles() -> None:
    ours = {(file.role, file.path, file.file) for file in catalogue.load().files}
    theirs = {
        (role, path, file)
        for role in ("base", "environments")
        for path, file in variables(role, "vars")[f"{role}_files"].items()
    }
    assert ours == theirs


def test_the_default_environment_is_the_newest_release() -> None:
    newest = catalogue.load().frameworks[0]
    (default,) = variables("environments", "defaults")["environments_wanted"]
    assert (default["name"], tuple(default["requirements"])) == (newest.name, newest.cpu)
    assert variables("environments", "defaults")["environments_prefix"] == layout.PREFIX


def test_frameworks_are_newest_first_and_pinned() -> None:
    rows = catalogue.load().frameworks
    versions = [Version(row.version) for row in rows]
    assert versions == sorted(versions, reverse=True)
    for row in rows:
        assert row.cpu[0].endswith(f"=={row.version}")
        assert row.gpu[0].endswith(f"=={row.version}")


def test_every_system_but_the_newest_ubuntu_has_a_framework_for_its_own_python() -> None:
    without = [
        system.id
        for system in catalogue.load().systems
        if not any(
            SpecifierSet(row.python).contains(system.python) for row in catalogue.load().frameworks
        )
    ]
    assert without == ["ubuntu-26.04"]


def test_every_remedy_is_a_pattern_and_a_next_step() -> None:
    for row in catalogue.load_remedies():
        assert re.compile(row.pattern)
        assert row.hint.endswith(".")
