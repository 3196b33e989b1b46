"""Unit tests are fast and touch neither the network nor other programs, unless they say so."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import settings
from pytest_socket import disable_socket

if TYPE_CHECKING:
    from pathlib import Path

# The same examples every time, so that a failure is somebody's change. To look for more: HYPOTHESIS_PROFILE=default
settings.register_profile("same", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@pytest.fixture(autouse=True)
def _alone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    disable_socket(allow_unix_socket=True)
    if request.node.get_closest_marker("subprocess") is None:
        monkeypatch.setattr(subprocess, "Popen", _refuse)


def _refuse(*_args: object, **_kwargs: object) -> NoReturn:
    message = "a unit test started a process; mark it with @pytest.mark.subprocess if it must"
    raise AssertionError(message)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own."""
    folder = tmp_path / "state"
    monkeypatch.setenv("DLRIG_STATE", str(folder))
    return folder
