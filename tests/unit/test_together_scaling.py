"""What training together is worth: the arithmetic, and how it is told."""

from __future__ import annotations

import datetime as dt
import io
import json
from pathlib import Path

import msgspec
import pytest
from together_reports import measured

from provision.history import History
from provision.report import junit, nagios, prometheus
from provision.report.comparison import compare
from provision.report.html import render
from provision.results import Status, Verdict
from provision.state import history_path
from provision.terminal.console import make
from provision.together import Chosen, Failure, Measured, Member, Place
from provision.together.scaling import scaling, serial_share, unlike
from provision.together.showing import show_found
from provision.together.telling import Found, acceptance, document, result

FAST, SLOW = measured(step_seconds_apart=0.1), measured(rank=1, step_seconds_apart=0.15)


def found(
    together: dict[str, tuple[Measured, ...]] | None = None, failure: Failure | None = None
) -> Found:
    together = {"a": (FAST,), "b": (SLOW,)} if together is None else together
    alone = {"a": 120.0, "b": 80.0}
    members = tuple(
        Member(name=name, python="/p", environment="torch", version="2.13.0") for name in alone
    )
    return Found(
        id="20260101T000000Z-000001",
        started=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        seconds=60.0,
        chosen=Chosen(framework="torch", device="cpu", why="", members=members),
        places={name: Place(address="192.0.2.1", port=4000) for name in alone},
        alone={
            name: (measured(examples_per_sec=rate, windows=[rate] * 4, replicas=1, processes=1),)
            for name, rate in alone.items()
        },
        together=together,
        scaling=scaling(alone, together) if together else None,
        failure=failure,
        log=("step 0",),
    )


def test_speed_up_efficiency_and_where_the_step_goes() -> None:
    got = scaling({"a": 120.0, "b": 80.0}, {"a": (FAST,), "b": (SLOW,)})
    assert got.speed_up == pytest.approx(1.8)
    assert got.efficiency == pytest.approx(0.9)
    assert got.serial_share == pytest.approx(1 / 9)
    assert got.communication == pytest.approx(0.05)
    assert got.communication_share == pytest.approx(0.25)
    assert [share.waits for share in got.shares] == pytest.approx([0.05, 0.0])


@pytest.mark.parametrize(
    ("speed_up", "count", "expected"),
    [
        (1, 2, 1.0),
        (2, 2, 0.0),
        (2.1, 2, 0.0),
        (1.6, 2, 0.25),
        (2.5, 4, 0.2),
        (0.9, 2, None),
        (2.3, 2, None),
    ],
)
def test_amdahls_law(speed_up: float, count: int, expected: float | None) -> None:
    got = serial_share(speed_up, count)
    assert got == (None if expected is None else pytest.approx(expected))
    if got is not None and speed_up <= count:
        assert 1 / (got + (1 - got) / count) == pytest.approx(speed_up)


def test_copies_that_do_not_follow_each_other_are_found() -> None:
    rounded = measured(weights=[3.0005, 0.015, 14.0])
    assert not unlike({"a": (FAST,), "b": (rounded,)})
    assert unlike({"a": (FAST,), "b": (measured(weights=[3.0, 0.016, 14.0]),)}) == "b"
    assert unlike({"a": (FAST,), "b": (measured(weights=[3.0]),)}) == "b"


def test_the_result_has_every_figure() -> None:
    got = result(found())
    assert got.status is Status.PASS
    assert "1.80 times one rig alone, 90% of the sum of 2" in got.message
    assert "50.0 of 200.0 ms per step (25%)" in got.message
    figures = {figure.name: figure for figure in got.figures}
    assert figures["throughput"].samples == (178.0, 180.0, 182.0), "the first still warms up"
    assert figures["throughput"].at == (20, 30, 40)
    assert figures["alone_2"].note.startswith("b alone; ")
    assert figures["waiting_1"].samples == pytest.approx((0.05,))
    assert all("synthetic" in figure.note for figure in got.figures)
    assert acceptance(found()).verdict is Verdict.ACCEPTED


def test_slower_together_is_a_warning_and_other_weights_a_failure() -> None:
    slow = measured(examples_per_sec=60.0)
    assert result(found({"a": (slow,), "b": (slow,)})).status is Status.WARN
    fast = measured(examples_per_sec=300.0)
    got = result(found({"a": (fast,), "b": (fast,)}))
    assert (got.status, "cannot be" in got.message) == (Status.WARN, True)
    odd = {"a": (FAST,), "b": (measured(weights=[9.0, 9.0, 9.0]),)}
    assert result(found(odd)).status is Status.FAIL
    assert "b ended with other weights" in result(found(odd)).message


def test_a_disturbed_figure_is_told() -> None:
    loud = measured(disturbed="other programs took 40% of the processors")
    message = result(found({"a": (FAST,), "b": (loud,)})).message
    assert "disturbed on b: other programs took 40% of the processors" in message
    assert "disturbed" not in result(found()).message


def test_a_failure_leaves_what_each_did_alone() -> None:
    failure = Failure(rig="b", what="its process was killed by SIGKILL", kind="killed")
    got = result(found({}, failure))
    assert got.status is Status.ERROR
    assert got.message == "b: its process was killed by SIGKILL"
    assert {figure.name for figure in got.figures} == {"alone_1", "alone_2"}
    assert acceptance(found({}, failure)).verdict is Verdict.INCOMPLETE
    assert (
        json.loads(msgspec.json.encode(document(found({}, failure))))["error"]["kind"] == "killed"
    )


def test_the_page_and_the_terminal_hold_it() -> None:
    page = render(acceptance(found()))
    assert "training/cifar10_together" in page
    assert "a + b" in page
    out = io.StringIO()
    show_found(make(out), found(), Path("/r/report.html"))
    assert "120.0" in out.getvalue()
    assert "50.0" in out.getvalue(), "the fast one waits"


def test_every_other_report_takes_it_too() -> None:
    kept = acceptance(found())
    assert "cifar10_together" in junit.render(kept).decode()
    assert "dlrig_" in prometheus.render([kept])
    assert nagios.render(kept).text
    rows = {row.name for row in compare(kept, kept).figures}
    assert {"throughput", "speed_up", "communication"} <= rows
    with History(history_path()) as history:
        history.add(kept)
        assert history.get("last") == kept
        assert history.latest_accepted("") is None, "no rig is accepted by it"
