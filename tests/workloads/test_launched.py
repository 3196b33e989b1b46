"""Programs as a check sends them: over standard input, alone on the machine, under the monitor, leaving nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from checks.performance import loading
from checks.performance.loading import Load
from provision.connection.local import LocalConnection
from provision.plan import EnvironmentPlan

if TYPE_CHECKING:
    from checks.performance.seen import Seen

pytestmark = [pytest.mark.box, pytest.mark.usefixtures("scratch")]
LOAD = Load(
    program="repeated_product.py",
    device="cpu",
    arguments=("--seconds", "0.5"),
    each=60.0,
    check="performance/same_results",
)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def environment(python: Path) -> EnvironmentPlan:
    return EnvironmentPlan(
        name="made",
        maker="venv",
        python="3.11",
        pins=(),
        framework="jax",
        version="0.10.2",
        device="cpu",
        path=str(python.parent.parent),
    )


def send(python: Path, load: Load = LOAD) -> Seen:
    connection = LocalConnection()
    rig: Any = SimpleNamespace(run=connection.run, facts=SimpleNamespace(gpus=()), cache={})
    return loading._run(rig, load, environment(python))


def sleeping(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program in the place of the one that is sent."""
    programs = folder / "programs"
    programs.mkdir()
    for name in (*loading.SHARED, LOAD.program):
        (programs / name).write_text((loading._PROGRAMS / name).read_text(encoding="utf-8"))
    (programs / LOAD.program).write_text(text, encoding="utf-8")
    monkeypatch.setattr(loading, "_PROGRAMS", programs)


def test_a_program_is_sent_and_seen(jax_python: Path, scratch: Path) -> None:
    seen = send(jax_python)
    assert (seen.exit_code, seen.timed_out, seen.left) == (0, False, []), seen
    assert seen.result["right"]
    assert seen.result["framework"] == "jax"
    assert "libnvidia-ml.so.1" in seen.nvml["error"]
    assert len(seen.cpu.series["utilisation"]) > 5
    assert list(scratch.iterdir()) == []


def test_a_program_that_hangs_is_ended_and_nothing_stays(
    jax_python: Path,
    scratch: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mark = tmp_path_factory.mktemp("mark") / "pid"
    text = f"import os, time\nopen({str(mark)!r}, 'w').write(str(os.getpid()))\ntime.sleep(300)\n"
    sleeping(tmp_path_factory.mktemp("hang"), text, monkeypatch)
    monkeypatch.setattr(loading, "_START", 1.0)
    monkeypatch.setattr(loading, "MARGIN", 6.0)
    seen = send(
        jax_python, LOAD.__class__(program=LOAD.program, device="cpu", each=1.0, check=LOAD.check)
    )
    assert seen.timed_out
    assert not Path(f"/proc/{mark.read_text()}").exists()
    assert list(scratch.iterdir()) == []


def test_a_connection_that_ends_takes_the_load_with_it(
    jax_python: Path,
    scratch: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mark = tmp_path_factory.mktemp("mark") / "pid"
    text = f"import os, time\nopen({str(mark)!r}, 'w').write(str(os.getpid()))\ntime.sleep(300)\n"
    sleeping(tmp_path_factory.mktemp("cut"), text, monkeypatch)
    source = loading.bundle(LOAD.program, [], 100.0)
    process = subprocess.Popen(
        [jax_python, "-I", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin
    process.stdin.write(source)
    process.stdin.close()
    for _ in range(400):
        if mark.exists() and mark.read_text():
            break
        time.sleep(0.05)
    process.terminate()
    process.wait(timeout=30)
    process.stdout.close() if process.stdout else None
    assert not Path(f"/proc/{mark.read_text()}").exists()
    assert list(scratch.iterdir()) == []


def test_two_measurements_do_not_run_at_once(
    jax_python: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "WAIT", 1.0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as lock:
        lock.bind("\0dlrig-performance")
        seen = send(jax_python)
    assert "another measurement of dlrig ran" in seen.result["error"]["what"]
    assert list(scratch.iterdir()) == []


def test_the_next_one_waits_for_its_turn(jax_python: Path) -> None:
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    lock.bind("\0dlrig-performance")
    threading.Timer(2.0, lock.close).start()
    begun = time.monotonic()
    seen = send(jax_python)
    assert seen.result["right"]
    assert time.monotonic() - begun > 2


# What is sent to a program that does not start stays in the connection's buffer until that is collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_environment_without_a_python() -> None:
    seen = send(Path("/nowhere/bin/python"))
    assert "/nowhere/bin/python does not start" in seen.stderr


def test_variables_of_the_login_do_not_choose_gpus(
    jax_python: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    text = (
        "import json, os, sys\n"
        "print(json.dumps({'right': True, 'chosen': os.environ.get('CUDA_VISIBLE_DEVICES'),"
        " 'path': '/nowhere' in sys.path}))\n"
    )
    sleeping(tmp_path_factory.mktemp("show"), text, monkeypatch)
    seen = send(jax_python)
    assert seen.result == {"right": True, "chosen": None, "path": False}
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"
