"""The virtual machine that all of these tests share: a box prepares its disk, qemu runs it.

``make vm`` runs them; anywhere else they are skipped.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provision.box import Box, BoxError, Settings, host, systems
from provision.box.process import found

# Playbooks and dlrig are called as the box tests call them, which pytest may not have collected.
sys.path.append(str(Path(__file__).parents[1] / "boxes"))

import installed
from calls import DRIVER, play
from machine import Machine

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from types import FrameType

HERE = Path(__file__).parent
_BUILD_LIMIT = 7200.0
"""Seconds for packages and modules: 4 minutes on two idle processors."""
_live: list[Machine] = []


def pytest_configure(config: pytest.Config) -> None:
    # By default SIGTERM ends pytest without tearing anything down.
    signal.signal(signal.SIGTERM, _terminated)
    config.addinivalue_line("markers", "vm: needs a virtual machine (root, qemu); many minutes")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.vm)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and item.path.is_relative_to(HERE) and _live:
        name = re.sub(r"[^\w.-]+", "_", item.nodeid)
        logs = Path(os.environ.get("DLRIG_TEST_LOGS", "build/test-logs")).absolute() / name
        for machine in _live:
            try:
                machine.save_logs(logs)
            except BoxError as error:
                report.sections.append((f"logs of {machine.name}", str(error)))
        report.sections.append(("logs of the machine", str(logs)))
    return report


@pytest.fixture(scope="session")
def machine_possible() -> None:
    """Skip where nobody asked; fail where this host lacks something."""
    if os.environ.get("DLRIG_REQUIRE_VM") != "1":
        pytest.skip("`make vm` runs the tests on a virtual machine")
    host.check(systems.system("debian-12"))
    lacking = [tool for tool in ("qemu-system-x86_64", "sfdisk", "mke2fs") if not found(tool)]
    assert not lacking, f"{', '.join(lacking)} missing: run `sh tests/bootstrap/vm.sh`"


@pytest.fixture(scope="session")
def machine(machine_possible: None) -> Iterator[Machine]:  # noqa: ARG001 - only says whether
    """Debian 12 with its cloud kernel, and with NVIDIA's driver as the roles install it."""
    with Box.start("vm", "debian-12", Settings(python=True)) as box:
        release = installed.install_kernel(box)
        installed.pretend_kernel(box, release)
        play(box, DRIVER, "--tags", "base,nvidia_driver", limit=_BUILD_LIMIT)
        # after the driver, as an update of the system would bring it
        installed.install_other_kernel(box)
        installed.become_machine(box)
        machine = Machine.from_box(box, release)
    with machine:
        _live.append(machine)
        yield machine
        _live.remove(machine)


def _terminated(_number: int, _frame: FrameType | None) -> None:
    pytest.exit("ended by SIGTERM", returncode=143)
