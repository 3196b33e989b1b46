"""Images are brought to a rig once, and leave nothing behind where there is no cache."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from checks.question import CouldNotMeasure
from checks.training import images
from provision.connection.local import LocalConnection

Stub = Any
pytestmark = pytest.mark.subprocess


@pytest.fixture
def copies() -> list[str]:
    return []


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copies: list[str]) -> Stub:
    """A rig whose commands run here, and whose cache is the test's own."""
    monkeypatch.setattr(images, "CACHE", str(tmp_path / "cache"))
    connection = LocalConnection()

    def put(source: Path, destination: str) -> None:
        copies.append(destination)
        shutil.copyfile(source, destination)

    known = SimpleNamespace(target=SimpleNamespace(local=False))
    return SimpleNamespace(known=known, run=connection.run, put=put)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "some images.npz"
    path.write_bytes(b"images")
    return path


def test_words_go_through(rig: Stub, tmp_path: Path) -> None:
    for data, wanted in (("auto", "auto"), ("synthetic", "synthetic"), ("rig:/a b", "/a b")):
        with images.on_rig(rig, data, tmp_path) as path:
            assert path == wanted


def test_a_file_is_copied_once(rig: Stub, file: Path, tmp_path: Path, copies: list[str]) -> None:
    for _ in range(2):
        with images.on_rig(rig, "some images.npz", tmp_path) as path:
            assert path.startswith(str(tmp_path / "cache" / "data"))
            assert path.endswith("-some images.npz")
            assert Path(path).read_bytes() == file.read_bytes()
    assert len(copies) == 1


def test_a_spoilt_copy_is_replaced(
    rig: Stub, file: Path, tmp_path: Path, copies: list[str]
) -> None:
    with images.on_rig(rig, str(file), tmp_path):
        pass
    next((tmp_path / "cache" / "data").iterdir()).write_bytes(b"spoilt")
    with images.on_rig(rig, str(file), tmp_path) as path:
        assert Path(path).read_bytes() == b"images"
    assert len(copies) == 2


def test_without_a_cache_nothing_is_left(
    rig: Stub, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copies: list[str]
) -> None:
    (tmp_path / "no-folder").write_text("")
    monkeypatch.setattr(images, "CACHE", str(tmp_path / "no-folder"))

    def train() -> None:
        with images.on_rig(rig, str(file), tmp_path) as path:
            assert path.startswith("/tmp/dlrig.")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train()
    (copied,) = copies
    assert not Path(copied).parent.exists()


def test_what_is_not_there(rig: Stub, tmp_path: Path) -> None:
    with (
        pytest.raises(CouldNotMeasure, match="there is no such file here"),
        images.on_rig(rig, "missing.npz", tmp_path),
    ):
        pass
