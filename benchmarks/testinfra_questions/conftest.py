"""What the questions share, asked once per file, as a careful user of testinfra would; and how much was asked."""

# ruff: noqa: ANN401, ARG001 - testinfra's objects; fixtures that only skip

from __future__ import annotations

import functools
import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

CLASSES = ("0x0300", "0x0302")
"""Of GPUs: VGA and 3D controllers."""
LIMIT = 20
"""Seconds for nvidia-smi: testinfra has no time limit of its own."""

_commands: list[str] = []
_outcomes: dict[str, str] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where to leave the account."""
    parser.addoption("--account", help="write questions and commands to this file")


def pytest_configure() -> None:
    """Count commands."""
    # By name: testinfra is only in the environment that the benchmark makes.
    asker = importlib.import_module("testinfra.host").Host
    run = asker.run

    @functools.wraps(run)
    def counted(self: Any, command: str, *args: Any, **more: Any) -> Any:
        _commands.append(command)
        return run(self, command, *args, **more)

    asker.run = counted


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep how each question ended."""
    if report.when == "call" or not report.passed:
        outcome = report.outcome if report.when == "call" or report.skipped else "error"
        name = report.nodeid.rpartition("::")[2].removeprefix("test_")
        # The name of the backend is a parameter too.
        name, _, parameters = name.removesuffix("]").partition("[")
        words = [word for word in parameters.split("-") if "://" not in word]
        _outcomes[name + (f"[{'-'.join(words)}]" if words else "")] = outcome


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the account; under xdist, whose workers do the asking, the number of commands is not known."""
    path = session.config.getoption("--account")
    if path and not hasattr(session.config, "workerinput"):
        account = {"questions": _outcomes, "commands": len(_commands)}
        Path(path).write_text(json.dumps(account))


@pytest.fixture(scope="module")
def gpus(host: Any) -> list[str]:
    """Addresses of NVIDIA's GPUs on the PCI bus."""
    said = host.run("grep -H . /sys/bus/pci/devices/*/vendor /sys/bus/pci/devices/*/class").stdout
    rows: dict[str, dict[str, str]] = {}
    for line in said.splitlines():
        path, _, value = line.partition(":0x")
        *_, address, attribute = path.split("/")
        rows.setdefault(address, {})[attribute] = f"0x{value}"
    return [
        address
        for address, row in rows.items()
        if row.get("vendor") == "0x10de" and row.get("class", "").startswith(CLASSES)
    ]


@pytest.fixture
def require_gpus(gpus: list[str]) -> list[str]:
    """The question does not apply without a GPU."""
    if not gpus:
        pytest.skip("no NVIDIA GPU")
    return gpus


@pytest.fixture
def loaded(host: Any, require_gpus: list[str]) -> str:
    """The version of the loaded driver."""
    module = host.run("cat /sys/module/nvidia/version")
    if module.rc:
        pytest.skip("no driver is loaded")
    return str(module.stdout.strip())


@pytest.fixture
def ask(host: Any, require_gpus: list[str]) -> Callable[..., list[list[str]]]:
    """Asks nvidia-smi for fields; a row per card."""

    def asked(*fields: str) -> list[list[str]]:
        query = f"--query-gpu={','.join(fields)} --format=csv,noheader,nounits"
        said = host.run(f"timeout {LIMIT} nvidia-smi {query}")
        if said.rc:
            pytest.skip(f"nvidia-smi gives no answer: {said.rc}")
        return [[one.strip() for one in line.split(",")] for line in said.stdout.splitlines()]

    return asked


@pytest.fixture(scope="module")
def kernel_log(host: Any) -> list[str]:
    """Since the boot."""
    with host.sudo():
        log = host.run("dmesg")
        if log.rc or not log.stdout:
            log = host.run("journalctl -k -b -q --no-pager")
    if log.rc:
        pytest.fail("the kernel's log cannot be read")
    return str(log.stdout).splitlines()


@pytest.fixture
def virtual(host: Any) -> str:
    """``none``, ``kvm``, ``systemd-nspawn`` and the like."""
    return str(host.run("systemd-detect-virt").stdout.strip())
