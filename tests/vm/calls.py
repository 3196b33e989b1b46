"""How these tests use ansible-playbook, dlrig's reading and its checks, on a box's or a machine's SSH config."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from provision import catalogue, facts
from provision.connection import Settings, connect
from provision.facts.reading import to_json
from provision.gather import gather
from provision.target import parse_target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from provision.facts.reading import Transcript

ROOT = Path(__file__).resolve().parents[2]
VERSION = "535.261.03"
DRIVER: dict[str, Any] = {
    "nvidia_driver_without_gpu": True,
    "nvidia_driver_source": "debian",
    "nvidia_driver_branch": 535,
    "nvidia_driver_version": VERSION,
    "nvidia_driver_flavour": "proprietary",
    "nvidia_driver_modules": "dkms",
}
"""Variables of the role: Debian's own driver, whose archive has a later one too."""
SLOWER = 15
"""Times that a reading may take longer than on a machine that is not emulated."""


class Rig(Protocol):
    """A box or a machine."""

    name: str
    ssh_config: Path

    def target_for(self, user: str) -> str: ...


def play(
    rig: Rig, variables: Mapping[str, Any], *options: str, limit: float = 900, code: int = 0
) -> str:
    """Run site.yml as a user who may use sudo; returns what it printed."""
    ssh = {"ansible_user": "rigger", "ansible_ssh_common_args": f"-F {rig.ssh_config}"}
    extra = json.dumps({**ssh, **variables})
    tool = Path(sys.executable).with_name("ansible-playbook")
    argv = [str(tool), "-i", f"{rig.name},", "-e", extra, "site.yml", *options]
    # a connection that is open survives no reboot; the default one lasts a minute
    sockets = {"ANSIBLE_SSH_CONTROL_PATH_DIR": str(rig.ssh_config.parent / "cp")}
    # emulated, a login alone takes seconds
    patience = {"ANSIBLE_TIMEOUT": "60", "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        argv,
        cwd=ROOT / "playbooks",
        env={**os.environ, **sockets, **patience},
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
    )
    printed = done.stdout + done.stderr
    assert done.returncode == code, f"exit code {done.returncode}\n{printed[-4000:]}"
    return printed


def changes(printed: str) -> int:
    """How many tasks changed something."""
    return sum(int(number) for number in re.findall(r"changed=(\d+)", printed))


def read(rig: Rig) -> Transcript:
    """What dlrig reads of the rig, in its one round trip; emulated, every reading takes many times longer."""
    asked = facts.readings(catalogue.managed_files(), catalogue.places(), catalogue.driver_look())
    slow = [msgspec.structs.replace(reading, limit=reading.limit * SLOWER) for reading in asked]
    settings = Settings(ssh_config=str(rig.ssh_config), connect_limit=120)
    with connect(parse_target(rig.target_for("rigger")), settings) as connection:
        return gather(connection, rig.name, slow)


def judge(transcript: Transcript, folder: Path, *options: str) -> dict[str, dict[str, Any]]:
    """The checks' results on a transcript, by the name of the check."""
    recorded, found = folder / "transcript.json", folder / "results.json"
    recorded.write_bytes(to_json(transcript))
    checks = ("checks", "--transcript", str(recorded), "--results", str(found))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *checks, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert found.exists(), done.stdout[-3000:] + done.stderr[-3000:]
    (acceptance,) = json.loads(found.read_text())
    return {result["check"]: result for result in acceptance["results"]}
