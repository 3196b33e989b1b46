"""The boxes themselves: what every other test on a box relies on."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import provision
from provision.box import Box, BoxError, folders, inherit, record, root, systems
from provision.box.process import run

if TYPE_CHECKING:
    from collections.abc import Callable

_LIMIT = 120


def ssh(box: Box, user: str, command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    argv = ["ssh", "-F", str(box.ssh_config), "-o", "BatchMode=yes", box.target_for(user), command]
    return subprocess.run(
        argv, input=stdin, capture_output=True, text=True, timeout=_LIMIT, check=False
    )


def traces(box_id: str) -> str:
    """Everything on this machine that has a box's id in its name."""
    looks = [
        ["ip", "netns"],
        ["ip", "link"],
        ["sh", "-c", "iptables-save; nft list ruleset; true"],
        ["cat", "/proc/self/mountinfo"],
        ["find", "/sys/fs/cgroup", "-type", "d"],
        ["find", str(folders.running()), "-maxdepth", "1"],
        ["ps", "-eww", "-o", "args"],
        ["ls", "/run/systemd/nspawn/propagate"],
    ]
    outputs = [run(look, check=False) for look in looks]
    return "\n".join(
        line for done in outputs for line in done.stdout.splitlines() if box_id in line
    )


@pytest.mark.parametrize(
    ("user", "sudo_says"),
    [
        ("root", "0"),
        ("rigger", "0"),
        ("typist", "a password is required"),
        ("guest", "a password is required"),
    ],
)
def test_everyone_may_log_in_under_strict_trust(box: Box, user: str, sudo_says: str) -> None:
    done = ssh(box, user, "whoami; sudo -n id -u 2>&1")
    assert done.stdout.splitlines() == [user, done.stdout.splitlines()[-1]], done
    assert sudo_says in done.stdout.splitlines()[-1], done


def test_typist_needs_the_password(box: Box) -> None:
    right = ssh(box, "typist", "sudo -S -p '' id -u", stdin=f"{box.password}\n")
    wrong = ssh(box, "typist", "sudo -k; sudo -S -p '' id -u", stdin="wrong\n")
    assert right.stdout == "0\n", right
    assert wrong.returncode != 0


def test_guest_may_not_use_sudo_at_all(box: Box) -> None:
    box.shell("chpasswd", stdin="guest:known\n")
    done = ssh(box, "guest", "sudo -S -p '' id -u", stdin="known\n")
    assert "not in the sudoers file" in done.stderr, done


def test_the_plain_box_is_bare(box: Box) -> None:
    assert box.shell("command -v python3", check=False).returncode != 0
    assert box.shell("systemctl is-system-running --wait").stdout == "running\n"


def test_another_host_key_is_refused(box: Box, tmp_path: Path) -> None:
    known = box.ssh_config.with_name("known_hosts")
    other = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    blob = other.with_suffix(".pub").read_text().split()[1]
    right = known.read_text()
    known.write_text(f"{box.name},{box.address} ssh-ed25519 {blob}\n")
    try:
        done = ssh(box, "root", "true")
    finally:
        known.write_text(right)
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in done.stderr, done


def test_a_rig_never_met_is_not_trusted(fresh_box: Callable[..., Box]) -> None:
    stranger = fresh_box(first_contact=True)
    assert "Host key verification failed" in ssh(stranger, "root", "true").stderr


def test_reboot_and_power_cut(fresh_box: Callable[..., Box]) -> None:
    rig = fresh_box()
    boots = [rig.boot_id()]
    rig.shell("echo kept >/root/file; sync")
    rig.reboot()
    boots.append(rig.boot_id())
    rig.power_cut()
    assert not rig.on
    with pytest.raises(BoxError, match="is off"):
        rig.shell("true")
    rig.power_on()
    boots.append(rig.boot_id())
    assert len(set(boots)) == 3, boots
    assert ssh(rig, "root", "cat /root/file").stdout == "kept\n"


def test_power_off_from_inside_stays_off(fresh_box: Callable[..., Box]) -> None:
    rig = fresh_box()
    rig.shell("systemctl poweroff", check=False)
    with pytest.raises(BoxError, match="switched itself off"):
        rig.wait(not_boot=rig.boot_id())
    assert not rig.on


def test_two_boxes_reach_archive_and_index(fresh_box: Callable[..., Box]) -> None:
    rigs = [fresh_box(name="one"), fresh_box(name="two")]
    assert rigs[0].address != rigs[1].address
    for rig in rigs:
        updated = rig.shell("apt-get update 2>&1")
        assert "Err:" not in updated.stdout, updated.stdout
    one = rigs[0]
    one.shell("apt-get install --yes --no-install-recommends python3-venv 2>&1", limit=300)
    one.shell("python3 -m venv /tmp/v && /tmp/v/bin/pip download -d /tmp/got six 2>&1", limit=300)
    assert list(one.path("/tmp/got").glob("six-*.whl"))


def test_without_network_there_is_no_way_out(fresh_box: Callable[..., Box]) -> None:
    rig = fresh_box(network="none")
    assert ssh(rig, "rigger", "echo in").stdout == "in\n"
    assert rig.shell("ip route show default").stdout == ""
    assert rig.shell("apt-get update -o APT::Update::Error-Mode=any", check=False).returncode != 0


