"""NVIDIA's driver, its packages, nodes, libraries and services; the package manager."""

# ruff: noqa: ANN401, ARG001, D103, S101 - tests, as a user of testinfra writes them

from __future__ import annotations

import re
from typing import Any

import pytest

HARMLESS = {13, 31, 43, 45, 63, 68, 92, 109}
PATTERNS = "'libcuda1' 'libnvidia-*' 'nvidia-*'"
LIBRARIES = ("libnvidia-ml.so.1", "libcuda.so.1")
STRAY = re.compile(
    r"^\s*(export )?(CUDA_\w+|COMPUTE_PROFILE|LD_LIBRARY_PATH|LD_PRELOAD)=", re.MULTILINE
)


@pytest.fixture
def packages(host: Any, require_gpus: list[str]) -> dict[str, str]:
    form = r"'${db:Status-Abbrev}|${Package}|${Version}\n'"
    said = host.run(f"dpkg-query -W -f {form} {PATTERNS}").stdout
    rows = [line.split("|") for line in said.splitlines()]
    found = {name: version for status, name, version in rows if status[1:2] == "i"}
    if not found:
        pytest.skip("no driver is installed")
    return found


def test_driver_loaded(host: Any, require_gpus: list[str]) -> None:
    assert require_gpus
    assert host.file("/sys/module/nvidia").is_directory
    assert re.match(r"\d{3}\.", host.file("/sys/module/nvidia/version").content_string)


def test_nvidia_smi_answers(host: Any, require_gpus: list[str]) -> None:
    assert require_gpus
    assert host.exists("nvidia-smi")
    assert host.run("timeout 20 nvidia-smi --query-gpu=index,name --format=csv,noheader").rc == 0


def test_gpu_count(gpus: list[str], ask: Any) -> None:
    listed = {address.lower()[4:] for (address,) in ask("pci.bus_id")}
    assert listed == set(gpus)


def test_driver_version(host: Any, ask: Any, loaded: str) -> None:
    assert host.package("libcuda1").version.rpartition("-")[0] == loaded
    assert {version for (version,) in ask("driver_version")} == {loaded}


def test_driver_whole(host: Any, packages: dict[str, str]) -> None:
    assert not host.file("/usr/bin/nvidia-uninstall").exists
    assert host.package("libcuda1").is_installed
    assert host.package("nvidia-smi").is_installed
    libraries = {v for name, v in packages.items() if name in {"libcuda1", "nvidia-smi"}}
    assert len(libraries) == 1


def test_driver_module(host: Any, packages: dict[str, str]) -> None:
    kernel = host.check_output("uname -r")
    module = host.run(f"/sbin/modinfo -k {kernel} -F version nvidia")
    assert module.rc == 0
    assert module.stdout.strip() == packages["libcuda1"].rpartition("-")[0]


def test_driver_held(host: Any, packages: dict[str, str]) -> None:
    held = set(host.check_output("apt-mark showhold").split())
    assert not packages.keys() - held


def test_packages_whole(host: Any) -> None:
    with host.sudo():
        assert host.check_output("dpkg --audit") == ""


def test_reboot_pending(host: Any) -> None:
    assert not host.file("/run/reboot-required").exists


def test_xid(require_gpus: list[str], kernel_log: list[str]) -> None:
    assert require_gpus
    codes = {int(code) for code in re.findall(r"NVRM: Xid \(\S+\): (\d+)", "\n".join(kernel_log))}
    assert not codes - HARMLESS


def test_sxid(host: Any, require_gpus: list[str], kernel_log: list[str]) -> None:
    assert require_gpus
    if host.run("grep -lx 0x22a3 /sys/bus/pci/devices/*/device").rc:
        pytest.skip("no NVSwitch")
    assert not [line for line in kernel_log if "SXid" in line]


