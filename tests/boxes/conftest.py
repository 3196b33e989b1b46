"""Booted boxes for tests: one that tests of a worker share, and as many fresh ones as a test asks for."""

from __future__ import annotations

import os
import re
import signal
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ubuntu_archive import Store, UbuntuRig
from wheels import INSIDE, offer, wheelhouse

from provision.box import Box, BoxError, Settings, host, systems

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager
    from types import FrameType

HERE = Path(__file__).parent
_live: list[Box] = []


def pytest_configure() -> None:
    # By default SIGTERM ends pytest without tearing anything down.
    signal.signal(signal.SIGTERM, _terminated)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.box)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and report.when != "teardown" and item.path.is_relative_to(HERE) and _live:
        folder = _logs(item)
        for box in _live:
            try:
                box.save_logs(folder)
            except BoxError as error:
                report.sections.append((f"logs of {box.name}", str(error)))
        report.sections.append(("logs of the boxes", str(folder)))
    return report


@pytest.fixture(scope="session")
def boxes_possible() -> None:
    """Skip where this machine cannot run boxes; fail where it was asked for all tests."""
    try:
        host.check(systems.system("debian-12"))
    except BoxError as error:
        if os.environ.get("DLRIG_REQUIRE_BOXES") == "1":
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def box(boxes_possible: None) -> Iterator[Box]:  # noqa: ARG001 - only says whether
    """A Debian 12 box without Python that many tests share: leave it as it was."""
    with Box.start("shared") as shared:
        _live.append(shared)
        yield shared
        _live.remove(shared)


@pytest.fixture
def fresh_box(boxes_possible: None) -> Iterator[Callable[..., Box]]:  # noqa: ARG001 - only says whether
    """Makes boxes for this test alone: ``fresh_box(system, name, **settings)``, as in ``Box.start``.

    With ``wheels=True``, pip there finds wheels that were downloaded before.
    """
    made: list[Box] = []

    def make(
        system: str = "debian-12",
        name: str = "",
        *,
        wheels: bool = False,
        **settings: Any,  # noqa: ANN401 - as Settings
    ) -> Box:
        if wheels:
            settings["binds"] = {INSIDE: wheelhouse()}
        fresh = Box.start(name or f"rig{len(made) + 1}", system, Settings(**settings))
        made.append(fresh)
        _live.append(fresh)
        if wheels:
            offer(fresh)
        return fresh

    yield make
    failures = []
    for fresh in reversed(made):
        _live.remove(fresh)
        try:
            fresh.destroy()
        except BoxError as error:
            failures.append(error)
    if failures:
        raise ExceptionGroup("boxes that could not be removed", failures)


@pytest.fixture(scope="session")
def ubuntu_start(
    boxes_possible: None,  # noqa: ARG001 - only says whether
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., AbstractContextManager[UbuntuRig]]]:
    """Begins a rig with simulated GPUs for as many tests as its caller likes; see ubuntu_archive."""
    folder = tmp_path_factory.mktemp("ubuntu-archive")
    empty = folder / "empty"
    empty.mkdir()
    store = Store(folder / "store")

    @contextmanager
    def start(name: str = "ubuntu", **options: Any) -> Iterator[UbuntuRig]:  # noqa: ANN401 - as UbuntuRig.start
        with UbuntuRig.start(store, name, empty=empty, **options) as rig:
            _live.append(rig.box)
            try:
                yield rig
            finally:
                _live.remove(rig.box)

    try:
        yield start
    finally:
        store.close()


@pytest.fixture
def ubuntu_rig(
    ubuntu_start: Callable[..., AbstractContextManager[UbuntuRig]],
) -> Iterator[Callable[..., UbuntuRig]]:
    """Makes rigs with simulated GPUs for this test alone; see ubuntu_archive."""
    with ExitStack() as rigs:
        yield lambda *words, **options: rigs.enter_context(ubuntu_start(*words, **options))


def _logs(item: pytest.Item) -> Path:
    """A folder of this test: in $DLRIG_TEST_LOGS, or where pytest keeps temporary folders."""
    name = re.sub(r"[^\w.-]+", "_", item.nodeid)
    chosen = os.environ.get("DLRIG_TEST_LOGS")
    if chosen:
        return Path(chosen).absolute() / name
    factory: pytest.TempPathFactory = item.config._tmp_path_factory  # type: ignore[attr-defined]
    return factory.getbasetemp() / "box-logs" / name


def _terminated(_number: int, _frame: FrameType | None) -> None:
    pytest.exit("ended by SIGTERM", returncode=143)
