"""A run cut at any point is finished by running it again: killed controller, cut SSH, power off."""

from __future__ import annotations

import os
import re
import signal
import tempfile
import time
from typing import TYPE_CHECKING

import pytest
from rigs import dlrig, reach, start

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from provision.box import Box

STEPS = ("--data", "synthetic", "--steps", "30")


def wait_for(condition: Callable[[], bool], what: str, limit: float = 480) -> None:
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.1)
    message = f"{what}: not within {limit:g} s"
    raise AssertionError(message)


def runs(box: Box, pattern: str) -> bool:
    """Whether a process whose command line has ``pattern`` runs in the box."""
    lines = box.shell("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '", check=False).stdout
    return re.search(pattern, lines) is not None


def end(run: subprocess.Popen[str]) -> str:
    """What the stopped run said; it must have ended."""
    try:
        out, _ = run.communicate(timeout=300)
    except BaseException:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        raise
    return out


@pytest.fixture
def scratch() -> Iterator[str]:
    """Temporary files of a run that is killed, which nobody else removes; the path of a socket must be short."""
    with tempfile.TemporaryDirectory(prefix="cut-") as folder:
        yield folder


def test_three_cuts_and_a_finished_rig(
    tmp_path: Path, fresh_box: Callable[..., Box], scratch: str
) -> None:
    box = fresh_box(wheels=True)
    up = ("up", *reach(box), "--yes", *STEPS, "-v")

    # 1. The controller is killed, with everything it started, while apt unpacks packages.
    run = start(tmp_path, *up, TMPDIR=scratch)
    wait_for(lambda: runs(box, "dpkg .*--unpack"), "apt begins to unpack")
    os.killpg(run.pid, signal.SIGKILL)
    end(run)

    # 2. SSH is cut while the environment's packages are installed.
    run = start(tmp_path, *up)
    wait_for(lambda: runs(box, "uv pip install"), "uv begins")
    # For good: a cut of a second is bridged, since Ansible only asks now and then how far it is.
    box.shell("systemctl stop ssh.socket ssh; pkill -KILL sshd", check=False)
    said = end(run)
    box.shell("systemctl start ssh")
    assert run.returncode == 3, said[-3000:]
    assert "run the same command again" in " ".join(said.split())
    assert "Traceback" not in said

    # 3. The power goes while they are installed once more.
    box.shell(
        "pkill -KILL uv; rm -rf /opt/dlrig/envs/tensorflow/dlrig-environment.json", check=False
    )
    run = start(tmp_path, *up)
    wait_for(lambda: runs(box, "uv pip install") or "tensorflow" in listing(box), "uv begins again")
    box.power_cut()
    os.killpg(run.pid, signal.SIGTERM)
    end(run)
    box.power_on()

    # And a rerun finishes the job.
    ran = dlrig(tmp_path, *up)
    assert ran.code == 0, ran.text[-3000:]
    plan = dlrig(tmp_path, "plan", *reach(box), "--json").document
    assert plan["actions"] == []
    assert dlrig(tmp_path, *up).code == 0


def listing(box: Box) -> str:
    return box.shell("ls /opt/dlrig/envs 2>/dev/null", check=False).stdout


def test_ctrl_c_says_how_to_go_on(tmp_path: Path, fresh_box: Callable[..., Box]) -> None:
    box = fresh_box(wheels=True)
    run = start(tmp_path, "up", *reach(box), "--yes", *STEPS, "-v")
    wait_for(lambda: runs(box, "apt-get"), "apt begins")
    os.killpg(run.pid, signal.SIGINT)
    said = end(run)
    assert run.returncode == 130, said[-3000:]
    assert "run the same command again" in " ".join(said.split())
    assert "Traceback" not in said


def test_a_locked_package_manager_is_waited_for_and_named(
    tmp_path: Path, fresh_box: Callable[..., Box]
) -> None:
    box = fresh_box(python=True, wheels=True)
    hold = (
        "import fcntl, time; f = open('/var/lib/dpkg/lock-frontend', 'w'); fcntl.lockf(f, fcntl.LOCK_EX); "
        "open('/run/held', 'w').close(); time.sleep(25)"
    )
    box.shell(f'setsid python3 -c "{hold}" >/dev/null 2>&1 &')
    wait_for(
        lambda: not box.shell("test -e /run/held", check=False).returncode,
        "the lock is held",
        limit=10,
    )
    begin = time.monotonic()
    run = dlrig(tmp_path, "up", *reach(box), "--yes", "-v", *STEPS)
    assert "lock is held by python3" in " ".join(run.text.split())
    assert "Wait for other package managers to finish" in run.text
    assert run.code == 0, run.text[-3000:]
    assert time.monotonic() - begin > 15
