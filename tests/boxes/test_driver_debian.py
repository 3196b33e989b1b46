"""NVIDIA's real driver packages of Debian on real boxes: installed, stopped, upgraded, cut off, rolled back.

The first build of the kernel modules on each system is tried for real, with the headers of Debian's kernel. It takes
minutes, so the builds after it, where another thing is in question, are replaced by one that makes empty modules with
the right names, versions and licences (``QUICK``): DKMS, dpkg and apt do not see the difference.
"""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING, Any

import debs
import pytest
import yaml
from plain_ansible import PLAYBOOKS, argv, changes, environment, what_failed
from rigs import kill

from provision.box import Box, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OLD, NEW = "535.261.03", "535.309.01"
TRIXIE = "550.163.01"
WISH = {
    "nvidia_driver_without_gpu": True,
    "nvidia_driver_headers_package": "linux-headers-cloud-amd64",
}
PLAYBOOK = """
- name: Install the driver
  hosts: all
  gather_facts: false
  become: true
  pre_tasks:
    - name: Read the system's name and architecture
      ansible.builtin.setup:
        gather_subset: ["!all", "!min", distribution, architecture, service_mgr]
  roles: [nvidia_driver, hold]
"""
QUICK = r"""
cat >/usr/local/sbin/quick-modules <<'END'
#!/bin/sh
set -e
version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf) licence=NVIDIA
case $(sed -n 's/^PACKAGE_NAME="\(.*\)"/\1/p' dkms.conf) in *open*) licence='Dual MIT/GPL' ;; esac
sleep "$(cat /etc/quick-modules.delay 2>/dev/null || echo 0)"
printf '__attribute__((section(".modinfo"), used)) static char a[] = "version=%s", b[] = "license=%s";' \
    "$version" "$licence" >quick.c
"$(ls /usr/bin/gcc-[0-9]* | head -n 1)" -c quick.c -o quick.o
for name in $(sed -n 's/^BUILT_MODULE_NAME\[.*\]="\(.*\)"/\1/p' dkms.conf); do cp quick.o "$name.ko"; done
END
chmod +x /usr/local/sbin/quick-modules
mkdir -p /etc/dkms
for name in nvidia-current nvidia-current-open; do
    echo 'MAKE[0]="/usr/local/sbin/quick-modules"' >/etc/dkms/$name.conf
done
"""
LIMIT = 1800


@pytest.fixture(scope="module")
def playbook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("driver") / "driver.yml"
    path.write_text(PLAYBOOK, "utf-8")
    return path


def arguments(box: Box, book: Path, variables: dict[str, Any], *options: str) -> list[str]:
    return argv(box, str(book), {**WISH, **variables}, *options)


def with_roles(box: Box) -> dict[str, str]:
    return {**environment(box), "ANSIBLE_ROLES_PATH": str(PLAYBOOKS / "roles")}


def run(
    box: Box,
    book: Path,
    *options: str,
    **variables: Any,  # noqa: ANN401 - variables of roles
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments(box, book, variables, *options),
        cwd=PLAYBOOKS,
        env=with_roles(box),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


def play(box: Box, book: Path, *options: str, code: int = 0, **variables: Any) -> str:  # noqa: ANN401 - variables of roles
    done = run(box, book, *options, **variables)
    printed = done.stdout + done.stderr
    assert done.returncode == code, f"exit code {done.returncode}\n{what_failed(printed)}"
    return printed


def cut_while(box: Box, book: Path, doing: str, **variables: Any) -> None:  # noqa: ANN401 - variables of roles
    """Take the power away as soon as the shell condition ``doing`` holds."""
    running = subprocess.Popen(
        arguments(box, book, variables),
        cwd=PLAYBOOKS,
        env=with_roles(box),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 600
        while box.shell(doing, check=False).returncode and time.monotonic() < deadline:
            assert running.poll() is None, "the run ended before it could be cut"
            time.sleep(0.1)
        assert time.monotonic() < deadline, f"never seen: {doing}"
        box.power_cut()
    finally:
        kill(running)
    box.power_on()


def look(box: Box) -> dict[str, str]:
    script = (PLAYBOOKS / "roles/nvidia_driver/files/look.sh").read_text("utf-8")
    found = yaml.safe_load(box.shell("sh -s", stdin=script).stdout)
    assert isinstance(found, dict)
    return found


def record(box: Box) -> dict[str, Any]:
    found = json.loads(box.shell("cat /var/lib/dlrig/driver.json").stdout)
    assert isinstance(found, dict)
    return found


def is_installed(box: Box, version: str) -> None:
    """The rig has this driver whole: libraries, module, record, kept set, holds."""
    seen, noted = look(box), record(box)
    assert (seen["class"], seen["why"]) == ("managed", "")
    assert seen["version"] == seen["module_next"] == noted["version"] == version
    assert noted["packages"] == dict(word.split("=", 1) for word in seen["packages"].split())
    assert noted["set"] in seen["sets"].split()
    assert noted["kernels"] == [seen["next_kernel"]]
    assert set(seen["held"].split()) == set(noted["packages"])
    assert box.shell("dpkg --audit").stdout == ""


@pytest.fixture(scope="module")
def bare(boxes_possible: None) -> Iterator[Box]:  # noqa: ARG001 - only says whether
    """A Debian 12 box that the tests of this module change step by step."""
    with Box.start("driver12", "debian-12", Settings(python=True)) as box:
        debs.fill(box, "debian-12")
        yield box
        debs.collect(box, "debian-12")


@pytest.fixture(scope="module")
def rig(bare: Box, playbook: Path) -> Box:
    """The same box, with the old driver, whose modules were really built."""
    seen = play(bare, playbook, "--check", nvidia_driver_version=OLD)
    assert f"Would install the driver {OLD} of debian" in seen
    assert look(bare)["class"] == "missing"
    play(bare, playbook, nvidia_driver_version=OLD, nvidia_driver_plan="first")
    bare.shell(QUICK)
    return bare


def test_the_exact_version_is_installed(rig: Box) -> None:
    is_installed(rig, OLD)
    found = record(rig)
    assert (found["flavour"], found["source"], found["branch"]) == ("proprietary", "debian", 535)
    assert (found["how"], found["plan"]) == ("installed", "first")
    assert "xserver-xorg-core" not in rig.shell("dpkg-query -W").stdout


def test_nvidia_smi_truthfully_finds_no_gpu(rig: Box) -> None:
    ran = rig.shell("nvidia-smi", check=False)
    assert ran.returncode == 9
    assert "couldn't communicate with the NVIDIA driver" in ran.stdout


def test_a_second_run_changes_nothing(rig: Box, playbook: Path) -> None:
    assert changes(play(rig, playbook, nvidia_driver_version=OLD)) == 0
    assert changes(play(rig, playbook)) == 0
    assert changes(play(rig, playbook, "--check", nvidia_driver_version=OLD)) == 0


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"nvidia_driver_minimum_free_gb": 100000}, "[disk-full]"),
        ({"nvidia_driver_kernel_last": "5.10"}, "[kernel-too-new]"),
        ({"nvidia_driver_version": "535.1.2"}, f"it has {NEW}, {OLD}; kept sets: {OLD}-debian"),
        ({"nvidia_driver_source": "ubuntu"}, "has no driver source ubuntu"),
    ],
)
def test_it_stops_before_harm(
    rig: Box, playbook: Path, variables: dict[str, Any], words: str
) -> None:
    printed = play(rig, playbook, code=2, **{"nvidia_driver_version": NEW, **variables})
    assert words in " ".join(printed.split())
    is_installed(rig, OLD)


