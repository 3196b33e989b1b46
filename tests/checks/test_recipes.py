"""The files of ``docs/recipes``: each runs as its scheduler would run it, as far as that goes without the scheduler.

``scontrol``, ``logger`` and most runs of ``dlrig`` are stand-ins: small scripts that note how they were called. One run
is the real thing, on this machine.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from provision.facts.watch import Note

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
FILES = ROOT / "docs" / "recipes" / "files"
SCRIPTS = sorted(path for path in FILES.rglob("*") if path.is_file() and os.access(path, os.X_OK))
DLRIG = Path(sys.executable).parent / "dlrig"
OUTPUT = 80
"""node-problem-detector's default max_output_length."""


def run(script: Path, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """As a daemon does: with next to nothing in the environment."""
    return subprocess.run(
        [str(script)],
        cwd="/",
        env={"SLURM_BIN": str(folder), "TMPDIR": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_posix_shell(script: Path) -> None:
    assert script.read_text().startswith("#!/bin/sh\n")
    assert subprocess.run(["sh", "-n", str(script)], check=False).returncode == 0


Node = str
IDLE = "NodeName=gpu7 Arch=x86_64 State=IDLE ThreadsPerCore=1"
OURS = "NodeName=gpu7 State=IDLE+DRAIN ThreadsPerCore=1 Reason=dlrig: rejected [root@2026-11-23T10:00:00]"
THEIRS = "NodeName=gpu7 State=IDLE+DRAIN ThreadsPerCore=1 Reason=new fan [ada@2026-11-23T10:00:00]"
DOWN = "NodeName=gpu7 State=DOWN*+POWERED_DOWN ThreadsPerCore=1"
SAID = """DLRIG {} - local "rejected", 70 checks, 1 failed (driver/xid: $(reboot) `id` 'x' é) | pass=69 fail=1"""


@pytest.fixture
def slurm(tmp_path: Path) -> Callable[..., tuple[int, list[str]]]:
    """Runs the health check on a node; the exit code, and how the stand-ins were called."""
    calls = tmp_path / "calls"

    def check(
        node: Node, code: int, *, script: str = "dlrig-healthcheck", slow: int = 0
    ) -> tuple[int, list[str]]:
        calls.write_text("")
        words = {0: "OK", 1: "WARNING", 2: "CRITICAL"}
        (tmp_path / "said").write_text(SAID.format(words.get(code, "UNKNOWN")) + "\n")
        (tmp_path / "node").write_text(node + "\n")
        note = f'for each; do printf "%s\\t" "$each"; done >>{calls}; echo >>{calls}\n'
        _stand_in(tmp_path / "scontrol", f'[ "$1" = -o ] && exec cat {tmp_path}/node\n{note}')
        _stand_in(tmp_path / "logger", f"printf 'log\\t' >>{calls}\n{note}")
        _stand_in(tmp_path / "dlrig", f"sleep {slow}\ncat {tmp_path}/said\nexit {code}\n")
        done = run(
            FILES / "slurm" / script,
            tmp_path,
            SLURMD_NODENAME="gpu7",
            DLRIG=str(tmp_path / "dlrig"),
            DLRIG_LIMIT="1",
        )
        assert not list(tmp_path.glob("tmp.*")), "the state of the run is left behind"
        return done.returncode, calls.read_text().split("\n")[:-1]

    return check


def _stand_in(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}")
    path.chmod(0o755)


def test_slurm_drains_a_rejected_node_and_says_why(
    slurm: Callable[..., tuple[int, list[str]]],
) -> None:
    code, (call,) = slurm(IDLE, 2)
    assert code == 0
    update, node, state, reason, _ = call.split("\t")
    assert (update, node, state) == ("update", "NodeName=gpu7", "State=DRAIN")
    assert reason.startswith(
        "Reason=dlrig: DLRIG CRITICAL - local rejected, 70 checks, 1 failed (driver/xid"
    )
    assert "|" not in reason
    assert '"' not in reason
    assert reason.isascii()


@pytest.mark.parametrize("node", [OURS, THEIRS, DOWN])
def test_slurm_drains_nobody_twice(slurm: Callable[..., tuple[int, list[str]]], node: Node) -> None:
    assert slurm(node, 2) == (0, [])


@pytest.mark.parametrize("code", [0, 1])
def test_slurm_resumes_what_it_drained_itself_alone(
    slurm: Callable[..., tuple[int, list[str]]], code: int
) -> None:
    assert slurm(OURS, code) == (0, ["update\tNodeName=gpu7\tState=RESUME\t"])
    for node in (IDLE, THEIRS, DOWN):
        assert slurm(node, code) == (0, [])


@pytest.mark.parametrize(("code", "slow"), [(3, 0), (70, 0), (0, 5)])
def test_slurm_leaves_what_could_not_be_measured(
    slurm: Callable[..., tuple[int, list[str]]], code: int, slow: int
) -> None:
    for node in (IDLE, OURS):
        done, (call,) = slurm(node, code, slow=slow)
        assert done == 0
        assert call.startswith("log\t-t\tdlrig-healthcheck\t--\tgpu7 was not checked")


@pytest.mark.parametrize(("code", "refused"), [(0, 0), (1, 0), (2, 1), (3, 0), (70, 0)])
def test_slurms_prolog_refuses_a_rejected_rig_alone(
    slurm: Callable[..., tuple[int, list[str]]], code: int, refused: int
) -> None:
    assert slurm(IDLE, code, script="dlrig-prolog") == (refused, [])


def test_slurms_prolog_lets_a_job_run_where_dlrig_hangs(
    slurm: Callable[..., tuple[int, list[str]]],
) -> None:
    assert slurm(IDLE, 2, script="dlrig-prolog", slow=4) == (0, [])


def test_slurm_gives_the_health_check_more_time_than_it_takes() -> None:
    settings = dict(
        line.split("=", 1)
        for line in (FILES / "slurm" / "slurm.conf").read_text().splitlines()
        if not line.startswith("#")
    )
    script = (FILES / "slurm" / "dlrig-healthcheck").read_text()
    found = re.search(r"timeout -k (\d+) \"\$\{DLRIG_LIMIT:-(\d+)\}\"", script)
    assert found
    assert int(found[1]) + int(found[2]) < 60 < int(settings["HealthCheckInterval"])
    assert Path(settings["HealthCheckProgram"]).name == "dlrig-healthcheck"
    assert Path(settings["Prolog"]).name == "dlrig-prolog"


def test_the_health_check_with_the_real_dlrig_on_this_machine(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    calls.touch()
    _stand_in(
        tmp_path / "scontrol", f'[ "$1" = -o ] && {{ echo "{IDLE}"; exit; }}\necho "$@" >>{calls}\n'
    )
    _stand_in(tmp_path / "logger", f'echo "$@" >>{calls}\n')
    script = FILES / "slurm" / "dlrig-healthcheck"
    settings = {"DLRIG_CHECKS": "hardware", "DLRIG_LIMIT": "90", "HOME": str(tmp_path)}
    done = run(script, tmp_path, DLRIG=str(DLRIG), SLURMD_NODENAME="here", **settings)
    assert done.returncode == 0, done.stderr
    said = calls.read_text()
    assert "no answer in time" not in said
    # Whatever this machine is: accepted, or drained with what dlrig found.
    assert (
        said == "" or "DLRIG CRITICAL - local rejected" in said or "DLRIG UNKNOWN - local" in said
    )


def loaded() -> str:
    path = Path("/sys/module/nvidia/version")
    return path.read_text().strip() if path.exists() else ""


def note(**changes: object) -> Note:
    plain = Note(
        kernel=os.uname().release,
        loaded=loaded(),
        installed="",
        verdict="accepted",
        started="2026-11-23T10:00:00+00:00",
        how="check",
        summary="accepted, 70 checks",
        line="DLRIG OK",
        exit_code=0,
    )
    return msgspec.structs.replace(plain, **changes)


LONG = "rejected, 9 of 70 failed (driver/driver_loaded, driver/nvidia_smi_answers, driver/gpu_count, …)"


@pytest.mark.parametrize(
    ("left", "code", "said"),
    [
        (note(), 0, "accepted, 70 checks"),
        (
            note(verdict="accepted with warnings", summary="accepted with warnings"),
            0,
            "accepted with",
        ),
        (
            note(verdict="rejected", summary=LONG),
            1,
            "rejected, 9 of 70 failed (driver/driver_loaded",
        ),
        (note(verdict="incomplete", summary="incomplete, 1 of 70"), 2, "incomplete, 1 of 70"),
        (note(kernel="5.0-old"), 2, f"kernel {os.uname().release} was not checked yet"[:OUTPUT]),
        (note(loaded="1.2.3"), 2, "was not checked yet"),
        (None, 2, "this rig was never checked"),
    ],
)
def test_node_problem_detectors_contract(
    tmp_path: Path, left: Note | None, code: int, said: str
) -> None:
    if left:
        text = msgspec.json.format(msgspec.json.encode(left), indent=1)
        (tmp_path / "verdict.json").write_bytes(text + b"\n")
    done = run(FILES / "kubernetes" / "check_dlrig.sh", tmp_path, DLRIG_NOTES=str(tmp_path))
    assert done.returncode == code
    assert said in done.stdout
    assert done.stdout.count("\n") == 1
    assert len(done.stdout.strip().encode()) <= OUTPUT
    assert done.stderr == ""


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b'"verdict": "accepted",\n'])
def test_a_note_that_cannot_be_read_is_not_known(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "verdict.json").write_bytes(content)
    done = run(FILES / "kubernetes" / "check_dlrig.sh", tmp_path, DLRIG_NOTES=str(tmp_path))
    assert done.returncode == 2


def test_node_problem_detector_would_take_the_configuration() -> None:
    """The rules of its ``CustomPluginConfig.Validate``."""
    found = json.loads((FILES / "kubernetes" / "dlrig-monitor.json").read_text())
    assert found["plugin"] == "custom"
    settings = found["pluginConfig"]
    seconds = {
        name: int(settings[name].removesuffix("s")) for name in ("timeout", "invoke_interval")
    }
    assert settings["max_output_length"] == OUTPUT
    conditions = {each["type"] for each in found["conditions"]}
    for rule in found["rules"]:
        assert (
            int(rule["timeout"].removesuffix("s"))
            <= seconds["timeout"]
            <= seconds["invoke_interval"]
        )
        assert rule["type"] == "permanent"
        assert rule["condition"] in conditions
        assert (FILES / "kubernetes" / Path(rule["path"]).name).is_file()


_FIELD = r"(?:\*|\d+(?:-\d+)?)(?:/\d+)?(?:,\d+(?:-\d+)?)*"


def test_crons_file_is_one_that_cron_reads(tmp_path: Path) -> None:
    """crontab(5): five fields, the user, the command; ``%`` would be a newline; run-parts' names have no dot."""
    path = FILES / "cron" / "dlrig"
    assert re.fullmatch(r"[A-Za-z0-9_-]+", path.name)
    text = path.read_text()
    assert text.endswith("\n")
    jobs = [line for line in text.splitlines() if line and not re.match(r"#|\w+=", line)]
    (job,) = jobs
    found = re.fullmatch(rf"((?:{_FIELD} ){{5}})root (.+)", job)
    assert found
    assert "%" not in found[2]
    for code, expected in ((0, ""), (1, "DLRIG"), (2, "DLRIG"), (3, "DLRIG")):
        _stand_in(tmp_path / "dlrig", f'echo "DLRIG $*"\nexit {code}\n')
        command = found[2].replace("/opt/dlrig/tool/bin/dlrig", str(tmp_path / "dlrig"))
        done = subprocess.run(
            ["/bin/sh", "-c", command], capture_output=True, text=True, check=False
        )
        assert done.stdout.startswith(expected)
        assert bool(done.stdout) == bool(expected)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    units = []
    for path in sorted((FILES / "systemd").iterdir()):
        units.append(tmp_path / path.name)
        text = path.read_text().replace("/opt/dlrig/tool/bin/dlrig", "/bin/true")
        units[-1].write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, units)], capture_output=True, text=True, check=False
    )
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "dlrig" in line]
    assert done.returncode == 0, done.stderr
    assert not ours


def test_the_pages_name_every_file_and_every_option_exists() -> None:
    pages = "".join(path.read_text() for path in (ROOT / "docs" / "recipes").glob("*.md"))
    for path in FILES.rglob("*"):
        if path.is_file():
            assert f"files/{path.relative_to(FILES)}" in pages, path
    texts = pages + "".join(path.read_text() for path in FILES.rglob("*") if path.is_file())
    known = subprocess.run(
        [str(DLRIG), "check", "--help"], capture_output=True, text=True, check=True
    )
    for option in set(re.findall(r"dlrig[^\n|]*check local[^\n|]*?(--[a-z-]+)", texts)):
        assert option in known.stdout


def test_the_waivers_of_the_documentation_are_waivers() -> None:
    text = (ROOT / "docs" / "accepting.md").read_text()
    (example,) = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    for each in tomllib.loads(example)["waiver"]:
        assert each.keys() <= {"check", "rig", "reason", "until"}
