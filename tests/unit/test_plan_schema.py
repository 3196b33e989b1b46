"""``docs/schema/plan.json``: it is current, and what is printed keeps to it."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import msgspec
import pytest
from click.testing import CliRunner
from facts_of import GTX_1060, facts_of

from provision import catalogue
from provision.cli import cli
from provision.errors import ImpossiblePlanError
from provision.imagined import imagine
from provision.plan import Conflict, DriverPlan, EnvironmentPlan, NoPlan, Plan, Stop
from provision.planner import make_plan
from provision.wishes import Wishes

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
NOW = "2026-11-23T00:00:00+00:00"
_spec = importlib.util.spec_from_file_location("schemas", ROOT / "tools" / "schemas.py")
assert _spec is not None
assert _spec.loader is not None
tool = sys.modules.setdefault("schemas", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(tool)

SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "schema" / "plan.json").read_text())


def imagined(system: str, *gpus: str, **wishes: object) -> Plan:
    known = catalogue.load()
    facts = imagine(system, gpus, known, now=NOW)
    return make_plan(facts, Wishes(**wishes), known)  # type: ignore[arg-type]


SITUATIONS: dict[str, Callable[[], Plan]] = {
    "two GPUs": lambda: imagined("ubuntu-24.04", "10de:1c03", "10de:1c03"),
    "the newest GPU": lambda: imagined("ubuntu-26.04", "10de:2b85"),
    "everything wished": lambda: imagined(
        "debian-12", "10de:1db4", cuda=("12.9", "12.6"), torch="2.10.0", jax="0.10.2"
    ),
    "a GPU left out": lambda: imagined("debian-13", "10de:1180", "10de:2684"),
    "no GPU": lambda: imagined("ubuntu-22.04"),
    "a rig that was read": lambda: make_plan(
        facts_of(pci_nvidia=GTX_1060), Wishes(), catalogue.load()
    ),
}


def encoded(document: object) -> Any:  # noqa: ANN401 - any JSON
    return json.loads(msgspec.json.encode(document))


def valid(document: Any) -> None:  # noqa: ANN401 - any JSON
    jsonschema.Draft202012Validator(SCHEMA).validate(document)


def test_the_published_schema_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["--check"]) == 0, capsys.readouterr().err


def test_a_stale_schema_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tool, "FOLDER", tmp_path)
    (tmp_path / "plan.json").write_text("{}")
    assert tool.main(["--check"]) == 1
    told = capsys.readouterr().err
    assert "plan.json is not current: python tools/schemas.py" in told
    assert "acceptance.json is not current" in told
    assert tool.main([]) == 0
    assert tool.main(["--check"]) == 0


def test_it_is_a_schema_that_names_every_field() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for form in (Plan, NoPlan, DriverPlan, EnvironmentPlan, Conflict, Stop):
        assert set(SCHEMA["$defs"][form.__name__]["properties"]) == set(form.__struct_fields__)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_plan_keeps_to_it(situation: str) -> None:
    document = encoded(SITUATIONS[situation]())
    valid(document)
    valid([document, document])
    assert document["reasons"]
    assert all(reason["reason"] for reason in document["reasons"])
    assert isinstance(document["conflicts"], list)
    for name, environment in document["environments"].items():
        assert environment["name"] == name
        assert environment["pins"]
        assert {"python", "framework", "version", "device"} <= set(environment)


def test_what_a_reader_relies_on() -> None:
    document = encoded(SITUATIONS["two GPUs"]())
    driver = document["driver"]
    assert (driver["branch"], driver["flavour"], driver["source"]) == (580, "proprietary", "ubuntu")
    assert driver["packages"]
    assert document["cuda"]["toolkits"] == ["12.9"]
    gpu = document["environments"]["tensorflow_gpu"]
    assert (gpu["framework"], gpu["device"]) == ("tensorflow", "gpu")
    assert f"tensorflow[and-cuda]=={gpu['version']}" in gpu["pins"]
    assert encoded(SITUATIONS["no GPU"]())["driver"] is None
    assert encoded(SITUATIONS["a GPU left out"]())["conflicts"][0]["source"]


def test_that_nothing_fits_keeps_to_it_too() -> None:
    shown = CliRunner().invoke(
        cli,
        ["plan", "--os", "ubuntu-24.04", "--gpu", "10de:1c03", "--driver", "615", "--json"],
    )
    assert isinstance(shown.exception, ImpossiblePlanError)
    document = json.loads(shown.stdout)
    valid(document)
    assert {conflict["constraint"] for conflict in document["conflicts"]} >= {"wish-driver"}
    assert document["nearest"][0]["change"]
    assert "environments" not in document


def test_the_command_prints_it() -> None:
    shown = CliRunner().invoke(cli, ["plan", "--os", "debian-12", "--gpu", "10de:1c03", "--json"])
    document = json.loads(shown.stdout)
    valid(document)
    assert document["driver"]["branch"] == 580


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("driver", "branch"), "580"),
        (("driver", "packages"), "nvidia-driver"),
        (("environments", "tensorflow_gpu", "pins"), None),
        (("reasons", 0, "reason"), 3),
        (("profile",), "tpu"),
    ],
)
def test_it_refuses_what_is_no_plan(path: tuple[str | int, ...], value: object) -> None:
    document = encoded(SITUATIONS["two GPUs"]())
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        valid(document)


def test_it_refuses_a_plan_without_environments() -> None:
    document = encoded(SITUATIONS["two GPUs"]())
    del document["environments"]
    with pytest.raises(jsonschema.ValidationError):
        valid(document)
