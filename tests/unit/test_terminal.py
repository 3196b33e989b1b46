from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from acceptances import HOSTILE, hostile, result, sample, with_results
from rich.console import Console

from provision.errors import DlrigError
from provision.facts import Facts
from provision.history import History
from provision.plan import Plan, Stop
from provision.report.comparison import compare
from provision.report.text import clean
from provision.results import Acceptance, Status, Verdict
from provision.terminal.console import THEME, make, show_error
from provision.terminal.facts import show_facts
from provision.terminal.history import show_comparison, show_history
from provision.terminal.plan import show_plan
from provision.terminal.results import show_result, show_results, show_verdict

if TYPE_CHECKING:
    from collections.abc import Callable

_REPORT = Path(
    "/home/a/name/so/long/that/it/would/be/wrapped/in/any/narrow/terminal/of/eighty/report.html"
)


class _Screen:
    """A console over bytes, as a terminal or a pipe would get them."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self._raw = io.BytesIO()
        self._file = io.TextIOWrapper(self._raw, encoding=encoding, write_through=True)
        self.console = make(self._file)

    @property
    def text(self) -> str:
        return self._raw.getvalue().decode(self._file.encoding)

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


@pytest.fixture(autouse=True)
def _eighty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)


def _everything(console: Console, acceptance: Acceptance, folder: Path) -> None:
    show_facts(console, msgspec.convert(acceptance.facts, Facts))
    show_plan(console, msgspec.convert(acceptance.plan, Plan), sources=True)
    show_results(console, acceptance.results)
    show_verdict(console, acceptance)
    with History(folder / "history.sqlite") as history:
        history.add(acceptance)
        show_history(console, history.list())
    show_comparison(console, compare(sample("cpu_accepted"), acceptance))
    show_error(console, DlrigError(HOSTILE, where=HOSTILE, hint=HOSTILE, reference="x"))


def test_facts_of_a_gpu_rig() -> None:
    screen = _Screen()
    show_facts(screen.console, msgspec.convert(sample("gpu_rejected").facts, Facts))
    for said in (
        "gpu-01 as of 2026-05-05 16:40:02 UTC",
        "System Ubuntu 24.04.3 LTS · x86_64",
        "GPU 0 NVIDIA GeForce GTX 1060 6GB · 6 GiB · 0000:01:00.0 · 10de:1c03",
        "GPU 1 ! not seen by nvidia-smi · 0000:02:00.0 · 10de:1c03",
        "Driver 580.95.05 (proprietary module)",
        "Memory 15.6 GiB",
        "Room on / 6.71 GiB free (3%) of 224 GiB · ext4",
        "Reboot ! pending, for linux-image-6.8.0-62-generic",
        "Package index ! not reached · curl: (28) Connection timed out after 4001 milliseconds",
        "Not read: dpkg_audit ! hung: no answer within its time limit",
    ):
        assert said in screen.words


def test_facts_of_a_rig_that_answered_nothing() -> None:
    screen = _Screen()
    from provision.facts import parse  # noqa: PLC0415 - used once
    from provision.facts.reading import Transcript  # noqa: PLC0415 - used once

    show_facts(screen.console, parse(Transcript(target="mute", taken="", outcomes={})))
    assert "Kernel unknown" in screen.words
    assert "Python none" in screen.words


def test_a_plan_with_changes() -> None:
    screen = _Screen()
    plan = msgspec.convert(sample("gpu_rejected").plan, Plan)
    show_plan(screen.console, plan)
    assert "Plan for gpu-01" in screen.words
    assert "2 changes:" in screen.words
    assert "nvidia-driver-580: 580.95.05-0ubuntu1 → 580.105.08-0ubuntu1" in screen.words
    assert "! note: Secure Boot is on" in screen.words
    assert "nothing to do" not in screen.words
    assert "source:" not in screen.words
    show_plan(screen.console, plan, sources=True)
    assert "source:" in screen.words


def test_a_plan_with_something_in_the_way() -> None:
    screen = _Screen()
    plan = msgspec.convert(sample("gpu_rejected").plan, Plan)
    stop = Stop(
        what="a .run driver is there", hint="Take it: --adopt", reference="unmanaged-driver"
    )
    show_plan(screen.console, msgspec.structs.replace(plan, stops=(stop,)))
    assert "2 changes:" in screen.words
    assert "✗ in the way: a .run driver is there Take it: --adopt" in screen.words


def test_a_plan_without_changes() -> None:
    screen = _Screen()
    show_plan(screen.console, msgspec.convert(sample("cpu_accepted").plan, Plan))
    assert "✓ nothing to do: the rig is as planned" in screen.words
    assert "environment maker venv the rig does not reach a conda channel" in screen.words


@pytest.mark.parametrize(
    ("status", "start"),
    [
        (Status.PASS, "✓ pass hardware/memory 3 GiB"),
        (Status.WARN, "! warn hardware/memory 3 GiB expected: 4 GiB what to do: Add memory"),
        (Status.FAIL, "✗ fail hardware/memory 3 GiB expected: 4 GiB what to do: Add memory"),
        (Status.SKIP, "– skip hardware/memory 3 GiB"),  # noqa: RUF001 - the dash is meant
        (Status.ERROR, "? error hardware/memory 3 GiB expected: 4 GiB what to do: Add memory"),
    ],
)
def test_a_check_is_a_symbol_a_word_and_a_message(status: Status, start: str) -> None:
    screen = _Screen()
    show_result(screen.console, result(status))
    assert screen.words == start


def test_chapters_come_in_order() -> None:
    screen = _Screen()
    names = ("training/a", "mine/b", "hardware/c", "driver/d")
    show_results(screen.console, [result(Status.PASS, name) for name in names])
    order = re.findall(r"\w+/\w", screen.text)
    assert order == ["hardware/c", "driver/d", "training/a", "mine/b"]


def test_synthetic_is_said_where_the_message_does_not() -> None:
    screen = _Screen()
    training = msgspec.structs.replace(
        sample("cpu_accepted").results[-1], message="329.4 examples/s"
    )
    show_result(screen.console, training)
    assert "329.4 examples/s [synthetic]" in screen.words


def test_the_verdict_of_an_accepted_rig() -> None:
    screen = _Screen()
    show_verdict(screen.console, sample("cpu_accepted"), _REPORT)
    assert "ada@bench ✓ accepted" in screen.words
    assert "8 passed, 2 not applicable" in screen.words
    assert "329.4 examples/s (±1.8 %, 12 samples) [synthetic]" in screen.words
    assert f"Report: {_REPORT}\n" in screen.text, "a path is never wrapped"


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_is_a_word(verdict: Verdict) -> None:
    screen = _Screen()
    show_verdict(screen.console, msgspec.structs.replace(sample("gpu_rejected"), verdict=verdict))
    assert verdict.value in screen.words
    assert "2 failed, 1 could not measure, 3 warnings, 3 passed" in screen.words


def test_part_of_the_checks_and_none_at_all() -> None:
    screen = _Screen()
    part = msgspec.structs.replace(with_results(sample("cpu_accepted")), scope="quick")
    show_verdict(screen.console, part)
    assert "only a part of the checks was run: quick" in screen.words
    assert "no check was run" in screen.words


def test_history(tmp_path: Path) -> None:
    screen = _Screen()
    with History(tmp_path / "history.sqlite") as history:
        show_history(screen.console, history.list())
        assert "dlrig check TARGET" in screen.words
        history.add(sample("cpu_accepted"))
        history.add(msgspec.structs.replace(sample("gpu_rejected"), scope="quick"))
        show_history(screen.console, history.list())
    assert "20260505T164002Z-0d15ea gpu-01 ✗ rejected" in screen.words
    for said in ("(only", "quick)", "6134 examples/s", "✓ accepted", "[synthetic]"):
        assert said in screen.words


def test_comparison() -> None:
    screen = _Screen()
    before = sample("cpu_accepted")
    training = before.results[-1]
    slower = msgspec.structs.replace(
        training.figures[0], samples=tuple(0.8 * x for x in training.figures[0].samples)
    )
    changed = msgspec.structs.replace(
        training, status=Status.WARN, figures=(slower, *training.figures[1:])
    )
    after = with_results(before, *before.results[1:-1], changed)
    show_comparison(screen.console, compare(before, after))
    assert "the same machine, in the same state" in screen.words
    assert "training/cifar10_smoke[tensorflow] ✓ pass ! warn changed" in screen.words
    assert "hardware/system_supported ✓ pass not run changed" in screen.words
    assert "throughput 329.4 examples/s 263.5 examples/s 0.800" in screen.words
    assert "±1.8 % [synthetic] ±1.8 % [synthetic] beyond the spread" in screen.words
    show_comparison(screen.console, compare(before, sample("gpu_rejected")))
    assert "! two different machines" in screen.words


def test_an_error_says_what_where_and_what_to_do() -> None:
    screen = _Screen()
    error = DlrigError(
        "no answer", where="gpu-01", hint="Is it on?\n  ping gpu-01", reference="no-route"
    )
    show_error(screen.console, error)
    lines = [line.rstrip() for line in screen.text.splitlines()]
    assert lines == ["error: gpu-01: no answer", "  Is it on?", "    ping gpu-01", "  (no-route)"]


def test_a_hostile_rig_drives_nothing(tmp_path: Path) -> None:
    screen = _Screen()
    _everything(screen.console, hostile(), tmp_path)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", screen.text)
    assert "[bold red]" in screen.text, "markup is shown, not obeyed"
    assert clean(HOSTILE)[:20] in screen.text


def test_a_hostile_rig_is_harmless_on_a_console_with_markup(tmp_path: Path) -> None:
    out = io.StringIO()
    console = Console(
        file=out, theme=THEME, width=80, force_terminal=True, color_system="truecolor"
    )
    _everything(console, hostile(), tmp_path)
    # rich's own styles are the only sequences; the rig's clear-screen and title are gone.
    assert set(re.findall(r"\x1b(.)", out.getvalue())) == {"["}
    assert set(re.findall(r"\x1b\[[0-9;]*([^0-9;])", out.getvalue())) == {"m"}
    assert "[bold red]" in out.getvalue()


@pytest.mark.parametrize("name", ["cpu_accepted", "gpu_rejected"])
def test_it_fits_eighty_columns(name: str, tmp_path: Path) -> None:
    screen = _Screen()
    _everything(screen.console, sample(name), tmp_path)
    assert max(len(line) for line in screen.text.splitlines()) <= 80


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_the_symbols_gets_others(encoding: str, tmp_path: Path) -> None:
    screen = _Screen(encoding)
    _everything(screen.console, sample("gpu_rejected"), tmp_path)
    for said in ("x fail hardware/disk_space", "+ pass hardware/memory", "-> 580.105.08"):
        assert said in screen.words


def _colours(monkeypatch: pytest.MonkeyPatch, setup: Callable[[pytest.MonkeyPatch], None]) -> bool:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    setup(monkeypatch)
    out = Terminal()
    show_result(make(out), result(Status.FAIL))
    assert "fail" in out.getvalue()
    return bool(re.search(r"\x1b\[[0-9;]*3[0-9]", out.getvalue()))


def test_colour_only_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _colours(monkeypatch, lambda _: None)
    assert not _colours(monkeypatch, lambda patch: patch.setenv("NO_COLOR", "1"))
    monkeypatch.delenv("NO_COLOR")
    assert not _colours(monkeypatch, lambda patch: patch.setenv("TERM", "dumb"))
    screen = _Screen()
    show_result(screen.console, result(Status.FAIL))
    assert "\x1b" not in screen.text
