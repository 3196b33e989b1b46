"""What a login finds: its variables, found in real files by the reading itself, and its limits."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from hostile_answers import QUICK, answers, outcomes, said, torture, whole_facts
from hypothesis import given

from provision.facts.health import user
from provision.facts.health.user import UNLIMITED, Setting

if TYPE_CHECKING:
    from pathlib import Path

    from provision.facts.reading import Outcome

SAMPLE = """\
home=/home/rigger
set /etc/environment:3 CUDA_VISIBLE_DEVICES
set /home/rigger/.bashrc:120 LD_LIBRARY_PATH /usr/local/cuda/lib64:$LD_LIBRARY_PATH
set systemd LD_PRELOAD
set /etc/environment:4 AWS_SECRET_ACCESS_KEY hush
set /etc/environment:5 CUDA_PROFILE hush
closed /home/rigger/.profile
"""
LIMITS = "open files=1024 1048576\nlocked memory=unlimited unlimited\nwithin=session-3.scope\n"
STRANGE = (
    "set",
    "set x",
    "set a CUDA_PROFILE " + "y" * 9000,
    "open files=",
    "locked memory=x y",
    "home=",
)
READING = next(reading for reading in user.READINGS if reading.name == user.ENVIRONMENT)


def test_variables_and_no_other_value_than_the_paths() -> None:
    found = user.parse(answers(login_environment=SAMPLE))
    assert found.settings == (
        Setting(where="/etc/environment:3", name="CUDA_VISIBLE_DEVICES"),
        Setting(
            where="/home/rigger/.bashrc:120",
            name="LD_LIBRARY_PATH",
            value="/usr/local/cuda/lib64:$LD_LIBRARY_PATH",
        ),
        Setting(where="systemd", name="LD_PRELOAD"),
        Setting(where="/etc/environment:5", name="CUDA_PROFILE"),
    )
    assert (found.read, found.closed) == (True, ("/home/rigger/.profile",))


def test_limits() -> None:
    found = user.parse(answers(login_limits=LIMITS))
    assert (found.memlock, found.memlock_most) == (UNLIMITED, UNLIMITED)
    assert (found.nofile, found.nofile_most) == (1024, 1048576)
    assert user.parse(answers(login_limits="")).memlock is None


@pytest.mark.parametrize(
    ("within", "login"),
    [
        ("session-3.scope", True),
        ("ssh.service", True),
        ("sshd@4-10.0.0.1:22-10.0.0.2:5000.service", True),
        ("user@1000.service", True),
        ("getty@tty1.service", True),
        ("", True),
        ("dlrig-watch.service", False),
        ("slurmd.service", False),
    ],
)
def test_what_counts_as_a_login(within: str, login: bool) -> None:  # noqa: FBT001 - a column
    assert user.parse(answers(login_limits=f"within={within}\n")).login is login


@QUICK
@given(outcomes(SAMPLE, STRANGE), outcomes(LIMITS, STRANGE))
def test_any_answer_can_be_parsed(environment: Outcome, limits: Outcome) -> None:
    whole_facts(answers(login_environment=environment, login_limits=limits))


def test_a_flood_can_be_parsed() -> None:
    torture(user.parse, "login_environment", SAMPLE, STRANGE)
    torture(user.parse, "login_limits", LIMITS, STRANGE)


# --- the reading itself, on a home folder of the test's own ----------------------------------------------------------

FILES = {
    ".bashrc": """\
# export CUDA_PROFILE=1
export CUDA_VISIBLE_DEVICES=0 TOKEN=hush
  export LD_LIBRARY_PATH="/usr/local/cuda/lib64/stubs:$LD_LIBRARY_PATH"
CUDA_LAUNCH_BLOCKING=1 python train.py
alias t='CUDA_PROFILE=1 x'
PASSWORD=hush; export CUDA_INJECTION64_PATH=/x
test -d /x && export NVIDIA_TF32_OVERRIDE=0
MY_CUDA_PROFILE=1
""",
    ".profile": "COMPUTE_PROFILE=1 # why\ndeclare -x CUDA_AUTO_BOOST=0\n",
    ".pam_environment": "OPENCL_PROFILE DEFAULT=1\nSECRET DEFAULT=hush\n",
    ".config/environment.d/x.conf": "LD_PRELOAD=/x.so\n",
}
EXPECTED = {
    (".bashrc:2", "CUDA_VISIBLE_DEVICES"),
    (".bashrc:3", "LD_LIBRARY_PATH"),
    (".bashrc:6", "CUDA_INJECTION64_PATH"),
    (".bashrc:7", "NVIDIA_TF32_OVERRIDE"),
    (".profile:1", "COMPUTE_PROFILE"),
    (".profile:2", "CUDA_AUTO_BOOST"),
    (".pam_environment:1", "OPENCL_PROFILE"),
    (".config/environment.d/x.conf:1", "LD_PRELOAD"),
}


@pytest.mark.subprocess
def test_the_files_of_a_login_are_searched_and_nothing_else_is_told(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for name, text in FILES.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    getent = tmp_path / "getent"
    getent.write_text(f"#!/bin/sh\necho rigger:x:1000:1000::{home}:/bin/bash\n")
    getent.chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", READING.command],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "LC_ALL": "C", "DLRIG_LOGIN": "rigger"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stderr == ""
    assert "hush" not in done.stdout
    found = user.parse(answers(login_environment=said(done.stdout)))
    ours = {
        (one.where.removeprefix(f"{home}/"), one.name)
        for one in found.settings
        if one.where.startswith(str(home))
    }
    assert ours == EXPECTED
    (path,) = {one.value for one in found.settings if one.where.endswith(".bashrc:3")}
    assert path == "/usr/local/cuda/lib64/stubs:$LD_LIBRARY_PATH"
