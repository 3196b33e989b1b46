"""System, processor, memory, disks, clock, limits."""

# ruff: noqa: ANN401, D103, PLR2004, S101 - tests, as a user of testinfra writes them

from __future__ import annotations

import re
import time
from typing import Any

import pytest

GIB = 2**30
SUPPORTED = {
    *("debian-12", "debian-13", "ubuntu-22.04", "ubuntu-24.04", "ubuntu-26.04"),
}
PLACE = "/opt"


def meminfo(host: Any) -> dict[str, int]:
    lines = host.file("/proc/meminfo").content_string.splitlines()
    rows = (line.split() for line in lines)
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows}


def df(host: Any, options: str) -> list[int]:
    """Size, used, free."""
    return [int(word) for word in host.check_output(f"df -P {options} {PLACE}").split()[-5:-2]]


def test_system_supported(host: Any) -> None:
    system = host.system_info
    assert f"{system.distribution}-{system.release}" in SUPPORTED
    assert system.arch == "x86_64"


def test_disk_space(host: Any) -> None:
    _, used, free = df(host, "-B1")
    assert used / (used + free) < 0.95
    assert free >= 5 * GIB


def test_disk_inodes(host: Any) -> None:
    size, used, _ = df(host, "-i")
    if not size:
        pytest.skip("no fixed number of inodes")
    assert used / size < 0.95


def test_memory(host: Any) -> None:
    assert meminfo(host)["MemTotal"] >= 4 * GIB * 0.9


def test_memory_available(host: Any) -> None:
    assert meminfo(host)["MemAvailable"] >= 2 * GIB


def test_memory_for_gpus(host: Any, ask: Any) -> None:
    cards = sum(int(memory) * 2**20 for (memory,) in ask("memory.total"))
    assert meminfo(host)["MemTotal"] >= 2 * cards * 0.9


def test_swap(host: Any) -> None:
    rows = meminfo(host)
    if not rows["SwapTotal"]:
        pytest.skip("no swap")
    assert rows["SwapTotal"] - rows["SwapFree"] < rows["SwapTotal"] / 10


def test_cpu_readable(host: Any) -> None:
    said = host.check_output("lscpu")
    assert re.search(r"^Model name: +\S", said, re.MULTILINE)
    assert re.search(r"^CPU\(s\): +\d", said, re.MULTILINE)


def test_cpu_instructions(host: Any) -> None:
    flags = re.search(r"^flags\s*: (.*)", host.file("/proc/cpuinfo").content_string, re.MULTILINE)
    assert flags
    assert "avx" in flags[1].split()


def test_cpu_governor(host: Any) -> None:
    said = host.run("cat /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor").stdout.split()
    if not said:
        pytest.skip("no frequency scaling")
    assert set(said) == {"performance"}


def test_clock(host: Any, virtual: str) -> None:
    assert abs(int(host.check_output("date +%s")) - time.time()) <= 120
    if virtual == "systemd-nspawn":
        pytest.skip("the clock is the host's")
    assert host.check_output("timedatectl show -p NTPSynchronized --value") == "yes"


def test_limit_memlock(host: Any) -> None:
    limit = host.check_output("ulimit -l")
    assert limit == "unlimited" or int(limit) * 1024 >= meminfo(host)["MemTotal"] * 0.9


def test_limit_files(host: Any) -> None:
    limit = host.check_output("ulimit -n")
    assert limit == "unlimited" or int(limit) >= 65536


def test_machine_errors(kernel_log: list[str]) -> None:
    words = re.compile(r"Machine check|\[Hardware Error\]|EDAC .*\bUE\b|Memory failure: ")
    assert not [line for line in kernel_log if words.search(line)]
