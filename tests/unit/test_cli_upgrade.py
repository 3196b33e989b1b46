"""``dlrig upgrade`` and ``dlrig rollback`` as commands: options, what is shown, and JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from fake_rig import NEW, OLD, FakeRig, connect_to, name_of

from provision.cli import cli
from provision.errors import DlrigError

if TYPE_CHECKING:
    from click.testing import Result


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeRig:
    rig = FakeRig()
    connect_to(rig, monkeypatch)
    return rig


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, standalone_mode=False, env={"COLUMNS": "200"})


def test_what_changed_is_a_table_and_a_sentence(fake: FakeRig) -> None:
    fake.speed[NEW] = 120.0
    ran = call("upgrade", "rig", "--driver", "595", "--yes", "--reboot")
    assert ran.return_value == 0, ran.output
    shown = " ".join(ran.output.split())
    assert "training/cifar10, throughput 100 examples/s 120 examples/s ✓ better" in shown
    assert "driver/gpu_count passed passed – same" in shown  # noqa: RUF001 - a dash
    assert "1 better, 0 worse" in shown
    assert f"driver {OLD} (open, ubuntu) is now {NEW} (open, ubuntu), and stays" in shown
    assert "dlrig compare" in shown


def test_a_way_back_in_json(fake: FakeRig) -> None:
    fake.fails_with[NEW] = {"driver/loaded"}
    ran = call("upgrade", "rig", "--driver", "595", "--yes", "--reboot", "--json")
    document = json.loads(ran.stdout)
    assert ran.return_value == 1
    assert document["outcome"] == "rolled back"
    assert document["grade"] == "worse"
    assert document["to"] == OLD
    assert document["went_back_because"] == ["driver/loaded: passed before, failed after"]
    assert document["error"]["reference"] == "rolled-back"
    assert {each["check"]: each["grade"] for each in document["checks"]}["driver/loaded"] == "worse"
    assert document["acceptance"]["verdict"] == "accepted"
    assert len({document["before"], document["after"], document["acceptance"]["id"]}) == 3


def test_keep_is_an_option(fake: FakeRig) -> None:
    fake.fails_with[NEW] = {"driver/loaded"}
    ran = call("upgrade", "rig", "--driver", "595", "--yes", "--reboot", "--keep")
    assert ran.return_value == 1
    assert fake.version == NEW


def test_nobody_to_ask(fake: FakeRig) -> None:
    ran = call("upgrade", "rig", "--driver", "595")
    assert isinstance(ran.exception, DlrigError)
    assert ran.exception.reference == "nobody-to-ask"
    assert fake.log == []


def test_the_kept_sets_are_listed(fake: FakeRig) -> None:
    fake.install(NEW)
    ran = call("rollback", "rig", "--list")
    assert ran.return_value == 0, ran.output
    assert f"{name_of(NEW)} (installed)" in " ".join(ran.output.split())
    assert name_of(OLD) in ran.output
    document = json.loads(call("rollback", "rig", "--list", "--json").stdout)
    assert document["sets"] == [name_of(NEW), name_of(OLD)]
    assert fake.log == []
    fake.sets = []
    assert "no driver set is kept there" in call("rollback", "rig", "--list").output


def test_rollback_with_and_without_checks(fake: FakeRig) -> None:
    fake.install(NEW)
    fake.loaded = NEW
    ran = call("rollback", "rig", "--yes", "--reboot", "--no-check", "--json")
    document = json.loads(ran.stdout)
    assert (ran.return_value, document["driver"], document["set"]) == (0, OLD, name_of(OLD))
    assert document["acceptance"] is None
    ran = call("rollback", "rig", "--set", name_of(NEW), "--yes", "--reboot", "--json")
    assert json.loads(ran.stdout)["acceptance"]["verdict"] == "accepted"
    assert fake.loaded == NEW


def test_up_says_in_json_that_it_must_be_restarted(fake: FakeRig) -> None:
    ran = call("up", "rig", "--driver", "595", "--yes", "--json")
    document = json.loads(ran.stdout)
    assert ran.return_value == 3
    assert document["error"]["reference"] == "reboot-needed"
    assert document["restarted"] is False
    ran = call("up", "rig", "--driver", "595", "--yes", "--reboot", "--json")
    assert json.loads(ran.stdout)["restarted"] is True
    assert fake.loaded == NEW
