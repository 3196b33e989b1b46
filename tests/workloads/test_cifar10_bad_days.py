"""What goes wrong on a rig, and what the workloads say of it: one object with its kind, and nothing left."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import os
import re
import resource
import subprocess
import sys
import tarfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from cpu_environments import WORKLOADS, made

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.box

FRAMEWORKS = ("tensorflow", "torch")
START = 'if __name__ == "__main__":\n'
HUNG = """
def measure(_):
    import ctypes
    mutex, library = ctypes.create_string_buffer(64), ctypes.CDLL(None)
    print("ready", flush=True)
    library.pthread_mutex_lock(mutex), library.pthread_mutex_lock(mutex)

"""
"""In place of the measuring: the main thread waits outside Python for good, as for a device that does not answer."""
POISON = "LAYERS = tuple(layer._replace(deviation=math.nan) for layer in LAYERS)\n"


def source(framework: str, changed: str = "") -> bytes:
    """The program as it is sent, with lines put before its start."""
    text = (WORKLOADS / f"cifar10_{framework}.py").read_text(encoding="utf-8")
    assert text.count(START) == 1
    return text.replace(START, changed + START).encode()


@contextmanager
def started(
    python: Path | str,
    program: bytes,
    folder: Path,
    *arguments: str,
    **popen: Any,  # noqa: ANN401 - as Popen takes them
) -> Iterator[subprocess.Popen[bytes]]:
    """The program, sent over standard input, in a session of its own; ended by its pid at the latest."""
    environment = os.environ | {"TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | popen
    with subprocess.Popen(
        [python, "-", *arguments, "--json"],
        stdin=subprocess.PIPE,
        env=environment,
        cwd=folder,
        start_new_session=True,
        **pipes,
    ) as process:
        try:
            assert process.stdin is not None
            process.stdin.write(program)
            process.stdin.close()
            process.stdin = None
            yield process
        finally:
            process.kill()


def failed(
    python: Path | str,
    program: bytes,
    folder: Path,
    *arguments: str,
    **popen: Any,  # noqa: ANN401 - as Popen takes them
) -> tuple[int, dict[str, str]]:
    """Exit code, and the error that its last line is."""
    with started(python, program, folder, *arguments, **popen) as process:
        out, err = process.communicate(timeout=120)
    assert b"Traceback" not in err
    last = (out or err).decode().splitlines()[-1]
    return process.returncode, json.loads(last)["error"]


def alive(session: int) -> list[str]:
    """Processes of a session, but for those that only wait to be noticed as ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            _, state, _, _, theirs, *_ = stat.read_text().rpartition(")")[2].split(" ", 5)
        except OSError:
            continue
        if int(theirs) == session and state != "Z":
            found.append(stat.parent.name)
    return found


def wait_until_it_waits(pid: int) -> None:
    """Until the main thread sleeps, seen ten times in a row."""
    stat, asleep = Path(f"/proc/{pid}/stat"), 0
    for _ in range(600):
        asleep = asleep + 1 if stat.read_text().rpartition(")")[2].split()[0] == "S" else 0
        if asleep == 10:
            return
        time.sleep(0.05)
    pytest.fail("it never waits")


@pytest.mark.parametrize("framework", [*FRAMEWORKS, "jax"])
def test_data_that_are_not_there(framework: str, tmp_path: Path) -> None:
    missing = str(tmp_path / "none.npz")

    code, error = failed(sys.executable, source(framework), tmp_path, "--data", missing)

    assert (code, error["kind"]) == (2, "no-data")
    assert missing in error["what"]
    assert "--data synthetic" in error["hint"]


