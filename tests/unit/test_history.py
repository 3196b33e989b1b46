from __future__ import annotations

import contextlib
import math
import sqlite3
import stat
import threading
from typing import TYPE_CHECKING

import msgspec
import pytest
from acceptances import result, sample, with_results

from provision import database
from provision.errors import DlrigError, Exit
from provision.history import Entry, History
from provision.report.document import to_json
from provision.results import Acceptance, Figure, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite"


@pytest.fixture
def history(path: Path) -> Iterator[History]:
    with History(path) as opened:
        yield opened


def _at(hour: int, **changes: object) -> Acceptance:
    stamp = {
        "id": f"20260504T{hour:02d}0000Z-{hour:06x}",
        "started": f"2026-05-04T{hour:02d}:00:00+00:00",
    }
    return msgspec.structs.replace(sample("cpu_accepted"), **stamp, **changes)


def test_an_acceptance_comes_back_as_it_was(history: History) -> None:
    for name in ("cpu_accepted", "gpu_rejected"):
        history.add(sample(name))
        assert history.get(sample(name).id) == sample(name)


def test_it_outlives_the_process_that_wrote_it(path: Path) -> None:
    with History(path) as first:
        first.add(sample("cpu_accepted"))
    with History(path) as second:
        assert second.get("last") == sample("cpu_accepted")


def test_only_the_user_may_read_it(path: Path, history: History) -> None:
    history.add(sample("cpu_accepted"))
    files = sorted(path.parent.glob(f"{path.name}*"))
    assert len(files) > 1
    assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}


def test_the_latest_is_by_time_not_by_arrival(history: History) -> None:
    for hour in (9, 11, 10):
        history.add(_at(hour, rig=f"name-{hour}"))
    history.add(_at(12, machine="another"))
    latest = history.latest(sample("cpu_accepted").machine)
    assert latest is not None
    assert latest.rig == "name-11"
    named = history.latest_of_rig("name-10")
    assert named is not None
    assert named.id == _at(10).id


def test_a_part_of_the_checks_can_be_told_from_all(history: History) -> None:
    history.add(_at(9))
    history.add(_at(10, scope="quick"))
    machine = sample("cpu_accepted").machine
    latest, whole = history.latest(machine), history.latest(machine, "all")
    assert (latest and latest.scope, whole and whole.id) == ("quick", _at(9).id)


def test_nothing_yet(history: History) -> None:
    assert history.latest("unknown") is None
    assert history.latest_of_rig("unknown") is None
    assert history.list() == ()
    with pytest.raises(DlrigError, match="no acceptance is called 'last'") as caught:
        history.get("last")
    assert "dlrig check" in caught.value.hint


@pytest.mark.parametrize(
    ("key", "hour"),
    [
        ("last", 13),
        ("-1", 13),
        ("-2", 12),
        ("-4", 10),
        ("20260504T11", 11),
        ("20260504t110000z-00000b", 11),
    ],
)
def test_keys(history: History, key: str, hour: int) -> None:
    for each in (10, 11, 12, 13):
        history.add(_at(each))
    assert history.get(key).id == _at(hour).id


def test_a_key_can_be_for_one_rig(history: History) -> None:
    for hour in (10, 11, 12, 13):
        history.add(_at(hour, rig="odd" if hour % 2 else "even"))
    assert history.get("last", rig="even").id == _at(12).id
    assert history.get("-2", rig="odd").id == _at(11).id
    assert history.get("20260504T11", rig="odd").id == _at(11).id
    with pytest.raises(DlrigError, match="on even"):
        history.get("20260504T11", rig="even")


@pytest.mark.parametrize("key", ["", "x", "-0", "-5", "-99999999999", "%", "_", "' OR 1 --", "--1"])
def test_an_unknown_key_names_those_that_are_there(history: History, key: str) -> None:
    history.add(_at(10))
    with pytest.raises(DlrigError, match="no acceptance is called") as caught:
        history.get(key)
    assert caught.value.exit_code is Exit.USAGE
    assert _at(10).id in caught.value.hint


def test_a_beginning_of_two_ids_names_both(history: History) -> None:
    history.add(_at(10))
    history.add(_at(11))
    with pytest.raises(DlrigError, match="begins more than one") as caught:
        history.get("20260504")
    assert _at(10).id in caught.value.hint
    assert _at(11).id in caught.value.hint


def test_the_list_has_what_a_table_needs(history: History) -> None:
    history.add(sample("cpu_accepted"))
    history.add(sample("gpu_rejected"))
    newest, oldest = history.list()
    assert (newest.rig, newest.verdict) == ("gpu-01", Verdict.REJECTED)
    assert newest.counts[Status.FAIL] == 2
    assert newest.headline is not None
    assert newest.headline.check == "training/cifar10_smoke[tensorflow_gpu]"
    assert oldest.headline is not None
    assert oldest.headline.synthetic
    assert oldest.seconds == sample("cpu_accepted").seconds
    assert [each.id for each in history.list(1)] == [newest.id]
    assert [each.id for each in history.list(rig="ada@bench")] == [oldest.id]
    assert set(Entry.__struct_fields__) >= {"id", "rig", "machine", "started", "state", "scope"}


def test_figures_stand_in_columns(path: Path, history: History) -> None:
    history.add(sample("cpu_accepted"))
    with contextlib.closing(sqlite3.connect(path)) as raw:
        rows = raw.execute("SELECT name, unit, median, samples FROM figures").fetchall()
    throughput = sample("cpu_accepted").results[-1].figures[0]
    assert rows[0][:3] == ("throughput", "examples/s", throughput.median)
    assert tuple(msgspec.json.decode(rows[0][3])) == throughput.samples
    assert len(rows) == 4


