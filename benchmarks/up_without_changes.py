"""A ``dlrig up`` that finds nothing to do, against ``ansible-playbook`` with the same roles on the same box.

    sudo .venv/bin/python benchmarks/up_without_changes.py [PAIRS]

Both start from nothing each time: no connection is kept open between runs, so each pays for its own. The box
is on this machine, so the network costs nearly nothing: over a real one, Ansible's round trips cost more.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from pairs import report, timed

from provision.box import Box

ROOT = Path(__file__).parents[1]
OPPONENTS: dict[str, str | None] = {
    "`ansible-playbook` as Ansible comes": None,
    "`ansible-playbook` with this project's ansible.cfg (pipelining)": str(
        ROOT / "playbooks/ansible.cfg"
    ),
}
PAIRS = int(sys.argv[1]) if len(sys.argv) > 1 else 7


def main() -> None:
    """Boot, provision, and time."""
    with tempfile.TemporaryDirectory() as state, Box.start("bench") as box:
        environment = {**os.environ, "DLRIG_STATE": state, "LC_ALL": "C.UTF-8"}

        def run(*command: str) -> str:
            return subprocess.run(
                command, env=environment, check=True, capture_output=True, text=True, cwd=ROOT
            ).stdout

        def up(*more: str) -> str:
            target = ("up", box.target_for("rigger"), "--ssh-config", str(box.ssh_config))
            return run(sys.executable, "-m", "provision", *target, "--yes", *more)

        def playbook(configuration: str | None) -> None:
            with tempfile.TemporaryDirectory(prefix="cp") as sockets:
                # A folder of its own for the shared connection: none is left over from the run before.
                environment["ANSIBLE_SSH_CONTROL_PATH_DIR"] = sockets
                environment.pop("ANSIBLE_CONFIG", None)
                if configuration:
                    environment["ANSIBLE_CONFIG"] = configuration
                said = run(
                    str(Path(sys.executable).with_name("ansible-playbook")),
                    "-i",
                    f"{box.name},",
                    "-u",
                    "rigger",
                    f"--ssh-common-args=-F {box.ssh_config}",
                    "playbooks/site.yml",
                )
            if "changed=0 " not in said:
                raise SystemExit(f"the playbook changed something:\n{said}")

        def nothing_to_do() -> None:
            said = up()
            if "nothing to do" not in said:
                raise SystemExit(f"dlrig had something to do:\n{said}")

        up("--data", "synthetic", "--steps", "30")
        nothing_to_do()
        for name, configuration in OPPONENTS.items():
            playbook(configuration)
            pairs = [
                (timed(nothing_to_do), timed(functools.partial(playbook, configuration)))
                for _ in range(PAIRS)
            ]
            print(
                report(
                    f"`dlrig up` without changes, and {name}", "dlrig up", "ansible-playbook", pairs
                )
            )


main()