def test_driver_complaints(require_gpus: list[str], kernel_log: list[str]) -> None:
    assert require_gpus
    words = re.compile(
        r"RmInitAdapter failed|fallen off the bus|API mismatch|probe .*nvidia.* failed"
    )
    assert not [line for line in kernel_log if words.search(line)]


def test_device_nodes(host: Any, gpus: list[str], loaded: str) -> None:
    assert loaded
    for name in ("nvidiactl", "nvidia-uvm", *(f"nvidia{number}" for number in range(len(gpus)))):
        assert host.run(f"test -c /dev/{name}").rc == 0, name


def test_device_access(host: Any, gpus: list[str], loaded: str) -> None:
    assert loaded
    for name in ("nvidiactl", "nvidia-uvm", *(f"nvidia{number}" for number in range(len(gpus)))):
        assert host.run(f"test -r /dev/{name} -a -w /dev/{name}").rc == 0, name


def test_libraries_load(host: Any, require_gpus: list[str]) -> None:
    assert require_gpus
    for name in LIBRARIES:
        said = host.run(f"/usr/bin/python3 -c 'import ctypes; ctypes.CDLL(\"{name}\")'")
        assert said.rc == 0, said.stderr


def test_libraries_version(host: Any, loaded: str) -> None:
    listed = host.check_output("/sbin/ldconfig -p")
    for name in LIBRARIES:
        found = re.search(rf"{re.escape(name)} .*=> (\S+)", listed)
        assert found
        assert host.file(found[1]).linked_to.endswith(loaded)


def test_kernels_have_module(host: Any, require_gpus: list[str]) -> None:
    assert require_gpus
    kernels = host.run("ls /boot/vmlinuz-*").stdout.split()
    if not kernels:
        pytest.skip("the kernel is the host's")
    for kernel in kernels:
        release = kernel.removeprefix("/boot/vmlinuz-")
        assert host.run(f"/sbin/modinfo -k {release} -F version nvidia").rc == 0


def test_nouveau(host: Any, require_gpus: list[str]) -> None:
    assert require_gpus
    assert not host.file("/sys/module/nouveau").exists
    brought = host.run("ls /lib/modules/*/kernel/drivers/gpu/drm/nouveau/nouveau.ko*").rc == 0
    denied = host.run("grep -rqE '^ *blacklist +nouveau' /etc/modprobe.d /lib/modprobe.d").rc == 0
    assert denied or not brought


def test_login_environment(host: Any, require_gpus: list[str]) -> None:
    assert require_gpus
    files = ("/etc/environment", "/etc/profile", "~/.profile", "~/.bashrc", "/etc/profile.d/*.sh")
    assert not STRAY.search(host.run(f"cat {' '.join(files)}").stdout)
    assert not STRAY.search(host.run("systemctl show-environment").stdout)


def test_persistence_daemon(host: Any, loaded: str) -> None:
    assert loaded
    daemon = host.service("nvidia-persistenced")
    if not daemon.exists:
        pytest.skip("this driver brings no persistence daemon")
    assert daemon.is_running
    assert daemon.is_enabled


def test_fabric_manager(host: Any, loaded: str) -> None:
    if host.run("grep -lx 0x22a3 /sys/bus/pci/devices/*/device").rc:
        pytest.skip("no NVSwitch")
    assert host.service("nvidia-fabricmanager").is_running
    assert host.package("nvidia-fabricmanager").version.partition("-")[0] == loaded


def test_automatic_upgrades(host: Any, packages: dict[str, str]) -> None:
    said = host.check_output("apt-config dump")
    if 'APT::Periodic::Unattended-Upgrade "1"' in said:
        held = set(host.check_output("apt-mark showhold").split())
        assert not packages.keys() - held


def test_module_flavour(host: Any, loaded: str, ask: Any) -> None:
    assert loaded
    opened = "Open Kernel Module" in host.file("/proc/driver/nvidia/version").content_string
    old = any(re.search(r"GTX (9|10)\d\d\b", name) for (name,) in ask("name"))
    assert not (opened and old)