def test_files_of_a_run_installer_beside_packages_stop_it(rig: Box, playbook: Path) -> None:
    rig.shell(
        "printf '#!/bin/sh\\n' >/usr/bin/nvidia-uninstall; chmod +x /usr/bin/nvidia-uninstall"
    )
    try:
        assert look(rig)["class"] == "mixed"
        printed = play(rig, playbook, code=2, nvidia_driver_version=NEW)
        assert "[mixed-driver]" in printed
        assert "--purge-conflicts" in printed
    finally:
        rig.shell("rm /usr/bin/nvidia-uninstall")
    is_installed(rig, OLD)


def test_a_power_cut_while_unpacking_is_finished(rig: Box, playbook: Path) -> None:
    unpacking = (
        f"dpkg-query -W -f '${{db:Status-Abbrev}} ${{Version}}\\n' | grep -q '^.[UH]. {NEW}'"
    )
    cut_while(rig, playbook, unpacking, nvidia_driver_version=NEW)
    assert look(rig)["class"] in {"broken", "mixed"}
    play(rig, playbook, nvidia_driver_version=NEW)
    is_installed(rig, NEW)
    assert record(rig)["how"] == "upgraded"


def test_the_rollback_needs_no_network(rig: Box) -> None:
    rig.shell("ip route del default; rm -f /var/cache/apt/archives/*.deb")
    play(rig, PLAYBOOKS / "rollback.yml")
    is_installed(rig, OLD)
    assert record(rig)["how"] == "rolled back"
    lines = rig.shell("cat /var/lib/dlrig/changes.jsonl").stdout.splitlines()
    told = [
        (line["from"].split(" ")[0], line["to"].split(" ")[0]) for line in map(json.loads, lines)
    ]
    assert told == [("", OLD), (OLD, NEW), (NEW, OLD)]


def test_a_power_cut_while_building_is_finished(rig: Box) -> None:
    rig.shell("echo 20 >/etc/quick-modules.delay")
    book = PLAYBOOKS / "rollback.yml"
    cut_while(rig, book, "pgrep -f [q]uick-modules")
    assert look(rig)["class"] == "broken"
    rig.shell("ip route del default 2>/dev/null; rm /etc/quick-modules.delay", check=False)
    # The change was cut off on its way: back to what was recorded last.
    play(rig, book)
    is_installed(rig, OLD)


def test_debian_13_gets_open_modules(
    boxes_possible: None,  # noqa: ARG001 - only says whether
    playbook: Path,
) -> None:
    """Debian's kernels from 6.12.107 on refuse the real ones, so DKMS may really fail here; the way out works."""
    wish = {"nvidia_driver_flavour": "open", "nvidia_driver_version": TRIXIE}
    with Box.start("driver13", "debian-13", Settings(python=True)) as box:
        debs.fill(box, "debian-13")
        ran = run(box, playbook, **wish)
        if ran.returncode:
            told = " ".join((ran.stdout + ran.stderr).split())
            assert "DKMS could not build nvidia-current-open" in told
            assert "make.log" in told
            assert look(box)["class"] == "broken"
            box.shell(QUICK)
            play(box, playbook, **wish)
        is_installed(box, TRIXIE)
        assert record(box)["flavour"] == look(box)["module_flavour"] == "open"
        assert changes(play(box, playbook, **wish)) == 0
        debs.collect(box, "debian-13")