@pytest.mark.parametrize("framework", [*FRAMEWORKS, "jax"])
def test_a_python_without_the_framework(framework: str, tmp_path: Path) -> None:
    code, error = failed(sys.executable, source(framework), tmp_path, "--data", "synthetic")

    assert (code, error["kind"]) == (3, "no-framework")
    assert sys.executable in error["what"]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_loss_that_is_no_number(framework: str, tmp_path: Path) -> None:
    asked = ("--data", "synthetic", "--mode", "limit")

    code, error = failed(made(framework), source(framework, POISON), tmp_path, *asked)

    assert (code, error["kind"]) == (3, "not-a-number")
    assert error["what"] == "The loss is nan at step 0"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_run_that_is_ended_by_a_signal(framework: str, tmp_path: Path) -> None:
    asked = ("--steps", "1000000", "--data", "synthetic")
    with started(made(framework), source(framework), tmp_path, *asked) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert re.search(rb": step 0, loss = 4\.6", first), first
        process.terminate()
        out, err = process.communicate(timeout=60)
        left = alive(process.pid)

    assert process.returncode == 3, err
    assert json.loads(out.splitlines()[-1])["error"]["kind"] == "interrupted"
    assert b"Traceback" not in err
    assert not left
    assert not list(tmp_path.iterdir())


def test_a_signal_while_a_device_does_not_answer(tmp_path: Path) -> None:
    with started(sys.executable, source("torch", HUNG), tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        wait_until_it_waits(process.pid)
        begun = time.monotonic()
        process.terminate()
        out, _ = process.communicate(timeout=60)

    assert process.returncode == 3
    assert json.loads(out.splitlines()[-1])["error"]["kind"] == "interrupted"
    assert 4 < time.monotonic() - begun < 20


def test_a_time_limit_while_a_device_does_not_answer(tmp_path: Path) -> None:
    begun = time.monotonic()

    code, error = failed(sys.executable, source("torch", HUNG), tmp_path, "--time-limit", "1")

    assert (code, error["kind"]) == (3, "no-time")
    assert "time limit of 1 s" in error["what"]
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_gpu_that_is_not_there(framework: str, tmp_path: Path) -> None:
    if any(Path("/dev").glob("nvidia[0-9]*")):
        pytest.skip("this machine has a GPU")

    code, error = failed(
        made(framework), source(framework), tmp_path, "--device", "all", "--data", "synthetic"
    )

    assert (code, error["kind"]) == (3, "no-device")
    assert "sees no GPU" in error["what"]


def test_a_full_disk_for_the_results(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        code, error = failed(
            made("torch"), source("torch"), tmp_path, "--data", "synthetic", stdout=full
        )

    assert (code, error["kind"]) == (3, "disk-full")
    assert "No space left" in error["what"]


def archive() -> bytes:
    """Sixty images that look like noise in each of the six parts of the binary form."""
    random, target = np.random.default_rng(5), io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        for name in (*(f"data_batch_{part}" for part in range(1, 6)), "test_batch"):
            records = random.integers(0, 256, (60, 3073), np.uint8)
            records[:, 0] %= 10
            entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            entry.size = records.nbytes
            tar.addfile(entry, io.BytesIO(records.tobytes()))
    return target.getvalue()


@contextmanager
def served(content: bytes) -> Iterator[str]:
    """The content at an address of this machine's own."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/cifar.tar.gz"
        finally:
            server.shutdown()
            thread.join(10)


@pytest.mark.parametrize("full", [False, True], ids=["room", "full"])
def test_a_full_disk_for_the_cache(full: bool, tmp_path: Path) -> None:  # noqa: FBT001 - parametrized
    content, cache = archive(), tmp_path / "cache"
    cache.mkdir()
    checksum = hashlib.md5(content, usedforsecurity=False).hexdigest()
    changed = f"ARCHIVES[{checksum!r}] = 'cifar-10-batches-bin'\n"
    changed += "measure = lambda options: {'note': load(options).note}\n"
    limit = (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))) if full else None

    with served(content) as address:
        asked = ("--mirror", address, "--cache", str(cache), "--batch", "32")
        with started(
            sys.executable, source("tensorflow", changed), tmp_path, *asked, preexec_fn=limit
        ) as process:
            out, err = process.communicate(timeout=60)

    assert process.returncode == 0, err
    note = json.loads(out)["note"]
    assert note.startswith(f"{address}, checksum verified")
    assert note.endswith(f"; not kept in {cache}: File too large") == full
    assert [path.name for path in cache.iterdir()] == ([] if full else ["cifar-10-python.tar.gz"])
