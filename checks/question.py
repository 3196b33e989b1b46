"""How a check is declared, and the ways in which it ends.

A check is a pytest function under a ``@question``. It says what it found (``measure.found``) and asserts.
It ends as ``pass``; as ``fail`` or, by its severity, ``warn`` (``AssertionError``); as ``warn``
(``warn_unless``); as ``skip`` (``pytest.skip``: it does not apply here); or as ``error``
(``could_not_measure``, or anything unexpected): an error is never a pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar

import msgspec

from provision.results import Figure, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

    from provision.facts import Facts


Check = TypeVar("Check", bound=Callable[..., Any])
_ASKED = "dlrig_question"


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What a check asks; see ``provision.results.Result`` for the fields."""

    text: str
    expected: str
    source: str
    remedy: str
    severity: Status


def question(
    text: str,
    *,
    expected: str,
    source: str,
    remedy: str,
    severity: Literal[Status.FAIL, Status.WARN] = Status.FAIL,
) -> Callable[[Check], Check]:
    """Declare a check.

    Args:
        text: what it asks, as a question.
        expected: the criterion.
        source: where the criterion comes from.
        remedy: what to do when it is not met; the commands to type, where there are any.
        severity: what an assertion that does not hold means.
    """
    asked = Question(text=text, expected=expected, source=source, remedy=remedy, severity=severity)

    def declare(check: Check) -> Check:
        setattr(check, _ASKED, asked)
        return check

    return declare


def question_of(item: pytest.Item) -> Question | None:
    """What a collected check asks; None for an item that is no check."""
    asked: Question | None = getattr(getattr(item, "obj", item), _ASKED, None)
    return asked


class CouldNotMeasure(Exception):  # noqa: N818 - not a fault of the rig, and not one of the program
    """There is no answer to the question."""


class Concern(Exception):  # noqa: N818 - a finding, not an error
    """Something that does not reject the rig, but that a person should know."""


def could_not_measure(reason: str) -> NoReturn:
    """End the check as ``error``."""
    __tracebackhide__ = True
    raise CouldNotMeasure(reason)


def warn_unless(condition: bool, message: str) -> None:  # noqa: FBT001 - as `assert`
    """End the check as ``warn``, whatever its severity, unless ``condition`` holds."""
    __tracebackhide__ = True
    if not condition:
        raise Concern(message)


def require_reading(facts: Facts, *names: str) -> None:
    """End the check as ``error`` where a reading that it rests on gave no answer."""
    __tracebackhide__ = True
    for name in names:
        if name in facts.unread:
            could_not_measure(f"the reading '{name}' gave no answer: {facts.unread[name]}")


class Measure:
    """What one check measured, beside its verdict.

    Attributes:
        message: what was found, shown where the check passes.
        remedy: what to do, where that depends on what was found; else the question's.
        figures: see ``Result``.
        lines: see ``Result.log``.
    """

    def __init__(self) -> None:
        self.message = ""
        self.remedy = ""
        self.figures: list[Figure] = []
        self.lines: list[str] = []

    def found(self, message: str) -> None:
        """Say what was measured."""
        self.message = message

    def figure(
        self,
        name: str,
        unit: str,
        samples: Iterable[float],
        *,
        at: Iterable[float] = (),
        at_unit: str = "",
        note: str = "",
    ) -> Figure:
        """Keep a measured quantity."""
        figure = Figure(
            name=name,
            unit=unit,
            samples=tuple(samples),
            at=tuple(at),
            at_unit=at_unit,
            note=note,
        )
        self.figures.append(figure)
        return figure

    def log(self, lines: Iterable[str]) -> None:
        """Keep lines, and print them: ``pytest -s`` shows them as they come."""
        for line in lines:
            self.lines.append(line)
            print(line)  # noqa: T201 - pytest captures it, and shows it where asked
