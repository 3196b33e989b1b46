"""Waivers: what they excuse, what they cannot, when they are over, and what is wrong with a file of them."""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING

import msgspec
import pytest
from acceptances import result, sample, with_results
from hypothesis import given
from hypothesis import strategies as st

from provision import waivers
from provision.errors import UsageError
from provision.report import html, junit, nagios
from provision.results import Result, Status, Verdict, Waived, judge
from provision.waivers import Waiver, apply, read, stale
from provision.watch import _counts

if TYPE_CHECKING:
    from pathlib import Path

TODAY = dt.date(2026, 11, 23)
FILE = """
[[waiver]]
check = "hardware/cpu_governor"
reason = "shared with the build server"
until = 2027-01-31

  [[waiver]]
check = "training/*"
rig = "ada@*"
reason = "the old card"
until = 2026-12-24
"""


def waiver(check: str = "hardware/memory", days: int = 1, rig: str = "*") -> Waiver:
    return Waiver(
        check=check, rig=rig, reason="known", until=TODAY + dt.timedelta(days), place="w.toml"
    )


def waived(status: Status, **fields: object) -> Result:
    one = result(status, **fields)
    return msgspec.structs.replace(one, waived=Waived(until="2026-12-24", reason="known"))


def test_a_file_is_read_with_the_places_of_its_entries(tmp_path: Path) -> None:
    path = tmp_path / "waivers.toml"
    path.write_text(FILE)
    governor, training = read(path, TODAY)
    assert (governor.rig, governor.until) == ("*", dt.date(2027, 1, 31))
    assert training.place == f"{path}, line 7 (waiver 2)"


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ("until = 2027-01-31", "", "line 2 (waiver 1)", "missing required field `until`"),
        ("2027-01-31", '"some day"', "line 2 (waiver 1)", "'until'"),
        ("2027-01-31", "2031-01-31", "line 2 (waiver 1)", "the latest possible is 2027-11-24"),
        ("the old card", " ", "line 7 (waiver 2)", "'reason' is empty"),
        ("check =", "chek =", "line 2 (waiver 1)", "unknown field `chek`"),
        ("[[waiver]]", "[[waver]]", "waivers.toml", "unknown field `waver`"),
        ("reason =", "reason", "waivers.toml", "line 4"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    tmp_path: Path, old: str, new: str, where: str, what: str
) -> None:
    path = tmp_path / "waivers.toml"
    path.write_text(FILE.replace(old, new, 1))
    with pytest.raises(UsageError) as error:
        read(path, TODAY)
    assert where in error.value.where
    assert what in error.value.what


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_is_missing_or_no_text(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "waivers.toml"
    if content:
        path.write_bytes(content)
    with pytest.raises(UsageError):
        read(path, TODAY)


@given(st.text(max_size=300))
def test_any_text_is_waivers_or_wrong_usage(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert isinstance(read(_Text(text), TODAY), tuple)  # type: ignore[arg-type]


class _Text:
    """A path whose content is known."""

    def __init__(self, text: str) -> None:
        self.text = text

    def read_text(self) -> str:
        return self.text


@pytest.mark.parametrize("status", Status)
def test_only_findings_are_waived(status: Status) -> None:
    found = apply(result(status), [waiver()], TODAY)
    assert bool(found.waived) == (status in {Status.FAIL, Status.WARN})
    assert found.message == result(status).message
    assert found.status is status


@pytest.mark.parametrize(
    ("check", "rig", "fits"),
    [
        ("hardware/memory", "*", True),
        ("hardware/*", "ada@bench", True),
        ("*", "*", True),
        ("hardware/mem", "*", False),
        ("hardware/memory", "bob@*", False),
        ("hardware/memor?", "ada@benc?", True),
        ("hardware/[m]emory", "*", False),
    ],
)
def test_names_and_patterns(check: str, rig: str, *, fits: bool) -> None:
    found = apply(result(Status.FAIL), [waiver(check, rig=rig)], TODAY)
    assert bool(found.waived) == fits


def test_a_name_with_brackets_is_itself() -> None:
    name = "runtime/environment_imports[torch]"
    assert apply(result(Status.FAIL, name), [waiver(name)], TODAY).waived
    assert not apply(
        result(Status.FAIL, "runtime/environment_importst"), [waiver(name)], TODAY
    ).waived


def test_the_last_day_counts_and_the_next_does_not() -> None:
    assert apply(result(Status.FAIL), [waiver(days=0)], TODAY).waived
    assert not apply(result(Status.FAIL), [waiver(days=-1)], TODAY).waived


def test_of_several_the_longest() -> None:
    found = apply(result(Status.FAIL), [waiver(days=3), waiver(days=9), waiver(days=5)], TODAY)
    assert found.waived is not None
    assert found.waived.until == "2026-12-02"


@pytest.mark.parametrize(
    ("results", "verdict"),
    [
        ((waived(Status.FAIL), result(Status.PASS)), Verdict.ACCEPTED),
        ((waived(Status.WARN),), Verdict.ACCEPTED),
        ((waived(Status.FAIL), result(Status.WARN)), Verdict.WARNINGS),
        ((waived(Status.FAIL), result(Status.FAIL)), Verdict.REJECTED),
        ((waived(Status.ERROR), result(Status.PASS)), Verdict.INCOMPLETE),
        ((waived(Status.SKIP),), Verdict.INCOMPLETE),
    ],
)
def test_verdicts(results: tuple[Result, ...], verdict: Verdict) -> None:
    assert judge(results) is verdict


def test_an_acceptance_holds_while_its_waivers_do() -> None:
    one = with_results(sample("cpu_accepted"), waived(Status.FAIL))
    assert one.holds("2026-12-24T23:59:59+00:00")
    assert not one.holds("2026-12-25T00:00:00+00:00")
    assert with_results(one, result(Status.PASS)).holds("2099-01-01")
    assert not with_results(one, result(Status.FAIL)).holds("2026-01-01")


def why(*results: Result, days: int = 1, check: str = "hardware/memory", whole: bool = True) -> str:
    found = stale([waiver(check, days)], results, TODAY, whole=whole)
    assert {one.status for one in found} <= {Status.WARN}
    return found[0].message.partition(";")[0] if found else ""


def test_a_stale_waiver_is_a_warning_that_says_why() -> None:
    assert why(result(Status.FAIL), days=-1) == "it ended on 2026-11-22"
    assert why(result(Status.PASS)) == "hardware/memory passed"
    assert why(result(Status.PASS), check="nosuch/*") == "there is no such check here"
    assert why(result(Status.PASS), check="nosuch/*", whole=False) == ""


@pytest.mark.parametrize("status", [Status.FAIL, Status.WARN, Status.ERROR, Status.SKIP])
def test_what_is_needed_or_unknown_is_not_stale(status: Status) -> None:
    assert why(result(status)) == ""
    assert why(result(Status.PASS), result(status, "hardware/memory_2"), check="hardware/*") == ""


def test_one_rig_that_needs_it_is_enough_and_others_rigs_do_not_count() -> None:
    here, there = result(Status.PASS), result(Status.FAIL, rig="bob@bench")
    assert stale([waiver()], [here, there], TODAY, whole=True) == ()
    both = stale([waiver(days=-1)], [here, there], TODAY, whole=True)
    assert [one.rig for one in both] == ["ada@bench", "bob@bench"]
    assert stale([waiver(rig="eve@*", days=-1)], [here, there], TODAY, whole=True) == ()


def test_every_report_says_it_and_counts_it_as_no_failure() -> None:
    one = with_results(sample("cpu_accepted"), waived(Status.FAIL), result(Status.PASS, "a/b"))
    page = html.render(one)
    assert "Waived until 2026-12-24" in page
    assert "<b>1</b> waived" in page
    assert "What needs attention" not in page
    suite = junit.render(one).decode()
    assert 'failures="0"' in suite
    assert "fail, waived until 2026-12-24 because: known" in suite
    line = nagios.render(one)
    assert line.exit_code == 0
    assert "1 waived" in line.text
    assert "fail=0" in line.text
    assert _counts(one) == ", 2 checks"


def test_a_result_of_before_waivers_still_loads() -> None:
    plain = msgspec.to_builtins(result(Status.FAIL))
    del plain["waived"]
    assert msgspec.convert(plain, Result).waived is None


def test_the_usual_files_are_those_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waivers, "EVERYWHERE", tmp_path / "etc.toml")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert waivers.usual_files() == ()
    (tmp_path / "etc.toml").touch()
    (tmp_path / "dlrig").mkdir()
    (tmp_path / "dlrig" / "waivers.toml").touch()
    assert [path.name for path in waivers.usual_files()] == ["etc.toml", "waivers.toml"]
