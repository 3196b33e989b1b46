"""Restarts: when they are due, how long a rig is waited for, and who is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import pytest
from fake_rig import NEW, OLD, FakeRig, connect_to, run_of, said

from provision import reboot
from provision.connection import Completed, Settings
from provision.errors import ApplyError, Exit, UnreachableError
from provision.pipeline import carry
from provision.stages import UP, UP_UNCHECKED
from provision.target import parse_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.pipeline import Run

RIG = parse_target("me@rig")
UP_AGAIN = "boot-2\nrunning\n"


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Line:
    """A connection that answers from a list: text, or the error that is raised."""

    def __init__(self, answers: Sequence[str | UnreachableError], exit_code: int = 0) -> None:
        self.answers = iter(answers)
        self.last: str | UnreachableError = ""
        self.exit_code = exit_code
        self.asked: list[bytes] = []
        self.settings: list[Settings] = []

    def connect(self, _target: object, settings: Settings) -> Line:
        self.settings.append(settings)
        self.last = next(self.answers, self.last)
        if isinstance(self.last, UnreachableError):
            raise self.last
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", limit: float) -> Completed:
        assert limit > 0
        self.asked.append(stdin)
        text = self.last
        assert isinstance(text, str)
        # The mark that says that the script began, as root.
        token = next((word for word in argv if word.startswith("dlrig-")), "")
        return Completed(
            exit_code=self.exit_code if token else 0,
            stdout=f"{token}\n{text}".encode() if token else text.encode(),
            stderr=b"Operation inhibited by backup" if token else b"",
            seconds=0.1,
        )


AWAY = UnreachableError("nothing listens on port 22", reference="refused")


def restart(
    monkeypatch: pytest.MonkeyPatch,
    *answers: str | UnreachableError,
    exit_code: int = 0,
    limit: float = 100,
) -> tuple[list[str], Line]:
    clock, line = Clock(), Line(["", *answers], exit_code)
    monkeypatch.setattr(reboot, "time", clock)
    monkeypatch.setattr(reboot, "connect", line.connect)
    states: list[str] = []
    reboot.restart(
        RIG,
        Settings(ask=lambda _: True, accept_new=True),
        boot_id="boot-1",
        password="secret",
        limit=limit,
        on_state=states.append,
    )
    return states, line


def test_it_is_back_when_another_boot_has_started_its_services(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    states, line = restart(
        monkeypatch,
        "boot-1\nstopping\n",
        AWAY,
        AWAY,
        "boot-2\nstarting\n",
        "boot-2\ndegraded\n",
    )
    assert states == [
        "going down",
        "going down",
        "not answering yet",
        "not answering yet",
        "starting its services",
    ]
    assert b"systemctl reboot" in line.asked[0]
    assert line.asked[0].startswith(b"secret\n"), "sudo's password, on standard input"


def test_nobody_is_asked_and_no_new_key_is_trusted_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, line = restart(monkeypatch, UP_AGAIN)
    assert all(each.ask is None and not each.accept_new for each in line.settings)


def test_another_host_key_ends_the_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = UnreachableError("its host key has CHANGED", reference="host-key-changed")
    with pytest.raises(UnreachableError, match="CHANGED"):
        restart(monkeypatch, AWAY, changed, UP_AGAIN)


def test_services_that_never_start_are_left_to_the_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    states, _ = restart(monkeypatch, "boot-2\nstarting\n", limit=3600)
    assert states[-1] == "starting its services"
    assert len(states) < 3600 / 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [(AWAY, "did not come back within 60 s: nothing listens"), ("boot-1\nrunning\n", "as before")],
)
def test_a_rig_that_does_not_come_back(
    monkeypatch: pytest.MonkeyPatch, answer: str | UnreachableError, said: str
) -> None:
    with pytest.raises(ApplyError, match=said) as caught:
        restart(monkeypatch, answer, limit=60)
    assert caught.value.reference == "did-not-come-back"
    assert "console" in caught.value.hint
    assert "same command again" in caught.value.hint


def test_a_refusal_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ApplyError, match="Operation inhibited by backup") as caught:
        restart(monkeypatch, exit_code=1)
    assert caught.value.reference == "reboot-refused"


def test_a_rig_quicker_than_its_answer_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(Line):
        def run(self, argv: Sequence[str], *, stdin: bytes = b"", limit: float) -> Completed:
            if b"systemctl reboot" in stdin:
                raise UnreachableError("lost", reference="connection-lost")
            return super().run(argv, stdin=stdin, limit=limit)

    line = Gone(["", AWAY, UP_AGAIN])
    monkeypatch.setattr(reboot, "time", Clock())
    monkeypatch.setattr(reboot, "connect", line.connect)
    assert reboot.restart(RIG, Settings(), boot_id="boot-1") > 0


def test_only_root_can_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    class Guest(Line):
        def run(self, _argv: Sequence[str], *, stdin: bytes = b"", limit: float) -> Completed:
            assert stdin
            assert limit
            return Completed(exit_code=1, stdout=b"", stderr=b"sudo: 1 incorrect", seconds=0.1)

    line = Guest([""])
    monkeypatch.setattr(reboot, "connect", line.connect)
    with pytest.raises(ApplyError, match="sudo: 1 incorrect") as caught:
        reboot.restart(RIG, Settings(), boot_id="boot-1")
    assert caught.value.reference == "no-root"


# The stage


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeRig:
    rig = FakeRig()
    connect_to(rig, monkeypatch)
    return rig


def up(*, checked: bool = True, **more: object) -> Run:
    run = run_of(driver="595", **more)
    carry(run, UP if checked else UP_UNCHECKED)
    return run


def reference(run: Run) -> str:
    error = run.rigs[0].error
    return error.reference if error else ""


def test_up_restarts_where_it_may_and_goes_on_by_itself(fake: FakeRig) -> None:
    run = up()
    assert run.exit_code is Exit.OK, said(run)
    assert fake.log == [f"site.yml {NEW}", "restart", f"accept with {NEW}"]


def test_yes_alone_does_not_restart(fake: FakeRig) -> None:
    run = up(reboot=None)
    assert reference(run) == "reboot-needed"
    assert run.exit_code is Exit.FAILED
    assert "--yes does not restart a rig" in said(run)
    assert fake.log == [f"site.yml {NEW}"]


def test_a_question_of_its_own(fake: FakeRig) -> None:
    questions: list[str] = []

    def first_yes_then_no(question: str) -> bool:
        questions.append(question)
        return len(questions) == 1

    run = up(ask=first_yes_then_no)
    assert reference(run) == "reboot-needed"
    assert questions[1].startswith("Restart rig now")
    assert f"driver {NEW} is installed, and {OLD} is loaded" in said(run)
    again = up(ask=lambda _: True)
    assert again.exit_code is Exit.OK
    assert fake.log == [f"site.yml {NEW}", "restart", f"accept with {NEW}"]


def test_a_restart_that_is_due_is_not_nothing_to_do(fake: FakeRig) -> None:
    fake.install(NEW)
    assert up(checked=False).exit_code is Exit.OK
    assert fake.log == ["restart"]
    assert "nothing to do" in said(up(checked=False))


def test_a_driver_that_does_not_load_is_a_finding_not_a_circle(
    fake: FakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def restart(rig: FakeRig) -> None:
        rig.log.append("restart")
        rig.boot += 1
        rig.loaded = ""

    monkeypatch.setattr(FakeRig, "restart", restart)
    fake.fails_with[""] = {"driver/loaded"}
    run = up()
    assert fake.log == [f"site.yml {NEW}", "restart", "accept with "]
    assert run.exit_code is Exit.REJECTED
    # Once restarted for a driver that then is not loaded: asking for more would end nowhere.
    fake.log.clear()
    assert up().exit_code is Exit.REJECTED
    assert fake.log == ["accept with "]


def test_restarted_by_hand_is_restarted(fake: FakeRig) -> None:
    fake.loaded = ""
    fake.install(NEW)
    assert reference(up(reboot=False)) == "reboot-needed"
    assert reference(up(reboot=False)) == "reboot-needed", "nothing has happened yet"
    fake.boot += 1
    assert reference(up(reboot=False)) == "", "it was, and the checks say what is wrong"
    fake.restart()
    up(reboot=False)
    fake.loaded = ""
    assert reference(up(reboot=False)) == "reboot-needed", "it was loaded meanwhile: another story"


def test_the_module_must_be_there_first(fake: FakeRig) -> None:
    fake.install(NEW)
    fake.module_next = OLD
    run = up()
    assert reference(run) == "module-missing"
    assert f"there is only {OLD} of its kernel modules" in said(run)
    assert "restart" not in fake.log


def test_a_machine_under_another_name_does_not_restart_itself(
    fake: FakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reboot, "is_here", lambda _: True)
    run = up()
    assert reference(run) == "reboot-needed"
    assert "sudo reboot" in said(run)
    assert "restart" not in fake.log


def test_a_rig_without_gpus_is_not_restarted(fake: FakeRig) -> None:
    fake.gpus = ""
    fake.install(NEW)
    assert up().exit_code is Exit.OK
    assert "restart" not in fake.log


def test_rigs_restart_side_by_side(fake: FakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading  # noqa: PLC0415 - only here

    both = threading.Barrier(2, timeout=20)
    limits: list[float] = []

    def meet(*_: object, limit: float, **__: object) -> float:
        limits.append(limit)
        both.wait()
        fake.loaded = NEW
        return 1.0

    fake.install(NEW)
    monkeypatch.setattr(reboot, "restart", meet)
    run = run_of(reboot_limit=77.0)
    run.rigs += run_of().rigs
    assert carry(run, UP_UNCHECKED) is Exit.OK
    assert limits == [77.0, 77.0]
