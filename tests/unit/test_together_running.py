"""Starting every rig's part, and ending all of them."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from together_reports import report

from provision.connection import Completed, Connection
from provision.errors import UnreachableError
from provision.together import Chosen, Framework, Member, Place, Wish, running
from provision.together.running import run_alone, run_together, variables

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PLACES = {
    "a": Place(address="192.0.2.1", port=4001, interface="eth0"),
    "b": Place(address="192.0.2.2", port=4002),
}


def chosen(framework: Framework = "tensorflow", gpus: int = 0) -> Chosen:
    members = tuple(
        Member(name=name, python="/p", environment="e", version="1", gpus=gpus) for name in "ab"
    )
    return Chosen(framework=framework, device="gpu" if gpus else "cpu", why="", members=members)


class Rig(Connection):
    """Answers as a rig would: its part ends by itself, or when it is killed."""

    def __init__(self, last: dict[str, Any] | None, lines: Sequence[str] = ()) -> None:
        self.last, self.lines = last, lines
        self.killed = threading.Event()
        self.sent: dict[str, Any] = {}

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        limit: float,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        assert limit > 0
        if argv[0] == "kill":
            assert argv == ["kill", "-TERM", "77"]
            self.killed.set()
            return Completed(exit_code=0, stdout=b"", stderr=b"", seconds=0)
        text = stdin.decode()
        line = next(each for each in text.splitlines() if "SENT = _json" in each)
        self.sent = json.loads(eval(line.partition("loads(")[2].rpartition(")")[0]))
        assert on_line
        for each in ('{"pid": 77}', *self.lines):
            on_line(each)
        if self.last is None:
            assert self.killed.wait(30), "it was never ended"
        process = {"exit_code": -15, "ended": True, "result": None, "stderr": ""}
        last = self.last or {"results": [process], "ended": "stopped"}
        return Completed(exit_code=0, stdout=json.dumps(last).encode(), stderr=b"", seconds=0)

    def put(self, source: object, destination: str) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


def good(rank: int = 0) -> dict[str, Any]:
    return {"results": [{"exit_code": 0, "result": report(rank=rank), "stderr": ""}], "ended": ""}


def bad() -> dict[str, Any]:
    return {"results": [{"exit_code": -9, "result": None, "stderr": ""}], "ended": "failed"}


def test_all_end_by_themselves_and_only_the_first_ones_lines_are_heard() -> None:
    rigs = {"a": Rig(good(), ["step 0", "step 10"]), "b": Rig(good(1), ["not this"])}
    heard: list[str] = []
    ended = run_together(chosen(), Wish(), rigs, PLACES, heard.append)
    assert [one.failure for one in ended] == [None, None]
    assert heard == ["step 0", "step 10"]
    assert not any(rig.killed.is_set() for rig in rigs.values())


def test_one_that_fails_ends_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_TELL", 0.2)
    rigs = {"a": Rig(None), "b": Rig(bad())}
    ended = run_together(chosen(), Wish(), rigs, PLACES, print)
    assert rigs["a"].killed.is_set()
    assert [one.failure and one.failure.kind for one in ended] == ["stopped", "killed"]


def test_whatever_interrupts_it_ends_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    rigs = {"a": Rig(None, ["first"]), "b": Rig(None, ["first"])}
    monkeypatch.setattr(running.time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_together(chosen(), Wish(), rigs, PLACES, print)
    assert all(rig.killed.wait(5) for rig in rigs.values())


def test_a_rig_that_is_lost_is_a_failure_not_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lost(Rig):
        def run(self, argv: Sequence[str], **more: Any) -> Completed:  # noqa: ANN401, ARG002 - as the parent
            raise UnreachableError("the connection was lost", where="b", reference="x")

    monkeypatch.setattr(running, "_TELL", 0.2)
    ended = run_together(chosen(), Wish(), {"a": Rig(None), "b": Lost(None)}, PLACES, print)
    assert [one.failure and one.failure.kind for one in ended] == ["stopped", "unreachable"]


def test_alone_means_that_nobody_else_is_told() -> None:
    rigs = {"a": Rig(good()), "b": Rig(good())}
    run_alone(chosen(), Wish(steps=40), rigs, PLACES)
    assert rigs["a"].sent["environments"] == [{}]
    assert rigs["a"].sent["hosts"] == []
    arguments = rigs["a"].sent["arguments"]
    assert arguments[arguments.index("--steps") + 1] == "40"
    assert {"together_tensorflow.py", "cifar10_tensorflow.py", "launch.py"} <= set(
        rigs["a"].sent["files"]
    )


def test_tensorflow_gets_its_cluster() -> None:
    (one,) = variables(chosen(), 1, PLACES)
    assert json.loads(one["TF_CONFIG"]) == {
        "cluster": {"worker": ["192.0.2.1:4001", "192.0.2.2:4002"]},
        "task": {"type": "worker", "index": 1},
    }


def test_torch_gets_a_process_per_gpu_with_torchruns_variables() -> None:
    first, second = variables(chosen("torch", gpus=2), 1, PLACES)
    assert [one["RANK"] for one in (first, second)] == ["2", "3"]
    assert [one["LOCAL_RANK"] for one in (first, second)] == ["0", "1"]
    assert {one["WORLD_SIZE"] for one in (first, second)} == {"4"}
    assert (first["MASTER_ADDR"], first["MASTER_PORT"]) == ("192.0.2.1", "4001")
    assert "GLOO_SOCKET_IFNAME" not in first
    assert variables(chosen("torch"), 0, PLACES)[0]["GLOO_SOCKET_IFNAME"] == "eth0"
