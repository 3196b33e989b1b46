"""What happens on the rigs, as it happens: lines that live, and a line for each thing that changed."""

from __future__ import annotations

import abc
import threading
import time
from typing import TYPE_CHECKING, Self

from rich.console import Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from provision.report.text import clean

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console, RenderableType

    from provision.apply import Step

_MARKS = {
    "changed": ("✓", "green"),
    "failed": ("✗", "red"),
    "unreachable": ("✗", "red"),
}
_SLOW = 5.0
"""Seconds from which an unchanged task is worth a line: the user has waited for it."""


class _Living(abc.ABC):
    """Lines that are drawn again and again, on a terminal; a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None

    @abc.abstractmethod
    def _lines(self) -> RenderableType: ...

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._console.is_terminal:
            self._live = Live(
                console=self._console,
                get_renderable=self._lines,
                refresh_per_second=8,
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End, and leave only the lines."""
        if self._live:
            self._live.stop()


class Progress(_Living):
    """Shows ``provision.apply.Step``s: the task at hand, and what goes on beside it. ``show`` is the callback.

    Args:
        console: where to.
        several: name the rig on each line.
        verbose: a line for every task.
    """

    def __init__(self, console: Console, *, several: bool = False, verbose: bool = False) -> None:
        super().__init__(console)
        self._several = several
        self._verbose = verbose
        self._task = ""
        self._since = time.monotonic()
        self._spinner = Spinner("dots")
        self._beside: dict[tuple[str, str], float] = {}

    def show(self, step: Step) -> None:
        """Take one step."""
        if step.status == "begin":
            self._task, self._since = step.task, time.monotonic()
            if not self._console.is_terminal and self._verbose:
                self._console.print(Text(f"    {step.task} …"))
        elif step.status == "background":
            self._beside[step.rig, step.task] = time.monotonic()
            if not self._console.is_terminal:
                self._console.print(self._named(Text(f"    {clean(step.task)}: begun"), step))
        elif step.status == "ended":
            begun = self._beside.pop((step.rig, step.task), time.monotonic())
            line = Text("  ").append("✓", style="green").append(f" {clean(step.task)}")
            self._console.print(self._named(line, step, time.monotonic() - begun))
        else:
            self._show_task(step)

    def _show_task(self, step: Step) -> None:
        notable = step.status in _MARKS or (step.status == "ok" and step.seconds >= _SLOW)
        if not notable and not self._verbose:
            return
        mark, style = _MARKS.get(step.status, ("·", "dim"))
        line = Text("  ").append(mark, style=style).append(f" {step.task}")
        if step.status not in _MARKS:
            line.append(f"  {step.status}", style="dim")
        self._console.print(self._named(line, step, step.seconds))

    def _named(self, line: Text, step: Step, seconds: float | None = None) -> Text:
        if self._several:
            line.append(f"  {step.rig}", style="cyan")
        if seconds is not None:
            line.append(f"  {seconds:.1f} s", style="dim")
        return line

    def _lines(self) -> RenderableType:
        now = time.monotonic()
        waited = now - self._since
        self._spinner.update(text=Text(f"{self._task or 'starting Ansible'}  {waited:.0f} s"))
        beside = [
            Text(f"  and {clean(task)}{f'  {rig}' if self._several else ''}  {now - since:.0f} s")
            for (rig, task), since in list(self._beside.items())
        ]
        return Group(self._spinner, *beside)


class Waiting(_Living):
    """Shows what several rigs are doing meanwhile; ``show`` may be called from any thread.

    Args:
        console: where to.
        what: what is being waited for: ``restarting``.
    """

    def __init__(self, console: Console, what: str) -> None:
        super().__init__(console)
        self._what = what
        self._begin = time.monotonic()
        self._spinner = Spinner("dots")
        self._states: dict[str, str] = {}
        self._lock = threading.Lock()

    def show(self, rig: str, state: str) -> None:
        """Take what a rig is doing now; empty where it is no longer waited for."""
        with self._lock:
            if self._states.get(rig) == state:
                return
            self._states[rig] = state
        if state:
            waited = time.monotonic() - self._begin
            self._console.print(
                Text(f"  {rig}: {self._what}: {state}  {waited:.0f} s", style="dim")
            )

    def _lines(self) -> RenderableType:
        waited = time.monotonic() - self._begin
        with self._lock:
            states = "; ".join(f"{rig}: {state}" for rig, state in self._states.items() if state)
        self._spinner.update(text=Text(f"{self._what}  {states}  {waited:.0f} s"))
        return self._spinner
