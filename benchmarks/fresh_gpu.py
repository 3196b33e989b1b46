"""A ``dlrig up`` of a bare box with a GPU, against a shell script, and against its slowest part alone.

    sudo .venv/bin/python benchmarks/fresh_gpu.py [ROUNDS [FOLDER]]

Driver, CUDA toolkit and environments are real: Debian's packages, whose kernel modules DKMS really builds for
the headers of Debian's cloud kernel, and the wheels that the plan names. Pretended are the GPU, by a folder in
the place of the PCI bus, and the kernel that runs, which a box shares with this machine: ``uname`` names the one
of the headers. Every run has a bare box of its own, made from the same root; booting it is not timed, no run
finds downloads of another, and all download from the same mirrors. The first round times every part alone, and
the script with uv too; the others the slowest part, and the script with pip. FOLDER keeps what dlrig wrote of
each run.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pairs import report, timed

from provision.box import Box, Settings
from provision.bundle import bundled

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = Path(__file__).with_name("by_hand_gpu.sh").read_text("utf-8")
INSTALLERS = ("pip", "uv")
# A GTX 1060, class 0300: VGA controller.
GPU = {"vendor": "0x10de", "class": "0x030000", "device": "0x1c03"}
HEADERS = "linux-headers-cloud-amd64"
# Each part alone: the roles' tags, and what it must be told where the other parts are missing.
PARTS: dict[str, tuple[str, dict[str, Any]]] = {
    "driver": ("base,nvidia_driver,persistence,hold", {}),
    "toolkit": ("base,cuda_toolkit", {"cuda_toolkit_without_driver": True}),
    "environments": ("base,environments", {}),
}
INSTALLED = r"""
dpkg-query -W -f 'apt ${Package} ${Version}\n'
find /lib/modules -name 'nvidia-current.ko*' -exec modinfo -F version {} + | sed 's/^/module nvidia /'
for env in /opt/dlrig/envs/*; do
    "$env/bin/python" -c 'import tensorflow' 2>/dev/null && echo "import ${env##*/} works"
    for dist in "$env"/lib/python3*/site-packages/*.dist-info; do
        basename "$dist" .dist-info | sed "s/-/ /; s/^/${env##*/} /"
    done
