"""The whole line on a bare box: up, nothing to do, drift, checks, reports. Tests of this file go in order."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rigs import Ran, dlrig, reach
from wheels import INSIDE, offer, wheelhouse

from provision.box import Box, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

USE_PIP = (
    "set -a; . /etc/environment; set +a; "
    "/opt/dlrig/envs/tensorflow/bin/python -m pip install -q 'wrapt<2' six==1.16.0"
)
STEPS = ("--data", "synthetic", "--steps", "30")


@pytest.fixture(scope="module")
def rig(boxes_possible: None) -> Iterator[Box]:  # noqa: ARG001 - only says whether
    with Box.start("line", settings=Settings(binds={INSIDE: wheelhouse()})) as box:
        offer(box)
        yield box


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("line-state")


def only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def up(rig: Box, state: Path, *more: str) -> Ran:
    return dlrig(state, "up", *reach(rig), "--yes", *STEPS, *more)


def test_a_plan_changes_nothing_and_gives_reasons(rig: Box, state: Path) -> None:
    look = (
        "dpkg-query -W; find /opt /etc /root /home /var/lib /tmp /dev/shm -newermt '-1 hour' | sort"
    )
    before = rig.shell(look).stdout
    ran = dlrig(state, "plan", *reach(rig), "--json")
    assert ran.code == 0, ran.text[-3000:]
    plan = ran.document
    assert {action["role"] for action in plan["actions"]} == {"base", "environments"}
    assert all(decision["reason"] for decision in plan["reasons"])
    assert rig.shell(look).stdout == before
    shown = dlrig(state, "plan", *reach(rig))
    assert "tensorflow" in shown.out
    assert "Debian" in shown.out


def test_a_bare_box_becomes_an_accepted_rig(rig: Box, state: Path) -> None:
    assert rig.shell("command -v python3", check=False).returncode, "the box is not bare"
    ran = up(rig, state)
    assert ran.code == 0, ran.text[-3000:]
    assert "the packages that every rig needs" in ran.text
    assert "accepted" in ran.text
    assert "synthetic" in ran.text
    assert "Traceback" not in ran.text
    version = rig.shell(
        "/opt/dlrig/envs/tensorflow/bin/python -c 'import tensorflow; print(tensorflow.__version__)' 2>/dev/null"
    )
    assert version.stdout.strip() == "2.21.0"


def test_the_reports_are_whole(rig: Box, state: Path) -> None:  # noqa: ARG001 - after the test before
    page = max(state.glob("runs/*/report.html"), key=lambda path: path.stat().st_mtime)
    text = page.read_text()
    assert "<svg" in text
    assert "synthetic" in text.lower()
    assert 'src="http' not in text
    assert "<link" not in text
    assert "<script" not in text
    junit = ET.parse(page.parent / "junit.xml").getroot()
    assert list(junit.iter("testcase"))
    ran = dlrig(state, "report", "--format", "json")
    assert ran.code == 0, ran.text[-3000:]
    acceptance = ran.document
    by_check = {result["check"]: result for result in acceptance["results"]}
    smoke = next(result for name, result in by_check.items() if "cifar10" in name)
    assert smoke["status"] in {"pass", "warn"}, smoke
    assert "synthetic" in smoke["message"]
    assert any("step 10, loss = " in line for line in smoke["log"])
    (loss,) = (figure for figure in smoke["figures"] if figure["name"] == "loss")
    assert loss["samples"][0] == pytest.approx(4.68, abs=0.1)
    assert {"hardware", "runtime", "training"} <= {name.split("/")[0] for name in by_check}
    nagios = dlrig(state, "report", "--format", "nagios")
    assert nagios.code in {0, 1}
    assert len(nagios.out.strip().splitlines()) == 1


def test_a_second_run_finds_nothing_to_do_without_ansible(rig: Box, state: Path) -> None:
    runs = set(state.glob("runs/*"))
    connections = "journalctl --no-pager | grep -c 'Accepted publickey for rigger'"
    before = int(rig.shell(connections, check=False).stdout.split()[-1])
    ran = up(rig, state)
    assert ran.code == 0, ran.text[-3000:]
    assert "nothing to do" in ran.text
    (new,) = set(state.glob("runs/*")) - runs
    assert [path.name for path in new.iterdir()] == ["transcript.json"], (
        "more than the facts was done"
    )
    after = int(rig.shell(connections, check=False).stdout.split()[-1])
    assert after - before == 1, "more than one connection"


@pytest.mark.parametrize(
    ("drift", "role", "words"),
    [
        ("dpkg --remove --force-depends bzip2", "base", "bzip2"),
        ("echo '# mine' >>/etc/security/limits.d/90-dlrig.conf", "base", "edited"),
        (
            "cd /opt/dlrig/envs/tensorflow/lib/python3*/site-packages && cp -r wrapt-*.dist-info wrapt-0.1.dist-info",
            "environments",
            "wrapt",
        ),
        (USE_PIP, "environments", "six"),
        ("rm -f /opt/dlrig/envs/tensorflow/bin/python*", "environments", "does not start"),
    ],
)
def test_only_what_drifted_is_applied(
    rig: Box, state: Path, drift: str, role: str, words: str
) -> None:
    rig.shell(drift)
    seen = dlrig(state, "plan", *reach(rig), "--json")
    plan = seen.document
    assert {action["role"] for action in plan["actions"]} == {role}
    assert words in json.dumps(plan["actions"])
    runs = set(state.glob("runs/*"))
    ran = up(rig, state, "--json", "--no-check")
    assert ran.code == 0, ran.text[-3000:]
    outcome = ran.document
    assert outcome["changed"]
    (new,) = set(state.glob("runs/*")) - runs
    tasks = only(new, "**/stdout").read_text()
    other = {"base": "environments", "environments": "base"}[role]
    # Ansible validates the arguments of every role, whatever the tags; that does nothing on the rig.
    ran_tasks = [
        line
        for line in tasks.splitlines()
        if line.startswith("TASK [") and "Validating" not in line
    ]
    assert any(f"[{role} : " in line for line in ran_tasks)
    assert not any(f"[{other} : " in line for line in ran_tasks)
    after = dlrig(state, "plan", *reach(rig), "--json").document
    assert after["actions"] == []


def test_after_all_that_the_rig_is_still_accepted(rig: Box, state: Path) -> None:
    ran = up(rig, state)
    assert ran.code == 0, ran.text[-3000:]
    assert "accepted" in ran.text


def test_check_and_bench_change_nothing(rig: Box, state: Path) -> None:
    ran = dlrig(state, "check", *reach(rig), "-m", "not training", "--json")
    assert ran.code == 0, ran.text[-3000:]
    acceptance = ran.document
    assert acceptance["scope"] == "not training"
    ran = dlrig(state, "bench", *reach(rig), *STEPS, "--json")
    assert ran.code == 0, ran.text[-3000:]
    bench = ran.document
    assert {result["check"].split("/")[0] for result in bench["results"]} == {
        "performance",
        "training",
    }


def test_a_rig_that_fails_a_check_is_rejected(rig: Box, state: Path) -> None:
    """The framework no longer imports: the exit code and the terminal say so."""
    package = "/opt/dlrig/envs/tensorflow/lib/python3.11/site-packages/tensorflow/__init__.py"
    rig.shell(f"cp {package} /root/kept; echo 'raise ImportError(\"broken by hand\")' >{package}")
    try:
        ran = dlrig(state, "check", *reach(rig), "-m", "runtime")
    finally:
        rig.shell(f"cp /root/kept {package}")
    assert ran.code == 1, ran.text[-3000:]
    assert "rejected" in ran.text
    assert "broken by hand" in ran.text
    assert "Traceback" not in ran.text


def test_history_and_comparison_look_back(rig: Box, state: Path) -> None:
    listed = dlrig(state, "history", "--json")
    assert len(listed.document) >= 4
    compared = dlrig(state, "compare")
    assert compared.code == 0, compared.text[-3000:]
    assert rig.name in compared.out


def test_the_suite_runs_on_the_rig_itself(rig: Box, state: Path) -> None:
    """``pytest checks/`` without ``--rig``, by the box's own Python, from the wheel."""
    root = Path(__file__).parents[2]
    dist = state / "dist"
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", dist, root],
        check=True,
        capture_output=True,
    )
    wheel = only(dist, "*.whl")
    (rig.path("/root") / wheel.name).write_bytes(wheel.read_bytes())
    rig.shell(
        "set -a; . /etc/environment; set +a; cd /root && python3 -m venv own && "
        f"own/bin/pip install -q ./{wheel.name}",
        limit=400,
    )
    out = rig.shell(
        "cd /root && LC_ALL=C.UTF-8 own/bin/python -m pytest "
        "own/lib/python3*/site-packages/provision/bundled/checks -m 'not training' -p no:cacheprovider",
        check=False,
        limit=300,
    )
    assert out.returncode == 0, out.stdout + out.stderr
    assert "accepted" in out.stdout
    # The same wheel, in the same clean environment, has everything for a whole run.
    out = rig.shell(
        "cd /root && LC_ALL=C.UTF-8 own/bin/dlrig up local --yes --data synthetic --steps 30",
        check=False,
        limit=400,
    )
    assert out.returncode == 0, out.stdout + out.stderr
