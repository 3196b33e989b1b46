"""The two programs that go to every rig: one starts and ends processes, the other finds addresses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from provision.together.sending import program

pytestmark = pytest.mark.subprocess

FREE = "import contextlib\ndef alone(limit): return contextlib.nullcontext()\n"
"""In place of the lock that keeps measurements apart: a test must not wait for one that runs here."""
TAKEN = (
    'def alone(limit): return None\ndef refused(limit): return \'{"error": {"what": "busy"}}\'\n'
)
SLEEPS = (
    "import os, time\nprint('step', os.environ['RANK'], os.getpid(), flush=True)\ntime.sleep(60)\n"
)
FAILS = "import os, sys, time\nif os.environ['RANK'] == '1': sys.exit('no more')\ntime.sleep(60)\n"
REPORTS = "import os\nprint('step 0')\nprint('{\"rank\": %s}' % os.environ['RANK'])\n"
DEAF = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


def launcher(text: str, launch: str = FREE, **changes: Any) -> subprocess.Popen[str]:  # noqa: ANN401 - what is sent
    sent = {
        "files": {"worker.py": text, "launch.py": launch},
        "program": "worker.py",
        "arguments": [],
        "environments": [{"RANK": "0"}, {"RANK": "1"}],
        "hosts": ["192.0.2.1"],
        "limit": 30,
        "wait": 0,
        **changes,
    }
    process = subprocess.Popen(
        [sys.executable, "-I", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    process.stdin.write(program("together_launch.py", sent).decode())
    process.stdin.close()
    process.stdin = None
    return process


def said(process: subprocess.Popen[str]) -> tuple[list[str], dict[str, Any]]:
    out, err = process.communicate(timeout=30)
    assert not err, err
    first, *lines, last = out.splitlines()
    assert set(json.loads(first)) == {"pid"}
    return lines, json.loads(last)


def worker_of(process: subprocess.Popen[str]) -> int:
    """The pid of the first worker, from its line."""
    assert process.stdout
    process.stdout.readline()
    return int(process.stdout.readline().split()[2])


def gone(pid: int) -> bool:
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False


def test_results_of_all_and_the_lines_of_the_first() -> None:
    process = launcher(REPORTS)
    lines, last = said(process)
    assert process.returncode == 0
    assert lines == ["step 0"]
    assert [one["result"] for one in last["results"]] == [{"rank": 0}, {"rank": 1}]
    assert last["ended"] == ""


def test_one_that_fails_ends_the_other() -> None:
    process = launcher(FAILS)
    _, last = said(process)
    assert (process.returncode, last["ended"]) == (3, "failed")
    first, second = last["results"]
    assert (first["ended"], first["exit_code"]) == (True, -signal.SIGTERM)
    assert (second["ended"], second["exit_code"]) == (False, 1)
    assert "no more" in second["stderr"]


def test_the_limit_ends_them() -> None:
    _, last = said(launcher(SLEEPS, limit=1))
    assert last["ended"] == "limit"


def test_sigterm_ends_even_what_hears_no_signal() -> None:
    process = launcher(DEAF + SLEEPS)
    worker = worker_of(process)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert json.loads(out.splitlines()[-1])["ended"] == "stopped"
    assert gone(worker)


def test_they_end_where_nobody_listens_any_more() -> None:
    process = launcher(SLEEPS)
    worker = worker_of(process)
    assert process.stdout
    process.stdout.close()
    assert process.wait(timeout=30) == 3
    assert gone(worker)
    assert process.stderr
    process.stderr.close()


def test_they_die_with_their_launcher() -> None:
    process = launcher(SLEEPS)
    worker = worker_of(process)
    process.kill()
    process.communicate(timeout=30)
    assert gone(worker)


def test_another_measurement_is_waited_for_then_told() -> None:
    process = launcher(REPORTS, TAKEN)
    _, last = said(process)
    assert process.returncode == 3
    assert last["error"]["what"] == "busy"


def test_proxies_do_not_come_between_the_rigs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.invalid:1")
    monkeypatch.setenv("no_proxy", "mine.invalid")
    text = "import json, os\nprint(json.dumps(dict(os.environ)))"
    _, last = said(launcher(text))
    told = last["results"][0]["result"]
    assert told["no_proxy"] == told["no_grpc_proxy"] == "mine.invalid,192.0.2.1"
    assert told["https_proxy"] == "http://proxy.invalid:1", "a download may need it"


def reach(**sent: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401 - what is sent
    process = subprocess.Popen(
        [sys.executable, "-I", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin
    process.stdin.write(program("together_reach.py", sent))
    process.stdin.close()
    process.stdin = None
    return process


def test_places_are_told_apart_by_their_token() -> None:
    listening = reach(
        job="listen", addresses=["127.0.0.1", "192.0.2.1"], port=0, token="right", limit=20
    )
    try:
        assert listening.stdout
        says = json.loads(listening.stdout.readline())
        assert list(says["troubles"]) == ["192.0.2.1"]
        place = {"of": "a", "address": "127.0.0.1", "port": says["port"]}
        wrong, shut = {**place, "token": "wrong"}, {**place, "port": 1, "token": "right"}
        trying = reach(job="connect", places=[{**place, "token": "right"}, wrong, shut], limit=5)
        out, _ = trying.communicate(timeout=30)
        assert json.loads(out) == ["", "another machine answers there", "Connection refused"]
    finally:
        os.kill(listening.pid, signal.SIGTERM)
        listening.communicate(timeout=30)


def test_a_look_has_where_ssh_arrived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.9 50000 192.0.2.1 22")
    out, _ = reach(job="look", framework="").communicate(timeout=30)
    found = json.loads(out)
    assert found["arrived"] == "192.0.2.1"
    assert not any(one["network"].startswith("127.") for one in found["addresses"])