done
"""
# Of all that ran in the box, in microseconds; the folder depends on the version of control groups.
USAGE = "cat /sys/fs/cgroup/cpu.stat /sys/fs/cgroup/unified/cpu.stat 2>/dev/null | sed -n 's/^usage_usec //p'"


class Run(NamedTuple):
    """Wall time and processor time in the box, both in seconds."""

    wall: float
    processor: float


@contextmanager
def rig(kernel: str = "") -> Iterator[Box]:
    """A bare box with a pretended GPU, on which ``uname`` names ``kernel`` unless that is empty."""
    with tempfile.TemporaryDirectory() as folder:
        device = Path(folder) / "0000:01:00.0"
        device.mkdir()
        for attribute, value in GPU.items():
            (device / attribute).write_text(f"{value}\n")
        settings = Settings(python=True, binds={"/sys/bus/pci/devices": Path(folder)})
        with Box.start("bench-gpu", "debian-12", settings) as box:
            if kernel:
                real, uname = "/usr/bin/uname", box.path("/usr/local/bin/uname")
                uname.write_text(f'#!/bin/sh\n{real} "$@" | sed "s/$({real} -r)/{kernel}/"\n')
                uname.chmod(0o755)
            # What an earlier box wrote is not left for this one to wait for.
            os.sync()
            yield box


def call(
    command: list[str], stdin: str = "", cwd: Path | None = None, end: int = 0, **more: str
) -> str:
    """Run to the end, with the exit code ``end``, and return what was printed.

    Raises:
        SystemExit: another exit code; with what was printed.
    """
    done = subprocess.run(
        command,
        input=stdin,
        cwd=cwd,
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != end:
        raise SystemExit(f"{command}: {done.returncode}\n{(done.stdout + done.stderr)[-6000:]}")
    return done.stdout


def measured(box: Box, command: list[str], **options: Any) -> Run:  # noqa: ANN401 - of ``call``
    """Run a command that works on ``box``."""

    def work() -> None:
        call(command, **options)

    before = int(box.shell(USAGE).stdout)
    wall = timed(work)
    return Run(wall, (int(box.shell(USAGE).stdout) - before) / 1e6)


def target(box: Box) -> list[str]:
    """The arguments that name a box."""
    return [box.target_for("rigger"), "--ssh-config", str(box.ssh_config)]


def look() -> tuple[str, dict[str, Any]]:
    """The kernel of the archive's newest headers, and what the roles are told by dlrig's plan for it."""
    with rig() as box:
        box.shell("apt-get update -q")
        depends = box.shell(f"apt-cache depends {HEADERS}").stdout
    kernel = depends.partition("Depends: linux-headers-")[2].split()[0]
    with tempfile.TemporaryDirectory() as state, rig(kernel) as box:
        command = [sys.executable, "-m", "provision", "plan", *target(box), "--json"]
        plan = json.loads(call(command, DLRIG_STATE=state))
    return kernel, plan["variables"]


def dlrig(kernel: str, state: Path) -> tuple[Run, set[str]]:
    """``dlrig up``, and what it installed."""
    with rig(kernel) as box:
        options = ["--yes", "--no-check", "--no-reboot"]
        command = [sys.executable, "-m", "provision", "up", *target(box), *options]
        # 3: it is all there but for a restart, which would load the driver.
        return measured(box, command, end=3, DLRIG_STATE=str(state)), installed(box)


def by_hand(kernel: str, installer: str) -> tuple[Run, set[str]]:
    """The script, and what it installed."""
    with rig(kernel) as box:
        # A login shell's environment, as a person has it: the box's proxies and certificates.
        login = f"sudo INSTALLER={installer} sh -s"
        command = ["ssh", "-F", str(box.ssh_config), box.target_for("rigger"), login]
        return measured(box, command, stdin=SCRIPT), installed(box)


def part(kernel: str, name: str, variables: dict[str, Any]) -> Run:
    """One part alone, by the same roles."""
    tags, more = PARTS[name]
    with rig(kernel) as box:
        ssh = {"ansible_user": "rigger", "ansible_ssh_common_args": f"-F {box.ssh_config}"}
        tool = str(Path(sys.executable).with_name("ansible-playbook"))
        extra = json.dumps({**ssh, **variables, **more})
        command = [tool, "-i", f"{box.name},", "-e", extra, "site.yml", "--tags", tags]
        # Ansible finds open connections by name and user, and boxes share these.
        sockets = str(box.ssh_config.parent / "cp")
        return measured(
            box, command, cwd=bundled("playbooks"), ANSIBLE_SSH_CONTROL_PATH_DIR=sockets
        )


def installed(box: Box) -> set[str]:
    """Every package, module and distribution with its version.

    Raises:
        SystemExit: the driver's module is missing, or a TensorFlow does not work.
    """
    found = set(box.shell(INSTALLED, limit=600).stdout.splitlines())
    works = {"import tensorflow works", "import tensorflow_gpu works"}
    if not works <= found or not any(line.startswith("module nvidia ") for line in found):
        raise SystemExit(f"not everything is there: {sorted(found)}")
    return found


def compare(ours: set[str], theirs: set[str]) -> None:
    """Show where two ways did not install the same."""
    for sign, lines in (("+", ours - theirs), ("-", theirs - ours)):
        for line in sorted(lines):
            print(f"{sign} {line}", file=sys.stderr)


class Notes:
    """The runs so far, and the tables of them."""

    def __init__(self) -> None:
        self.runs: dict[str, list[Run]] = {}

    def take(self, name: str, run: Run) -> None:
        """Keep a run, and tell of it: rounds take long."""
        self.runs.setdefault(name, []).append(run)
        load = os.getloadavg()[0]
        print(f"{name}: {run.wall:.1f} s, load then {load:.1f}", file=sys.stderr, flush=True)

    @property
    def slowest(self) -> str:
        """The part that took longest in the first round."""
        return max(PARTS, key=lambda name: self.runs[alone(name)][0].wall)

    def pairs(self, first: str, second: str) -> str:
        """The table of one comparison, of the rounds that had both."""
        a, b = ([run.wall for run in self.runs[name]] for name in (first, second))
        return report(f"{second} against {first}", first, second, list(zip(a, b, strict=False)))

    def tables(self) -> str:
        """All of it, in Markdown."""
        other = [f"by hand, {installer}" for installer in INSTALLERS]
        tables = [self.pairs("dlrig up", name) for name in other]
        tables.append(self.pairs(alone(self.slowest), "dlrig up"))
        tables.append("| | runs | median s | min | max | processor time in the box, median s |")
        tables.append("|---|---|---|---|---|---|")
        for name, runs in self.runs.items():
            walls = [run.wall for run in runs]
            span = f"{statistics.median(walls):.1f} | {min(walls):.1f} | {max(walls):.1f}"
            processor = statistics.median(run.processor for run in runs)
            tables.append(f"| {name} | {len(runs)} | {span} | {processor:.0f} |")
        return "\n".join(tables)


def alone(name: str) -> str:
    """What the runs of one part are called."""
    return f"{name} alone"


def main(rounds: int, keep: Path | None) -> None:
    """Measure and print, round by round; what only the first one has tells what the others may leave out."""
    kernel, variables = look()
    notes = Notes()
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as state:
            run, ours = dlrig(kernel, keep / f"round-{number}" if keep else Path(state))
        notes.take("dlrig up", run)
        for installer in INSTALLERS if number == 0 else INSTALLERS[:1]:
            run, theirs = by_hand(kernel, installer)
            notes.take(f"by hand, {installer}", run)
            compare(ours, theirs)
        for name in PARTS if number == 0 else (notes.slowest,):
            notes.take(alone(name), part(kernel, name, variables))
        print(f"After {number + 1} of {rounds} rounds:\n\n{notes.tables()}\n", flush=True)


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 3,
        Path(sys.argv[2]).absolute() if len(sys.argv) > 2 else None,  # noqa: PLR2004 - the second argument
    )
