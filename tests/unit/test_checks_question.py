"""How a check ends, and what becomes of its words."""

from __future__ import annotations

import pytest

from checks import question as asking
from checks.recorder import _ending, clean
from provision.errors import UnreachableError
from provision.results import Status


def ends(error: BaseException | None, severity: Status = Status.FAIL) -> tuple[Status, str]:
    return _ending(error, severity, "found")


def test_endings() -> None:
    assert ends(None) == (Status.PASS, "found")
    assert ends(AssertionError("3 GiB\nassert 3 > 4")) == (Status.FAIL, "3 GiB")
    assert ends(AssertionError("3 GiB"), Status.WARN) == (Status.WARN, "3 GiB")
    assert ends(AssertionError()) == (Status.FAIL, "the criterion is not met")
    assert ends(asking.Concern("low")) == (Status.WARN, "low")
    assert ends(asking.CouldNotMeasure("busy")) == (Status.ERROR, "busy")
    assert ends(pytest.skip.Exception("no GPU")) == (Status.SKIP, "no GPU")


def test_nothing_unexpected_is_a_pass() -> None:
    lost = UnreachableError("the link broke", where="rig", hint="Run it again.", reference="lost")
    assert ends(lost) == (Status.ERROR, "the link broke\nRun it again.")
    for error in (KeyError("x"), SystemExit(0), MemoryError(), TypeError("y")):
        status, message = ends(error)
        assert status is Status.ERROR
        assert type(error).__name__ in message


def test_words_of_a_rig_cannot_drive_a_terminal() -> None:
    assert clean("a\x1b[2Jb\x07\x9bc\nd\te\u202e") == "a\ufffd[2Jb\ufffd\ufffdc\nd\te\ufffd"
    assert clean("4.68 → 3.91 ±2 %") == "4.68 → 3.91 ±2 %"


def test_helpers_raise_what_they_say() -> None:
    with pytest.raises(asking.CouldNotMeasure, match="why"):
        asking.could_not_measure("why")
    with pytest.raises(asking.Concern, match="low"):
        asking.warn_unless(condition=False, message="low")
    asking.warn_unless(condition=True, message="low")


def test_measure_keeps_what_it_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    measure = asking.Measure()
    figure = measure.figure("throughput", "examples/s", [1.0, 3.0, 2.0], at=[10, 20, 30])
    measure.log(["step 0", "step 10"])
    assert figure.median == 2.0
    assert measure.figures == [figure]
    assert measure.lines == ["step 0", "step 10"]
    assert capsys.readouterr().out == "step 0\nstep 10\n"
