"""``--baseline``: which acceptance a rig is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
import rig_cases

from checks.baselines import baseline_of, facts_of
from provision import facts
from provision.report.document import to_json
from provision.results import Acceptance, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from acceptance_suite import Suite

ASKS = """
from checks.question import question
@question('What was it?', expected='x', source='y', remedy='z')
def test_past(rig, baseline, measure):
    measure.found(f'{baseline.rig} {baseline.started}' if baseline else 'nothing is known')
"""
FACTS = facts.parse(rig_cases.transcript("healthy"))


def accepted(rig: str, day: int, machine: str = FACTS.system.machine) -> Acceptance:
    return Acceptance(
        id=f"202611{day:02d}T000000Z-000000",
        rig=rig,
        machine=machine,
        started=f"2026-11-{day:02d}",
        seconds=1.0,
        verdict=Verdict.ACCEPTED,
        results=(),
        state="",
        facts=msgspec.to_builtins(FACTS),
        plan={},
        version="1",
    )


@pytest.fixture
def asking(suite: Suite) -> Iterator[Suite]:
    check = suite.checks / "hardware" / "test_past.py"
    check.write_text(ASKS)
    yield suite
    check.unlink()


def past(suite: Suite, *files: Path, options: tuple[str, ...] = ()) -> str:
    given = [word for file in files for word in ("--baseline", str(file))]
    ran = suite.run(*suite.record("healthy"), *given, *options, "-k", "past")
    return ran.results("healthy")["hardware/past"].message


@pytest.mark.parametrize("workers", [(), ("-n", "1")])
def test_a_file_of_an_acceptance(asking: Suite, workers: tuple[str, ...]) -> None:
    file = asking.folder / "one.json"
    file.write_bytes(to_json(accepted("ada@bench", 1)))
    assert past(asking, file, options=workers) == "ada@bench 2026-11-01"


def test_nothing_is_known_without_one(asking: Suite) -> None:
    assert past(asking) == "nothing is known"


def test_several_and_a_list_of_them(asking: Suite) -> None:
    one, more = asking.folder / "one.json", asking.folder / "more.json"
    one.write_bytes(msgspec.json.encode(accepted("old", 1)))
    more.write_bytes(b"[" + to_json(accepted("new", 2)) + b"]")
    assert past(asking, one, more) == "new 2026-11-02"


def test_the_results_of_an_earlier_run(asking: Suite) -> None:
    asking.run(*asking.record("healthy"))
    file = (asking.folder / "results.json").rename(asking.folder / "earlier.json")
    assert past(asking, file).startswith("healthy 2")


@pytest.mark.parametrize("content", ["no JSON", '{"schema": "dlrig/acceptance/99"}', "[1]", "{}x"])
def test_something_else_is_wrong_usage(suite: Suite, content: str) -> None:
    file = suite.folder / "bad.json"
    file.write_text(content)
    ran = suite.run(*suite.record("healthy"), "--baseline", str(file))
    assert ran.code == 4
    assert "is not a baseline" in ran.out
    assert "Traceback" not in ran.out


def test_the_machine_counts_before_the_name() -> None:
    mine, named = accepted("another", 1), accepted("rig", 2, machine="ffff")
    assert baseline_of("rig", FACTS, [named, mine], alone=True) is mine
    assert baseline_of("rig", FACTS, [named], alone=False) is named


def test_another_machines_is_taken_only_where_nothing_else_can_be_meant() -> None:
    other, third = accepted("x", 1, machine="ffff"), accepted("y", 2, machine="eeee")
    assert baseline_of("rig", FACTS, [other], alone=True) is other
    assert baseline_of("rig", FACTS, [other], alone=False) is None
    assert baseline_of("rig", FACTS, [other, third], alone=True) is None


def test_its_facts_are_read_unless_they_are_of_another_version() -> None:
    assert facts_of(accepted("rig", 1)) == FACTS
    assert facts_of(msgspec.structs.replace(accepted("rig", 1), facts={"alien": 1})) is None