def test_the_same_twice_is_kept_once(history: History) -> None:
    history.add(_at(10))
    history.add(_at(10))
    assert len(history.list()) == 1


def test_an_id_is_never_overwritten(history: History) -> None:
    history.add(_at(10))
    with pytest.raises(DlrigError) as caught:
        history.add(_at(10, rig="another"))
    assert caught.value.reference == "history-duplicate"
    assert history.get("last") == _at(10)


def test_values_that_are_no_numbers_do_not_spoil_the_rest(history: History) -> None:
    figure = Figure(
        name="loss", unit="", samples=(4.7, math.nan, math.inf), at=(0.0, 1.0, 2.0), note="cpu"
    )
    empty = Figure(name="throughput", unit="examples/s", samples=(math.nan,))
    history.add(with_results(_at(10), result(Status.ERROR, figures=(figure, empty))))
    back = history.get("last").results[0].figures
    assert back[0].samples == (4.7,)
    assert back[0].at == (0.0,)
    assert back[0].note == "cpu; 2 of 3 values were infinite or no number"
    assert back[1].samples == ()
    assert history.list()[0].headline is None


def test_two_processes_can_write(path: Path) -> None:
    # Threads with a connection each: SQLite's locks are the same as between processes.
    def write(hour: int) -> None:
        with History(path) as mine:
            mine.add(_at(hour))

    writers = [threading.Thread(target=write, args=(hour,)) for hour in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
    with History(path) as history:
        assert len(history.list()) == 8


def test_a_writer_that_does_not_end_is_said(
    path: Path, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.add(_at(10))
    monkeypatch.setattr(database, "_WAIT", 0.05)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with History(path) as second, pytest.raises(DlrigError) as caught:
            second.add(_at(11))
        assert caught.value.reference == "history-busy"
        other.execute("ROLLBACK")
    history.add(_at(11))


def _read_all(path: Path) -> None:
    with History(path) as history:
        history.list()
        history.get("last")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def _overwritten(path: Path) -> None:
    path.write_bytes(b"\x00not a database\xff" * 1000)


def _scrambled(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[100:4096] = b"\xa5" * 3996
    path.write_bytes(raw)


def _someone_elses(path: Path) -> None:
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as raw:
        raw.execute("CREATE TABLE bookmarks (url TEXT)")
        raw.commit()


@pytest.mark.parametrize("harm", [_cut, _overwritten, _scrambled, _someone_elses])
def test_a_damaged_history_is_said_and_left_alone(path: Path, harm: object) -> None:
    with History(path) as history:
        for hour in range(10):
            history.add(_at(hour))
    harm(path)  # type: ignore[operator]
    before = path.read_bytes()
    with pytest.raises(DlrigError) as caught:
        _read_all(path)
    assert caught.value.reference == "history-damaged"
    assert f"mv {path}" in caught.value.hint
    assert path.read_bytes() == before


def test_a_damaged_document_is_said(path: Path, history: History) -> None:
    history.add(_at(10))
    with contextlib.closing(sqlite3.connect(path)) as raw:
        raw.execute("UPDATE acceptances SET document = ?", (to_json(_at(10))[:-50],))
        raw.commit()
    with pytest.raises(DlrigError) as caught:
        history.get("last")
    assert caught.value.reference == "acceptance-unreadable"
    assert _at(10).id in caught.value.where
    assert len(history.list()) == 1


def test_a_newer_history_is_left_alone(path: Path) -> None:
    with History(path) as history:
        history.add(_at(10))
    with contextlib.closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA user_version = 99")
    with pytest.raises(DlrigError) as caught:
        History(path)
    assert caught.value.reference == "history-newer"
    with contextlib.closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (99,)
        assert raw.execute("SELECT count(*) FROM acceptances").fetchone() == (1,)


def test_an_opening_that_was_cut_is_finished(path: Path) -> None:
    path.touch()  # the file was made, and then the power went
    with History(path) as history:
        history.add(_at(10))
        assert history.get("last") == _at(10)


def test_a_place_that_takes_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DlrigError) as caught:
        History(tmp_path / "gone" / "history.sqlite")
    assert caught.value.reference == "state-unwritable"
    (tmp_path / "history.sqlite").mkdir()
    with pytest.raises(DlrigError) as caught:
        History(tmp_path / "history.sqlite")
    assert caught.value.reference == "state-unwritable"


def test_a_full_disk_keeps_what_is_there(history: History) -> None:
    history.add(_at(10))
    # SQLite's own limit stands for the disk's: it raises the same error.
    pages = history._database.one("PRAGMA page_count")[0]
    history._database.execute(f"PRAGMA max_page_count = {pages}")
    big = with_results(_at(11), result(Status.PASS, log=("x" * 100_000,)))
    with pytest.raises(DlrigError) as caught:
        history.add(big)
    assert caught.value.reference == "state-unwritable"
    assert "DLRIG_STATE" in caught.value.hint
    assert [each.id for each in history.list()] == [_at(10).id]


@pytest.mark.subprocess
def test_opening_loads_nothing_heavy() -> None:
    import subprocess  # noqa: PLC0415 - only here
    import sys  # noqa: PLC0415 - only here

    code = "import sys, provision.history, provision.state; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    ).stdout.split()
    assert "sqlite3" in loaded
    assert not {"matplotlib", "jinja2", "rich", "numpy", "ansible", "fabric"} & set(loaded)
