from __future__ import annotations

import datetime as dt
import errno
import os
import stat
from typing import TYPE_CHECKING

import pytest

from provision import state as kept
from provision.errors import DlrigError

if TYPE_CHECKING:
    from pathlib import Path


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_ids_sort_by_time_and_differ() -> None:
    noon = dt.datetime(2026, 5, 4, 12, 0, 9, tzinfo=dt.UTC)
    first, second = kept.new_id(noon), kept.new_id(noon + dt.timedelta(seconds=1))
    assert kept.RUN_ID.fullmatch(first)
    assert first.startswith("20260504T120009Z-")
    assert first < second
    assert kept.new_id(noon) != kept.new_id(noon)


def test_an_id_is_in_utc() -> None:
    zone = dt.timezone(dt.timedelta(hours=2))
    assert kept.new_id(dt.datetime(2026, 5, 4, 1, 0, tzinfo=zone)).startswith("20260503T230000Z")


def test_only_the_user_may_read(state: Path) -> None:
    before = os.umask(0)
    try:
        folder = kept.run_folder("20260504T120009Z-0a1b2c")
        kept.write_file(folder / "report.html", b"page")
    finally:
        os.umask(before)
    assert folder == state / "runs" / "20260504T120009Z-0a1b2c"
    assert [_mode(each) for each in (state, folder.parent, folder)] == [0o700] * 3
    assert _mode(folder / "report.html") == 0o600


def test_a_folder_of_the_user_keeps_its_permissions(state: Path) -> None:
    state.mkdir(mode=0o755)
    state.chmod(0o755)
    kept.run_folder("20260504T120009Z-0a1b2c")
    assert _mode(state) == 0o755


def test_the_users_state_folder_is_used_without_a_wish(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DLRIG_STATE")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert kept.state_folder() == tmp_path / "dlrig"


def test_a_relative_folder_and_a_home_are_understood(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DLRIG_STATE", "here")
    assert kept.state_folder() == tmp_path / "here"
    monkeypatch.setenv("DLRIG_STATE", "~/there")
    assert kept.state_folder() == tmp_path / "home" / "there"


@pytest.mark.parametrize("bad", ["../../etc", "", "20260504T120009Z-0a1b2c/x", "last"])
def test_a_run_stays_in_its_folder(bad: str) -> None:
    with pytest.raises(ValueError, match="not the id of a run"):
        kept.run_folder(bad)


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    kept.write_file(tmp_path / "a", b"one")
    kept.write_file(tmp_path / "a", b"two")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("a", b"two")]


def test_a_failed_write_leaves_the_old_file_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.write_file(tmp_path / "a", b"one")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DlrigError) as caught:
        kept.write_file(tmp_path / "a", b"two")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("a", b"one")]
    assert caught.value.reference == "state-unwritable"
    assert caught.value.where == str(tmp_path)
    assert "no space left on device" in caught.value.what
    assert "DLRIG_STATE=" in caught.value.hint


def test_a_place_that_is_no_folder_is_named(state: Path) -> None:
    state.write_text("a file")
    with pytest.raises(DlrigError) as caught:
        kept.state_folder()
    assert caught.value.reference == "state-unwritable"
    assert caught.value.where == str(state)


def test_a_folder_that_may_not_be_written_to_is_named(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.mkdir()
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(DlrigError, match="permission denied"):
        kept.state_folder()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DlrigError, match="no such file") as caught:
        kept.write_file(tmp_path / "gone" / "a", b"")
    assert caught.value.where == str(tmp_path / "gone")
