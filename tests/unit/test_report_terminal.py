"""What the verdict in the terminal says of training: the CPU, one GPU, all, and what limits each."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from acceptances import HOSTILE, sample
from rich.console import Console
from training_acceptances import limit, note, of_two_cards, run, together, trained

from provision.report.text import clean
from provision.terminal.console import THEME
from provision.terminal.results import show_verdict

if TYPE_CHECKING:
    from provision.results import Acceptance


def _shown(acceptance: Acceptance, width: int = 140) -> str:
    out = io.StringIO()
    console = Console(
        file=out, theme=THEME, width=width, markup=False, emoji=False, highlight=False
    )
    show_verdict(console, acceptance)
    return out.getvalue()


def _words(acceptance: Acceptance) -> str:
    return " ".join(_shown(acceptance).replace("│", " ").split())


def test_the_cpu_one_gpu_and_all_with_their_limits() -> None:
    words = _words(of_two_cards())
    assert "CPU 330 examples/s ±0.88 % limit: CPU compute" in words
    assert "1 GPU 6141 examples/s ±0.93 % 18.6 times the CPU; limit: input pipeline" in words
    assert "1.29 times one GPU, 72 % of linear; limit: input pipeline" in words
    assert "training/cifar10 in TensorFlow, reference mode, float32" in words
    assert "disturbed" not in words


def test_disturbed_and_synthetic_are_said() -> None:
    said = note(1, "cpu", more=", disturbed: the host stole 9 %").replace("cifar-10", "synthetic")
    assert "330 examples/s ±0.88 % [synthetic] [disturbed]" in _words(trained(run(329.4, said)))


def test_machines_together() -> None:
    words = _words(together())
    assert "machine 1 100 examples/s" in words
    assert "1.7 times one machine, 85 % of linear" in words


def test_what_does_not_say_where_it_ran_is_still_shown() -> None:
    assert "329.4 examples/s" in _words(sample("cpu_accepted"))
    assert "examples/s" not in _words(trained(limit("on the CPU: nothing")))


@pytest.mark.parametrize("width", [30, 80])
def test_it_fits_the_terminal(width: int) -> None:
    assert all(len(line) <= width for line in _shown(of_two_cards(), width).splitlines())


def test_hostile_text_drives_nothing() -> None:
    said = note(1, "cpu").replace("tensorflow", "unknown")
    check = f"training/cifar10_smoke[{HOSTILE}]"
    shown = _shown(
        trained(run(1, said, check=check), limit(f"on the CPU: {HOSTILE}", HOSTILE)), 300
    )
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert clean(HOSTILE) in shown
