"""Ansible's events as steps, failures with their remedies, and what goes into the inventory."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from facts_of import facts_of

from provision import catalogue
from provision.apply import Job, Step, _failed, _free, _hosts, _options, _Watcher
from provision.connection import Settings
from provision.planner import make_plan
from provision.target import parse_target
from provision.terminal.console import make
from provision.terminal.progress import Progress, Waiting
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


def test_a_role_that_stops_before_harm_says_itself_what_to_do(tmp_path: Path) -> None:
    said = "The disk is full: sudo apt clean. Nothing was changed. [disk-full]"
    results = [{"failed": False}, {"failed": True, "msg": said}]
    watcher, _ = watched(event("runner_on_failed", msg="All items", results=results))
    error = _failed(watcher.failures["me@rig"], tmp_path)
    assert error.reference == "disk-full"
    assert error.what == "The disk is full: sudo apt clean. Nothing was changed"
    assert "Run the same command again" not in error.hint


def test_the_reason_of_a_module_comes_before_ansibles_own_words() -> None:
    watcher, _ = watched(event("runner_on_failed", msg="Unknown error.", why="no such branch"))
    assert watcher.failures["me@rig"].detail == "no such branch"


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
    job = Job(target=parse_target("me@rig:2222"), variables=plan.variables, root=False)
    hosts = _hosts([job], Settings(identity=("/keys/one",)), None)["all"]["hosts"]
    (host,) = hosts.values()
    assert (host["ansible_host"], host["ansible_user"], host["ansible_port"]) == ("rig", "me", 2222)
    assert host["environments_wanted"][0]["name"] == "tensorflow"
    assert "pass" not in json.dumps(hosts).lower()
    local = _hosts(
        [Job(target=parse_target("local"), variables=plan.variables, root=True)], Settings(), None
    )
    assert local["all"]["hosts"]["local"]["ansible_connection"] == "local"
    assert local["all"]["hosts"]["local"]["ansible_become"] is False


def begun(label: object = "tensorflow", **more: object) -> dict[str, Any]:
    return {
        "ansible_job_id": "j1.2",
        "started": 1,
        "finished": 0,
        "_ansible_item_label": label,
        **more,
    }


def of_role(made: dict[str, Any], role: str = "environments") -> dict[str, Any]:
    made["event_data"]["role"] = role
    return made


def test_jobs_in_the_background_begin_and_end_once() -> None:
    ended = {"ansible_job_id": "j1.2", "finished": 1}
    _, steps = watched(
        of_role(event("runner_item_on_ok", **begun())),
        of_role(event("runner_on_ok", changed=True, results=[begun()])),
        event("runner_on_ok", changed=True),
        event("runner_item_on_ok", **ended),
        event("runner_on_ok", results=[ended]),
        event("runner_item_on_ok", **ended),
    )
    beside = [step for step in steps if step.status in {"background", "ended"}]
    assert [(step.task, step.status) for step in beside] == [
        ("environments: tensorflow", "background"),
        ("environments: tensorflow", "ended"),
    ]
    assert {step.rig for step in beside} == {"me@rig"}


def test_a_job_without_a_label_goes_by_its_task() -> None:
    _, steps = watched(event("runner_on_ok", **begun(None)))
    assert steps[0].task == "Install it"
    assert steps[0].status == "background"


def test_a_job_that_was_waited_for_in_its_own_task_is_no_background() -> None:
    _, steps = watched(event("runner_on_ok", ansible_job_id="j3", finished=1, changed=True))
    assert [step.status for step in steps] == ["changed"]


def test_every_playbook_of_a_run_keeps_its_own_transcript(tmp_path: Path) -> None:
    assert _free(tmp_path, "ansible") == "ansible"
    (tmp_path / "artifacts" / "ansible").mkdir(parents=True)
    (tmp_path / "artifacts" / "ansible-2").mkdir()
    assert _free(tmp_path, "ansible") == "ansible-3"


def test_only_the_roles_that_are_needed_run() -> None:
    assert _options(("base", "hold"), None) == "--tags base,hold"
    assert _options((), "secret") == "--ask-become-pass"
    assert "secret" not in _options(("base",), "secret")


def shown(*steps: Step, terminal: bool = False) -> str:
    """What people see of these steps; on a terminal with the lines that are drawn again and again."""
    console = make(io.StringIO())
    console._force_terminal = terminal
    console.width = 100
    with Progress(console) as progress:
        for step in steps:
            progress.show(step)
        with console.capture() as drawn:
            console.print(progress._lines())
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue() + drawn.get()


def test_progress_shows_all_that_is_in_flight() -> None:
    beside = Step(rig="me@rig", task="environments: tensorflow", status="background")
    building = Step(rig="", task="Build the modules", status="begin")
    text = shown(beside, building)
    assert "environments: tensorflow: begun" in text
    assert "Build the modules" in text
    assert "and environments: tensorflow" in text
    ended = Step(rig="me@rig", task="environments: tensorflow", status="ended")
    text = shown(beside, building, ended)
    assert "✓ environments: tensorflow" in text
    assert "and environments: tensorflow" not in text


def test_waiting_tells_each_state_once() -> None:
    console = make(io.StringIO())
    with Waiting(console, "restarting") as waiting:
        for state in ("going down", "not answering yet", "not answering yet", "back after 9 s"):
            waiting.show("rig", state)
    file = console.file
    assert isinstance(file, io.StringIO)
    lines = file.getvalue().splitlines()
    assert [line.split(":")[-1].split("  ")[0].strip() for line in lines] == [
        "going down",
        "not answering yet",
        "back after 9 s",
    ]
