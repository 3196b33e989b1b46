"""What Ansible does on the rigs, as it happens: one line that lives, and a line for each thing that changed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

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


class Progress:
    """Shows ``provision.apply.Step``s. A context manager; ``show`` is the callback.

    Args:
        console: where to.
        several: name the rig on each line.
        verbose: a line for every task.
    """

    def __init__(self, console: Console, *, several: bool = False, verbose: bool = False) -> None:
        self._console = console
        self._several = several
        self._verbose = verbose
        self._task = ""
        self._since = time.monotonic()
        self._spinner = Spinner("dots")
        self._live = Live(
            console=console, get_renderable=self._line, refresh_per_second=8, transient=True
        )

    def show(self, step: Step) -> None:
        """Take one step."""
        if step.status == "begin":
            self._task, self._since = step.task, time.monotonic()
            if not self._console.is_terminal and self._verbose:
                self._console.print(Text(f"    {step.task} …"))
            return
        notable = step.status in _MARKS or (step.status == "ok" and step.seconds >= _SLOW)
        if not notable and not self._verbose:
            return
        mark, style = _MARKS.get(step.status, ("·", "dim"))
        line = Text("  ").append(mark, style=style).append(f" {step.task}")
        if self._several:
            line.append(f"  {step.rig}", style="cyan")
        if step.status not in _MARKS:
            line.append(f"  {step.status}", style="dim")
        line.append(f"  {step.seconds:.1f} s", style="dim")
        self._console.print(line)

    def _line(self) -> RenderableType:
        waited = time.monotonic() - self._since
        self._spinner.update(text=Text(f"{self._task or 'starting Ansible'}  {waited:.0f} s"))
        return self._spinner

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End, and leave only the lines."""
        if self._console.is_terminal:
            self._live.stop()
