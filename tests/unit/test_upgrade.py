"""Upgrades: what counts as worse, and every way through the flow, cut and gone on with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from acceptances import result, sample, with_results
from facts_of import environment, facts_of
from fake_rig import NEW, NEWEST, OLD, FakeRig, connect_to, name_of, run_of, said

from provision import catalogue
from provision.errors import ApplyError, Exit, UsageError
from provision.facts.driver import UpgradeRecord
from provision.history import History
from provision.pipeline import carry
from provision.report.comparison import compare
from provision.results import Figure, Result, Status
from provision.stages import ROLLBACK, ROLLBACK_UNCHECKED, UPGRADE
from provision.state import history_path
from provision.target import parse_target
from provision.upgrade.rest import keep_the_rest
from provision.upgrade.verdict import Grade, Judgement, judge_upgrade
from provision.wishes import Wishes

if TYPE_CHECKING:
    from provision.pipeline import Run


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeRig:
    rig = FakeRig()
    connect_to(rig, monkeypatch)
    return rig


def upgrade(driver: str = "595", **more: object) -> Run:
    run = run_of(driver=driver, **more)
    carry(run, UPGRADE)
    return run


def acceptances() -> int:
    with History(history_path()) as history:
        return len(history.list())


def error_of(run: Run) -> ApplyError:
    error = run.rigs[0].error
    assert error is not None
    return error  # type: ignore[return-value]


# What counts as worse


def judged(before: Result, after: Result | None) -> Judgement:
    base = sample("cpu_accepted")
    return judge_upgrade(
        compare(with_results(base, before), with_results(base, *([after] if after else [])))
    )


@pytest.mark.parametrize(
    ("before", "after", "grade"),
    [
        (Status.PASS, Status.PASS, Grade.SAME),
        (Status.PASS, Status.WARN, Grade.SAME),
        (Status.PASS, Status.FAIL, Grade.WORSE),
        (Status.PASS, Status.ERROR, Grade.WORSE),
        (Status.PASS, None, Grade.WORSE),
        (Status.PASS, Status.SKIP, Grade.SAME),
        (Status.WARN, Status.FAIL, Grade.WORSE),
        (Status.WARN, Status.ERROR, Grade.WORSE),
        (Status.WARN, Status.PASS, Grade.SAME),
        (Status.FAIL, Status.FAIL, Grade.SAME),
        (Status.FAIL, Status.ERROR, Grade.SAME),
        (Status.FAIL, Status.PASS, Grade.BETTER),
        (Status.ERROR, Status.WARN, Grade.BETTER),
        (Status.SKIP, Status.FAIL, Grade.SAME),
    ],
)
def test_grades_of_checks(before: Status, after: Status | None, grade: Grade) -> None:
    assert judged(result(before), result(after) if after else None).grade is grade


def test_what_could_not_be_asked_before_is_worse_where_the_rig_was_accepted() -> None:
    base = sample("cpu_accepted")
    passed, skipped = result(Status.PASS, "a/a"), result(Status.SKIP, "b/b")
    failed = result(Status.FAIL, "b/b")
    fine = with_results(base, passed, skipped)
    assert judge_upgrade(compare(fine, with_results(base, passed, failed))).grade is Grade.WORSE
    broken = with_results(base, result(Status.FAIL, "a/a"), skipped)
    after = judge_upgrade(compare(broken, with_results(base, passed, failed)))
    assert after.grade is Grade.BETTER


def with_figure(unit: str, *samples: float, note: str = "") -> Result:
    figure = Figure(name="figure", unit=unit, samples=samples, note=note)
    return result(Status.PASS, figures=(figure,))


@pytest.mark.parametrize(
    ("unit", "before", "after", "grade"),
    [
        ("examples/s", (100.0, 100.5, 99.5), (90.0, 90.5, 89.5), Grade.WORSE),
        ("examples/s", (100.0, 100.5, 99.5), (110.0, 110.5, 109.5), Grade.BETTER),
        ("GFLOP/s", (100.0, 100.5), (90.0, 90.5), Grade.WORSE),
        ("s", (100.0, 100.5, 99.5), (90.0, 90.5, 89.5), Grade.BETTER),
        ("s", (100.0, 100.5, 99.5), (110.0, 110.5, 109.5), Grade.WORSE),
        # Within both runs' own spread.
        ("examples/s", (100.0, 115.0, 85.0), (90.0, 105.0, 75.0), Grade.SAME),
        # Steady within each run, and still no more apart than two runs of the same thing are.
        ("examples/s", (100.0, 100.0, 100.0), (98.0, 98.0, 98.0), Grade.SAME),
        # Nobody knows the noise of one sample, or which way is up.
        ("s", (1.0,), (2.0,), Grade.SAME),
        ("", (1.0, 1.0), (0.5, 0.5), Grade.SAME),
    ],
)
def test_grades_of_figures(
    unit: str, before: tuple[float, ...], after: tuple[float, ...], grade: Grade
) -> None:
    judgement = judged(with_figure(unit, *before), with_figure(unit, *after))
    assert judgement.figures[0].grade is grade
    assert judgement.grade is grade


def test_figures_of_other_conditions_are_not_compared() -> None:
    judgement = judged(
        with_figure("examples/s", 100.0, 100.0), with_figure("examples/s", 1.0, 1.0, note="CPU")
    )
    assert judgement.grade is Grade.SAME
    assert judgement.figures[0].reason == "measured under other conditions"


def test_the_processors_pace_undoes_no_driver() -> None:
    note = "synthetic images, 1 cpu (AMD EPYC), reference mode"
    judgement = judged(
        with_figure("examples/s", 100.0, 100.0, note=note),
        with_figure("examples/s", 50.0, 50.0, note=note),
    )
    assert judgement.grade is Grade.SAME
    assert judgement.figures[0].reason == "the processor's own: no driver changes it"


# The flow


def test_a_driver_that_does_stays(fake: FakeRig) -> None:
    run = upgrade()
    assert run.exit_code is Exit.OK, said(run)
    assert fake.log == [
        f"accept with {OLD}",
        "note",
        f"site.yml {NEW}",
        "restart",
        f"accept with {NEW}",
        "no note",
    ]
    upgraded = run.rigs[0].known_upgrade
    assert upgraded.outcome == "kept"
    assert upgraded.judgement
    assert upgraded.judgement.grade is Grade.SAME
    assert acceptances() == 2
    assert "as good as before" in said(run)


def test_what_is_noted_before_anything_changes(fake: FakeRig) -> None:
    seen: list[UpgradeRecord | None] = []
    fake.break_play = lambda rig, _: seen.append(rig.note)  # type: ignore[func-returns-value]
    run = upgrade()
    (note,) = seen
    assert note
    baseline = run.rigs[0].known_upgrade.baseline
    assert baseline
    assert note.baseline == baseline.id != run.rigs[0].id
    assert (note.from_set, note.wish) == (name_of(OLD), "595")
    assert note.began


def test_without_a_wish_the_newest_of_the_branch_is_taken(fake: FakeRig) -> None:
    assert upgrade("").exit_code is Exit.OK
    assert fake.version == NEWEST[580]


def test_the_newest_needs_nothing(fake: FakeRig) -> None:
    fake.install(NEWEST[580])
    fake.loaded = NEWEST[580]
    run = upgrade("")
    assert run.exit_code is Exit.OK
    assert "nothing to upgrade" in said(run)
    assert fake.log == []


def test_a_measurement_of_this_very_state_is_used_again(fake: FakeRig) -> None:
    upgrade()
    assert upgrade("580").exit_code is Exit.OK
    assert fake.log.count(f"accept with {NEW}") == 1
    assert fake.version == NEWEST[580]


def test_there_must_be_a_gpu_and_a_driver(fake: FakeRig) -> None:
    fake.gpus = ""
    assert error_of(upgrade()).reference == "no-gpu"
    fake.__init__()  # type: ignore[misc]
    fake.state, fake.version = "missing", ""
    error = error_of(upgrade())
    assert error.reference == "no-driver"
    assert "dlrig up" in error.hint
    assert fake.log == []


def test_a_driver_that_fails_a_check_is_rolled_back(fake: FakeRig) -> None:
    fake.fails_with[NEW] = {"driver/gpu_count"}
    run = upgrade()
    assert run.exit_code is Exit.REJECTED
    error = error_of(run)
    assert error.reference == "rolled-back"
    assert "driver/gpu_count: passed before, failed after" in error.what
    assert fake.log[5:] == [
        f"rollback.yml {OLD}",
        "restart",
        "no note",
        f"accept with {OLD}",
    ]
    assert (fake.version, fake.loaded, fake.note) == (OLD, OLD, None)
    assert acceptances() == 3
    assert run.rigs[0].known_upgrade.outcome == "rolled back"


def test_keep_keeps_it(fake: FakeRig) -> None:
    fake.fails_with[NEW] = {"driver/gpu_count"}
    run = upgrade(keep=True)
    assert run.exit_code is Exit.REJECTED, "it stays, and is not accepted"
    assert fake.version == NEW
    assert run.rigs[0].error is None
    assert fake.note is None


def test_a_slower_rig_is_rolled_back(fake: FakeRig) -> None:
    fake.speed[NEW] = 80.0
    error = error_of(upgrade())
    assert error.reference == "rolled-back"
    assert "training/cifar10, throughput: 100 examples/s before, 80 examples/s after" in error.what
    assert fake.version == OLD


def test_a_faster_rig_is_better(fake: FakeRig) -> None:
    fake.speed[NEW] = 120.0
    assert "better than before" in said(upgrade())


def test_a_rejected_rig_is_judged_against_itself(fake: FakeRig) -> None:
    fake.fails_with = {OLD: {"driver/loaded"}, NEW: {"driver/loaded"}}
    run = upgrade()
    assert run.rigs[0].error is None
    assert fake.version == NEW
    assert run.exit_code is Exit.REJECTED


def failing(reference: str, *, after: str = "", play: str = "site.yml") -> object:
    """A playbook that ends with an error, having changed the rig's version and state, or nothing."""

    def break_play(rig: FakeRig, name: str) -> ApplyError | None:
        if name != play:
            return None
        if after:
            rig.version, rig.state = after, "broken"
        return ApplyError("'Install the driver' failed: no", where="rig", reference=reference)

    return break_play


