"""Ansible's events as steps, failures with their remedies, and what goes into the inventory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from facts_of import facts_of

from provision import catalogue
from provision.apply import Job, Step, _failed, _hosts, _Watcher
from provision.connection import Settings
from provision.planner import make_plan
from provision.target import parse_target
from provision.wishes import Wishes

if TYPE_CHECKING:
    from pathlib import Path


def watched(*events: dict[str, Any]) -> tuple[_Watcher, list[Step]]:
    steps: list[Step] = []
    watcher = _Watcher({"rig_1": "me@rig"}, steps.append)
    for event in events:
        assert watcher.handle(event), "every event is kept in the transcript"
    return watcher, steps


def event(kind: str, **result: Any) -> dict[str, Any]:  # noqa: ANN401 - Ansible's
    more = {key: result.pop(key) for key in ("ignore_errors",) if key in result}
    return {
        "event": kind,
        "event_data": {
            "host": "rig_1",
            "task": "base : Install it",
            "duration": 1.5,
            "res": result,
            **more,
        },
    }


def test_what_changed_is_remembered_by_rig() -> None:
    watcher, steps = watched(
        event("playbook_on_task_start"),
        event("runner_on_ok", changed=True),
        event("runner_on_ok"),
        event("runner_on_skipped"),
    )
    assert [step.status for step in steps] == ["begin", "changed", "ok", "skipped"]
    assert steps[1] == Step(rig="me@rig", task="Install it", status="changed", seconds=1.5)
    assert watcher.changed == {"me@rig": ["Install it"]}
    assert not watcher.failures


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        ("E: Could not get lock /var/lib/dpkg/lock-frontend.", "Another package manager"),
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        ("Temporary failure resolving 'archive'", "does not reach a server"),
        ("invalid peer certificate: UnknownIssuer", "does not trust the server's certificate"),
        ("something new", "Run the same command again"),
    ],
)
def test_a_failure_says_what_where_and_what_to_do(
    message: str, remedy: str, tmp_path: Path
) -> None:
    watcher, _ = watched(event("runner_on_failed", msg=message))
    error = _failed(watcher.failures["me@rig"], tmp_path)
    assert message in str(error)
    assert "Install it" in str(error)
    assert remedy in error.hint
    assert error.where == "me@rig"
    assert str(tmp_path) in error.hint


def test_of_a_loop_only_what_failed_is_told() -> None:
    results = [{"msg": "all well"}, {"failed": True, "msg": "no", "stderr": "first\nthe reason"}]
    watcher, _ = watched(event("runner_on_failed", msg="One or more items failed", results=results))
    detail = watcher.failures["me@rig"].detail
    assert "the reason" in detail
    assert "all well" not in detail


def test_an_ignored_failure_is_none() -> None:
    watcher, _ = watched(event("runner_on_failed", msg="fine", ignore_errors=True))
    assert not watcher.failures


def test_an_unreachable_rig_can_be_gone_on_with(tmp_path: Path) -> None:
    watcher, _ = watched(event("runner_on_unreachable", msg="Connection closed"))
    error = _failed(watcher.failures["me@rig"], tmp_path)
    assert error.reference == "connection-lost"
    assert "run the same command again" in error.hint


def test_the_inventory_holds_what_ansible_needs_and_no_more() -> None:
    plan = make_plan(facts_of(), Wishes(), catalogue.load())
    job = Job(target=parse_target("me@rig:2222"), plan=plan, root=False)
    hosts = _hosts([job], Settings(identity=("/keys/one",)), None)["all"]["hosts"]
    (host,) = hosts.values()
    assert (host["ansible_host"], host["ansible_user"], host["ansible_port"]) == ("rig", "me", 2222)
    assert host["environments_wanted"][0]["name"] == "tensorflow"
    assert "pass" not in json.dumps(hosts).lower()
    local = _hosts([Job(target=parse_target("local"), plan=plan, root=True)], Settings(), None)
    assert local["all"]["hosts"]["local"]["ansible_connection"] == "local"
    assert local["all"]["hosts"]["local"]["ansible_become"] is False