def test_disks_of_a_given_size(fresh_box: Callable[..., Box]) -> None:
    rig = fresh_box(disk_sizes={"/": "64M", "/opt": "8M"})
    full = rig.shell("dd if=/dev/zero of=/opt/big bs=1M count=9 2>&1", check=False)
    assert "No space left on device" in full.stdout
    full = rig.shell("dd if=/dev/zero of=/var/big bs=1M count=80 2>&1", check=False)
    assert "No space left on device" in full.stdout
    rig.shell("rm /var/big")
    rig.reboot()
    assert rig.path("/opt/big").stat().st_size == 8 * 1024**2


def test_pretended_hardware(fresh_box: Callable[..., Box], tmp_path: Path) -> None:
    device = tmp_path / "0000:01:00.0"
    device.mkdir()
    (device / "vendor").write_text("0x10de\n")
    rig = fresh_box(binds={"/sys/bus/pci/devices": tmp_path})
    seen = rig.shell("cat /sys/bus/pci/devices/*/vendor; touch /sys/bus/pci/devices/x", check=False)
    assert seen.stdout == "0x10de\n"
    assert "Read-only" in seen.stderr


@pytest.mark.parametrize(
    ("system", "claims"),
    [
        ("debian-13", "debian 13"),
        ("ubuntu-24.04-flavour", "ubuntu 24.04"),
        ("fedora-41-flavour", "fedora 41"),
    ],
)
def test_systems(fresh_box: Callable[..., Box], system: str, claims: str) -> None:
    rig = fresh_box(system)
    found = ssh(rig, "guest", '. /etc/os-release; echo "$ID $VERSION_ID"')
    assert found.stdout.strip() == claims, found


def test_python_on_wish(fresh_box: Callable[..., Box]) -> None:
    assert fresh_box(python=True).shell("python3 --version").stdout.startswith("Python 3.11")


def test_destroy_leaves_nothing() -> None:
    forward = Path("/proc/sys/net/ipv4/ip_forward")
    with Box.start("gone") as rig:
        box_id = rig._record.id
        found = traces(box_id)
        for kind in ("MASQUERADE", "overlay", "systemd-nspawn", f"dlbox{box_id}"):
            assert kind in found or kind.lower() in found, found
        assert forward.read_text() == "1\n"
    assert traces(box_id) == ""
    assert box_id not in {kept.id for kept in record.every()}


def test_a_box_whose_maker_was_killed_is_swept() -> None:
    program = (
        "import time; from provision.box import Box\n"
        "box = Box.start('orphan'); print(box._record.id, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as maker:
        try:
            assert maker.stdout
            box_id = maker.stdout.readline().strip()
        finally:
            maker.kill()
    assert len(box_id) == 8
    Box.sweep()
    assert traces(box_id) == ""


def test_sigterm_removes_the_box() -> None:
    program = (
        "import time; from provision.box import Box\n"
        "box = Box.start('ended'); print(box._record.id, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as maker:
        try:
            assert maker.stdout
            box_id = maker.stdout.readline().strip()
            maker.terminate()
            maker.wait(_LIMIT)
        finally:
            maker.kill()
    assert len(box_id) == 8
    assert maker.returncode == 143
    assert traces(box_id) == ""


INNER = """
import sys
from provision.box import Box, Settings, host
assert host.systemd_runs_here()
with Box.start("inner", settings=Settings(network="none")) as box:
    boots = [box.boot_id()]
    box.reboot()
    boots.append(box.boot_id())
    box.power_cut()
    box.power_on()
    boots.append(box.boot_id())
    print(len(set(boots)), box.shell("hostname").stdout.strip())
"""


def test_a_box_where_systemd_is_init(fresh_box: Callable[..., Box]) -> None:
    """As on most machines of users: inside a box, with its copy of the root instead of an overlay."""
    outer = fresh_box(python=True)
    packages = "python3-venv systemd-container mmdebstrap iptables openssh-client"
    outer.shell(
        f"apt-get update && apt-get install --yes --no-install-recommends {packages}", limit=400
    )
    outer.shell(
        "python3 -m venv /root/v && /root/v/bin/pip install msgspec platformdirs", limit=300
    )
    shutil.copytree(Path(provision.__file__).parent, outer.path("/root/p/provision"))
    debian = systems.system("debian-12")
    lower = root.root(
        debian, inherit.from_host(systems.table().distributions["debian"]), python=False
    )
    roots = outer.path("/root/.cache/dlrig/boxes/roots")
    roots.mkdir(parents=True)
    subprocess.run(["cp", "--archive", lower, roots], check=True)
    # over SSH, because its session is in a control group of the box
    found = ssh(outer, "root", "cd /root/p && /root/v/bin/python -", stdin=INNER)
    assert found.stdout == "3 inner\n", found
    left = "systemctl list-units --all --plain --no-legend 'dlrig-box-*'; ip netns; ls -A ~/.cache/dlrig/boxes/running"
    assert outer.shell(left).stdout == ""