def test_a_role_that_breaks_the_driver_is_undone(fake: FakeRig) -> None:
    fake.break_play = failing("task-failed", after=NEW)  # type: ignore[assignment]
    run = upgrade()
    error = error_of(run)
    assert error.reference == "rolled-back"
    assert "'Install the driver' failed" in error.what
    assert (fake.version, fake.state) == (OLD, "managed")
    assert "restart" not in fake.log, "the old module was loaded all the time"
    assert run.exit_code is Exit.REJECTED


def test_a_role_that_stops_before_the_driver_leaves_nothing_to_undo(fake: FakeRig) -> None:
    fake.break_play = failing("task-failed")  # type: ignore[assignment]
    run = upgrade()
    assert error_of(run).reference == "task-failed"
    assert run.exit_code is Exit.FAILED
    assert "rollback.yml" not in " ".join(fake.log)
    assert fake.note is None
    assert "as before" in said(run)


def test_no_restart_into_a_kernel_without_the_module(
    fake: FakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    install = FakeRig.install

    def installed(rig: FakeRig, version: str) -> None:
        install(rig, version)
        rig.module_next = "" if version == NEW else version

    monkeypatch.setattr(FakeRig, "install", installed)
    run = upgrade()
    assert "there is none of its kernel modules" in error_of(run).what
    assert error_of(run).reference == "rolled-back"
    assert "restart" not in fake.log
    assert (fake.version, fake.loaded) == (OLD, OLD)


def test_a_cut_connection_is_gone_on_with(fake: FakeRig) -> None:
    fake.break_play = failing("connection-lost", after=NEW)  # type: ignore[assignment]
    run = upgrade()
    assert error_of(run).reference == "connection-lost"
    assert run.exit_code is Exit.FAILED
    assert fake.note
    baseline = fake.note.baseline
    fake.break_play = lambda _rig, _play: None
    fake.log.clear()
    again = upgrade("")
    assert again.exit_code is Exit.OK, said(again)
    assert fake.log == [f"site.yml {NEW}", "restart", f"accept with {NEW}", "no note"]
    known = again.rigs[0].known_upgrade.baseline
    assert known
    assert known.id == baseline
    assert "goes on with the upgrade" in said(again)
    assert f"driver {name_of(OLD)} is now {NEW}" in said(again)


def test_a_killed_controller_is_gone_on_with(fake: FakeRig) -> None:
    def stop(_rig: FakeRig, _play: str) -> None:
        raise KeyboardInterrupt

    fake.break_play = stop
    with pytest.raises(KeyboardInterrupt):
        upgrade()
    fake.break_play = lambda _rig, _play: None
    assert upgrade().exit_code is Exit.OK
    assert acceptances() == 2
    assert fake.version == NEW


def test_a_cut_after_the_change_only_restarts_and_judges(fake: FakeRig) -> None:
    run = upgrade(reboot=False)
    error = error_of(run)
    assert error.reference == "reboot-needed"
    assert "--reboot" in error.hint
    assert fake.note
    fake.log.clear()
    assert upgrade().exit_code is Exit.OK
    assert fake.log == ["restart", f"accept with {NEW}", "no note"]


def test_restarted_by_hand_it_goes_on(fake: FakeRig) -> None:
    upgrade(reboot=False)
    fake.restart()
    fake.log.clear()
    assert upgrade(reboot=False).exit_code is Exit.OK
    assert fake.log == [f"accept with {NEW}", "no note"]


def test_a_cut_way_back_is_finished_without_another_try(fake: FakeRig) -> None:
    fake.fails_with[NEW] = {"driver/gpu_count"}
    fake.break_play = failing("connection-lost", play="rollback.yml")  # type: ignore[assignment]
    assert error_of(upgrade()).reference == "connection-lost"
    assert fake.note
    fake.break_play = lambda _rig, _play: None
    fake.log.clear()
    run = upgrade()
    assert error_of(run).reference == "rolled-back"
    assert "driver/gpu_count" in error_of(run).what
    assert fake.log == [f"rollback.yml {OLD}", "restart", "no note", f"accept with {OLD}"]
    # And the next one is an upgrade of its own again.
    fake.fails_with.clear()
    assert upgrade().exit_code is Exit.OK
    assert fake.version == NEW


def noted(baseline: str = "20250101T000000Z-abcdef") -> UpgradeRecord:
    began = "2025-01-01T00:00:00+00:00"
    return UpgradeRecord(baseline=baseline, from_set=name_of(OLD), wish="595", began=began)


@pytest.mark.parametrize("baseline", ["20250101T000000Z-abcdef", "../../etc", "last", ""])
def test_an_upgrade_that_began_elsewhere(fake: FakeRig, baseline: str) -> None:
    fake.note = noted(baseline)
    run = upgrade("")
    assert run.exit_code is Exit.OK, said(run)
    assert fake.log[0] == f"accept with {OLD}", "nothing was changed yet: it can be measured"
    fake.__init__()  # type: ignore[misc]
    fake.install(NEW)
    fake.note, fake.fails_with = noted(baseline), {NEW: {"driver/loaded"}}
    error = error_of(upgrade(""))
    assert error.reference == "rolled-back"
    assert "driver/loaded: it is not" in error.what


def test_a_set_that_is_not_kept_cannot_be_gone_back_to(fake: FakeRig) -> None:
    fake.sets, fake.keeps_sets = [], False
    fake.fails_with[NEW] = {"driver/gpu_count"}
    error = error_of(upgrade())
    assert error.reference == "no-kept-set"
    assert "driver/gpu_count" in error.what


def test_a_driver_of_others_is_kept_by_the_role_and_led_back_to(fake: FakeRig) -> None:
    fake.sets = []

    def keep(rig: FakeRig, play: str) -> None:
        if play == "site.yml":
            rig.sets = [name_of(OLD)]

    fake.break_play = keep
    fake.fails_with[NEW] = {"driver/gpu_count"}
    assert error_of(upgrade()).reference == "rolled-back"
    assert fake.version == OLD


def test_a_rig_that_stays_away_is_waited_for_by_the_next_run(
    fake: FakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> float:
        raise ApplyError("gone", where="rig", reference="did-not-come-back")

    monkeypatch.setattr("provision.reboot.restart", away)
    run = upgrade()
    assert error_of(run).reference == "did-not-come-back"
    assert fake.note
    assert "rollback.yml" not in " ".join(fake.log)


def test_yes_alone_restarts_nothing(fake: FakeRig) -> None:
    run = run_of(driver="595", reboot=None)
    with pytest.raises(UsageError, match="--yes alone does not allow that") as caught:
        carry(run, UPGRADE)
    assert "--reboot" in caught.value.hint
    assert fake.log == []


def test_one_question_for_everything(fake: FakeRig) -> None:
    questions: list[str] = []

    def no(question: str) -> bool:
        questions.append(question)
        return False

    run = upgrade(ask=no)
    assert len(questions) == 1
    assert "restart" in questions[0]
    assert run.rigs[0].done
    assert fake.log == []
    assert upgrade(ask=lambda _: True).exit_code is Exit.OK
    assert fake.loaded == NEW


def test_an_inventory_may_allow_the_restart(fake: FakeRig) -> None:
    run = run_of(driver="595", reboot=None)
    rig = run.rigs[0]
    rig.target = msgspec.structs.replace(rig.target, variables={"dlrig_reboot": True})
    assert carry(run, UPGRADE) is Exit.OK
    assert fake.loaded == NEW


def test_this_machine_is_restarted_by_its_user(fake: FakeRig) -> None:
    run = run_of(driver="595", reboot=None)
    run.rigs[0].target = msgspec.structs.replace(parse_target("local"), name="rig")
    carry(run, UPGRADE)
    error = error_of(run)
    assert error.reference == "reboot-needed"
    assert "sudo reboot" in error.hint
    assert "restart" not in fake.log


def test_without_root_nothing_is_tried(fake: FakeRig) -> None:
    fake.privilege = "none"
    assert error_of(upgrade()).reference == "no-root"
    assert fake.log == []


# Rollback


def roll_back(*, checked: bool = True, **more: object) -> Run:
    run = run_of(**more)
    carry(run, ROLLBACK if checked else ROLLBACK_UNCHECKED)
    return run


def test_rollback_installs_the_set_before(fake: FakeRig) -> None:
    upgrade()
    fake.log.clear()
    run = roll_back()
    assert run.exit_code is Exit.OK, said(run)
    assert fake.log == [f"rollback.yml {OLD}", "restart", f"accept with {OLD}"]
    assert name_of(OLD) in said(run)
    assert roll_back().exit_code is Exit.OK, "and forth again"
    assert fake.version == NEW


def test_rollback_of_a_named_set(fake: FakeRig) -> None:
    upgrade()
    assert roll_back(wanted_set=name_of(OLD), checked=False).exit_code is Exit.OK
    assert fake.version == OLD
    run = roll_back(wanted_set=name_of(OLD))
    assert "nothing to do" in said(run)
    error = error_of(roll_back(wanted_set="470"))
    assert error.reference == "no-kept-set"
    assert name_of(NEW) in error.hint


def test_rollback_without_a_kept_set(fake: FakeRig) -> None:
    error = error_of(roll_back())
    assert error.reference == "no-kept-set"
    assert fake.log == []


def test_rollback_ends_an_upgrade_that_was_cut(fake: FakeRig) -> None:
    fake.break_play = failing("connection-lost", after=NEW)  # type: ignore[assignment]
    upgrade()
    fake.break_play = lambda _rig, _play: None
    run = roll_back()
    assert run.exit_code is Exit.OK, said(run)
    assert (fake.version, fake.note) == (OLD, None)


def test_rollback_of_a_half_changed_driver_goes_to_what_was_recorded(fake: FakeRig) -> None:
    fake.sets = [name_of(NEW), name_of(OLD)]
    fake.version, fake.state = NEW, "broken"
    assert roll_back().exit_code is Exit.OK
    assert fake.version == OLD


def test_rollback_verifies_the_version(fake: FakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade()
    assert fake.version == NEW
    monkeypatch.setattr(FakeRig, "install", lambda *_: None)
    error = error_of(roll_back())
    assert error.reference == "not-as-planned"
    assert NEW in error.what


def test_rollback_asks(fake: FakeRig) -> None:
    upgrade()
    fake.log.clear()
    run = roll_back(ask=lambda _: False)
    assert run.rigs[0].done
    assert fake.log == []


# What stays as it is


def test_a_change_of_driver_changes_nothing_else() -> None:
    there = environment("tensorflow", ["tensorflow-cpu==2.20.0"], tensorflow_cpu="2.20.0")
    facts = facts_of(
        environments=there, driver="class: 'managed'\ntoolkits: '12.4=/usr/local/cuda-12.4'\n"
    )
    kept = keep_the_rest(Wishes(), facts, catalogue.load())
    assert (kept.env, kept.tensorflow, kept.cuda) == (("tensorflow",), "2.20.0", ("12.4",))
    asked = Wishes(env=("torch",), cuda=("12.9",), tensorflow="2.21.0")
    assert keep_the_rest(asked, facts, catalogue.load()) == asked
    bare = keep_the_rest(Wishes(), facts_of(), catalogue.load())
    assert (bare.env, bare.cuda) == ((), ("none",))
