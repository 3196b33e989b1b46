"""NVIDIA's real driver on a kernel that really runs, on a machine that has no NVIDIA GPU.

What ran where: a box (Debian 12 in a container) got Debian's cloud kernel with its headers; there the roles
``base`` and ``nvidia_driver`` installed the driver, and DKMS built its modules with the box's compiler, at this
host's speed, ``uname -r`` pretending the cloud kernel. The box's root became a disk with GRUB. Everything below
ran in a virtual machine that booted from that disk: its own kernel, emulated processors, SSH over an emulated
network card.

There is no GPU in it and none is simulated, but for the one test that says so: the answers are the real driver's.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import pytest
from calls import DRIVER, VERSION, play, settings
from machine import BOOT_LIMIT
from plain_ansible import PLAYBOOKS, changes
from rigs import dlrig, reach

from provision import facts, reboot
from provision.facts.reading import from_json
from provision.target import parse_target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from machine import Machine

LOOK = PLAYBOOKS / "roles/nvidia_driver/files/look.sh"
RECORD = "/var/lib/dlrig/driver.json"
# Debian's name of the module; /etc/modprobe.d makes `nvidia` an alias of it.
MODULE = "nvidia-current"
PLAY_LIMIT = 1800.0
"""Seconds for a run that changes nothing, each of whose 50 tasks starts a Python in emulation."""
DLRIG_LIMIT = 900.0


def look(machine: Machine) -> dict[str, str]:
    """The present driver, as dlrig and the role read it."""
    printed = machine.shell("sh -s", stdin=LOOK.read_text()).stdout
    return dict(re.findall(r"^(\w+): '(.*)'$", printed, re.MULTILINE))


def release(machine: Machine) -> str:
    return machine.shell("uname -r").stdout.strip()


def test_the_kernel_is_its_own(machine: Machine) -> None:
    running = release(machine)
    assert running.endswith("-cloud-amd64")
    assert running != os.uname().release
    assert machine.shell("cat /proc/cmdline").stdout.startswith(
        f"BOOT_IMAGE=/boot/vmlinuz-{running} "
    )
    assert machine.shell("systemd-detect-virt").stdout.strip() in {"qemu", "kvm"}
    failed = machine.shell("systemctl list-units --failed --plain --no-legend").stdout
    # the daemon ends where there is no GPU to hold open
    assert {line.split()[0] for line in failed.splitlines()} <= {"nvidia-persistenced.service"}


def test_the_module_fits_the_running_kernel(machine: Machine) -> None:
    for field, value in (("version", VERSION), ("license", "NVIDIA")):
        assert machine.shell(f"modinfo -F {field} {MODULE}").stdout == f"{value}\n"
    vermagic = machine.shell(f"modinfo -F vermagic {MODULE}").stdout
    assert vermagic.split()[0] == release(machine)
    status = machine.shell("dkms status").stdout
    assert f"{VERSION}, {release(machine)}, x86_64: installed" in status


def test_without_a_gpu_the_driver_says_so(machine: Machine) -> None:
    machine.shell("dmesg --clear")
    tried = machine.shell("modprobe nvidia", check=False)
    assert tried.returncode == 1
    assert "No such device" in tried.stderr
    assert "NVRM: No NVIDIA GPU found." in machine.shell("dmesg").stdout
    assert machine.shell("ls /sys/module/nvidia /dev/nvidia0", check=False).stdout == ""
    smi = machine.shell("nvidia-smi", check=False)
    assert smi.returncode == 9  # nvidia-smi(1): the driver is not loaded
    assert "couldn't communicate with the NVIDIA driver" in smi.stdout


def test_look_reads_it(machine: Machine) -> None:
    found = look(machine)
    kernel = release(machine)
    expected = {
        "class": "managed",
        "why": "",
        "version": VERSION,
        "flavour": "proprietary",
        "loaded": "",
        "kernel": kernel,
        "next_kernel": kernel,
        "module_running": VERSION,
        "module_next": VERSION,
        "headers": "yes",
        "run_file": "no",
        "secure_boot": "off",
        "nvswitch": "no",
    }
    assert {key: found[key] for key in expected} == expected
    assert f"nvidia-kernel-dkms={VERSION}" in found["packages"]


def test_dlrig_plans_from_true_facts(machine: Machine, tmp_path: Path) -> None:
    """The whole command, with its own time limits."""
    ran = dlrig(tmp_path, "plan", *reach(machine), "--json", limit=DLRIG_LIMIT)
    assert ran.code == 0, ran.text
    assert (ran.document["profile"], ran.document["driver"]) == ("cpu", None)
    (kept,) = tmp_path.rglob("transcript.json")
    transcript = from_json(kept.read_bytes())
    assert transcript["nvidia_smi"].exit_code == 9
    found = facts.parse(transcript)
    kernel = release(machine)
    assert found.system.kernel == kernel
    assert found.system.virtualization in {"qemu", "kvm"}
    driver = found.driver
    assert (driver.state, driver.version, driver.flavour) == ("managed", VERSION, "proprietary")
    assert (driver.kernel, driver.next_kernel) == (kernel, kernel)
    assert (driver.module_running, driver.module_next, driver.loaded) == (VERSION, VERSION, "")
    assert found.nvidia.smi
    assert not found.nvidia.loaded
    assert "couldn't communicate with the NVIDIA driver" in found.nvidia.trouble
    assert not found.unread


def test_a_second_run_changes_nothing(machine: Machine) -> None:
    """The role proves the module of the kernel that runs, not of one that was pretended."""
    before = machine.shell(f"cat {RECORD}").stdout
    printed = play(machine, DRIVER, "--tags", "base,nvidia_driver", limit=PLAY_LIMIT)
    assert changes(printed) == 0, printed[-4000:]
    record = json.loads(machine.shell(f"cat {RECORD}").stdout)
    assert record == json.loads(before)
    assert release(machine) in record["kernels"]
    assert record["version"] == VERSION


def restart(machine: Machine) -> None:
    """Restart it by the code of ``dlrig up --reboot``; it is the same machine in another boot."""
    process, boot, states = machine.pid, machine.boot_id(), []
    target = parse_target(machine.target_for("rigger"))
    seconds = reboot.restart(
        target, settings(machine), boot_id=boot, limit=BOOT_LIMIT, on_state=states.append
    )
    assert 0 < seconds < BOOT_LIMIT
    assert states[0] == "going down"
    assert machine.pid == process
    assert machine.boot_id() != boot


@pytest.fixture
def other_kernel(machine: Machine) -> Iterator[str]:
    """A kernel that is installed and has no modules of the driver; what boots is put right afterwards."""
    kernels = machine.shell("ls /lib/modules").stdout.split()
    (other,) = set(kernels) - {release(machine)}
    yield other
    if release(machine) == other:
        machine.reboot()


def test_dlrig_restarts_it_into_the_kernel_that_grub_boots_next(
    machine: Machine, other_kernel: str
) -> None:
    kernel = release(machine)
    menu = "Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux "
    machine.shell(f"grub-reboot '{menu}{other_kernel}'")
    before = look(machine)
    assert (before["kernel"], before["next_kernel"]) == (kernel, other_kernel)
    assert (before["module_running"], before["module_next"]) == (VERSION, "")
    assert before["class"] == "broken"
    assert other_kernel in before["why"]
    restart(machine)
    after = look(machine)
    assert (after["kernel"], after["next_kernel"]) == (other_kernel, kernel)
    assert (after["module_running"], after["module_next"]) == ("", VERSION)
    assert "not found" in machine.shell("modprobe nvidia", check=False).stderr
    restart(machine)
    test_the_module_fits_the_running_kernel(machine)
    assert release(machine) == kernel
    assert look(machine)["class"] == "managed"


@pytest.fixture
def pretended_gpu(machine: Machine) -> Iterator[None]:
    """What the kernel shows of a GTX 1060 (ids from NVIDIA's list); there is no such device behind it."""
    device = "/run/pretended/0000:01:00.0"
    values = {"vendor": "0x10de", "class": "0x030000", "device": "0x1c03"}
    values |= {"subsystem_vendor": "0x1458", "subsystem_device": "0x3724"}
    writes = "; ".join(f"echo {value} >{device}/{name}" for name, value in values.items())
    bus = "/sys/bus/pci/devices"
    machine.shell(f"mkdir -p {device}; {writes}; mount --bind /run/pretended {bus}")
    yield
    machine.shell(f"umount {bus}; rm -r /run/pretended")


@pytest.mark.usefixtures("pretended_gpu")
def test_dlrig_checks_say_that_the_driver_is_not_loaded(machine: Machine, tmp_path: Path) -> None:
    """The device is pretended; that the driver does not take it is real, and so are the answers."""
    ran = dlrig(tmp_path, "check", *reach(machine), "-m", "driver", "--json", limit=DLRIG_LIMIT)
    assert ran.code == 1, ran.text
    assert ran.document["verdict"] == "rejected"
    results = {result["check"]: result for result in ran.document["results"]}
    loaded = results["driver/driver_loaded"]
    assert loaded["status"] == "fail"
    assert "no NVIDIA driver is loaded, with 1 NVIDIA GPUs on the bus" in loaded["message"]
    answers = results["driver/nvidia_smi_answers"]
    assert answers["status"] == "fail"
    assert "couldn't communicate with the NVIDIA driver" in answers["message"]
    assert "(the driver is not loaded)" in answers["message"]
    assert "modprobe" in answers["remedy"]
    module = results["driver/driver_module"]
    assert module["status"] == "pass"
    assert f"{VERSION} for {release(machine)}" in module["message"]
