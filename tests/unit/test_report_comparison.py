from __future__ import annotations

import msgspec
import pytest
from acceptances import result, sample, with_results
from training_acceptances import of_two_cards

from provision.report import nagios, prometheus
from provision.report.comparison import compare
from provision.results import Acceptance, Figure, Status


def _measured(*samples: float, unit: str = "examples/s", note: str = "cpu") -> Acceptance:
    figures = (
        Figure(name="throughput", unit=unit, samples=samples, note=note),
        Figure(name="loss", unit="", samples=(4.7, 4.0), note=note),
    )
    return with_results(sample("cpu_accepted"), result(Status.PASS, "training/x", figures=figures))


def test_checks_are_held_against_each_other() -> None:
    before = with_results(
        sample("cpu_accepted"), result(Status.PASS, "a/same"), result(Status.FAIL, "a/gone")
    )
    after = with_results(
        sample("cpu_accepted"), result(Status.WARN, "a/new"), result(Status.PASS, "a/same")
    )
    rows = [(c.check, c.before, c.after, c.changed) for c in compare(before, after).checks]
    assert rows == [
        ("a/new", None, Status.WARN, True),
        ("a/same", Status.PASS, Status.PASS, False),
        ("a/gone", Status.FAIL, None, True),
    ]


def test_a_quantity_has_a_ratio_and_a_course_has_none() -> None:
    (figure,) = compare(_measured(100, 100, 100), _measured(80, 80, 80)).figures
    assert (figure.name, figure.ratio, figure.obstacle) == ("throughput", 0.8, "")
    assert figure.beyond_spread


def test_a_difference_within_the_spread_is_none() -> None:
    (figure,) = compare(_measured(90, 100, 110), _measured(95, 105, 115)).figures
    assert figure.ratio == 1.05
    assert not figure.beyond_spread


@pytest.mark.parametrize(
    ("after", "obstacle"),
    [
        (_measured(100, unit="steps/s"), "other unit"),
        (_measured(100, note="cpu, synthetic images"), "measured under other conditions"),
        (_measured(), "measured once only"),
    ],
)
def test_what_cannot_be_compared_has_no_ratio(after: Acceptance, obstacle: str) -> None:
    (figure,) = compare(_measured(100), after).figures
    assert (figure.ratio, figure.obstacle, figure.beyond_spread) == (None, obstacle, False)


def test_zero_has_no_ratio() -> None:
    (figure,) = compare(_measured(0.0), _measured(1.0)).figures
    assert (figure.ratio, figure.obstacle) == (None, "was zero")


def test_machine_and_state() -> None:
    one = sample("cpu_accepted")
    changed = msgspec.structs.replace(one, state="another")
    other = sample("gpu_rejected")
    answers = [
        (c.same_machine, c.same_state) for c in (compare(one, x) for x in (one, changed, other))
    ]
    assert answers == [(True, True), (True, False), (False, False)]
    unknown = msgspec.structs.replace(one, machine="")
    assert not compare(unknown, unknown).same_machine


def test_what_the_monitor_saw_is_neither_compared_nor_exported() -> None:
    acceptance = of_two_cards()
    names = {change.name for change in compare(acceptance, acceptance).figures}
    assert names == {"throughput", "speed_up", "scaling_efficiency", "serial_share"}
    exported = nagios.render(acceptance).text + prometheus.render([acceptance])
    assert "throughput" in exported
    assert "utilisation" not in exported
    assert "gpu0_" not in exported
