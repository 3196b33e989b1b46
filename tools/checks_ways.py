"""How a check may end, read from its source: what it skips for, what it cannot measure, what it measures."""  # noqa: INP001 - a script's part, in no package

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from checks import question

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FunctionType

OPEN = "…"
"""For what only the rig can tell."""

_READINGS = {"require_reading", "require_answers"}
_DEPTH = 6


class Ways(msgspec.Struct):
    """What was found, in the order of the source.

    Attributes:
        skips: why it may not apply.
        errors: why there may be no answer.
        readings: those that it cannot do without.
        figures: name, unit.
        asserts: it has a criterion.
        warns: it may warn, whatever its severity.
    """

    skips: list[str] = msgspec.field(default_factory=list)
    errors: list[str] = msgspec.field(default_factory=list)
    readings: list[str] = msgspec.field(default_factory=list)
    figures: list[tuple[str, str]] = msgspec.field(default_factory=list)
    asserts: bool = False
    warns: bool = False


def ways_of(check: FunctionType) -> Ways:
    """Read a check, its fixtures, and the functions of the suite that they call."""
    found = Ways()
    _read(check, {}, found, _DEPTH)
    return msgspec.structs.replace(
        found,
        skips=_told(found.skips),
        errors=_told(found.errors),
        readings=list(dict.fromkeys(found.readings)),
        figures=list(dict.fromkeys(found.figures)),
    )


def _told(reasons: list[str]) -> list[str]:
    """Each once; one that only the rig can tell is left out where there are others."""
    every = list(dict.fromkeys(reasons))
    return [reason for reason in every if reason != OPEN] or every


def _read(function: FunctionType, known: dict[str, object], found: Ways, depth: int) -> None:
    """Args as ``ways_of``, and the parameters whose value is known."""
    if not depth:
        return
    for fixture in _fixtures(function):
        _read(fixture, {}, found, depth - 1)
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    found.asserts |= any(isinstance(node, ast.Assert) for node in ast.walk(tree))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        _take(call, function, known, found, depth)


def _take(
    call: ast.Call, function: FunctionType, known: dict[str, object], found: Ways, depth: int
) -> None:
    space = {**function.__globals__, **known}
    called = _value(call.func, space)
    message = _text(call.args[0], space) if call.args else ""
    if called is pytest.skip:
        found.skips.append(message)
    elif called is question.could_not_measure:
        found.errors.append(message)
    elif called is question.warn_unless:
        found.warns = True
    elif getattr(called, "__name__", "") in _READINGS:
        names = [_value(each, space) for each in call.args[1:]]
        found.readings += [name for name in names if isinstance(name, str)]
    elif isinstance(call.func, ast.Attribute) and call.func.attr == "figure":
        unit = _text(call.args[1], space) if len(call.args) > 1 else ""
        found.figures.append((message, unit))
    elif inspect.isfunction(called) and _is_ours(called):
        _read(called, _bound(called, call, space), found, depth - 1)


def _is_ours(function: Callable[..., Any]) -> bool:
    return function.__module__.startswith("checks.") and function.__module__ != question.__name__


def _bound(function: FunctionType, call: ast.Call, space: dict[str, Any]) -> dict[str, object]:
    """The parameters whose arguments are known where it is called."""
    names = list(inspect.signature(function).parameters)
    given = dict(zip(names, call.args, strict=False))
    given |= {each.arg: each.value for each in call.keywords if each.arg}
    values = {name: _value(node, space) for name, node in given.items()}
    return {name: value for name, value in values.items() if isinstance(value, str | int | float)}


def _fixtures(function: FunctionType) -> Iterator[FunctionType]:
    """The suite's own fixtures that a check or a fixture takes: of its file, its folder, or all."""
    package = function.__module__.rpartition(".")[0]
    for name in inspect.signature(function).parameters:
        for module in (function.__module__, f"{package}.conftest", "checks.conftest"):
            fixture = _wrapped(_attribute(module, name))
            if fixture is not None:
                yield fixture
                break


def _attribute(module: str, name: str) -> object:
    try:
        return getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError:
        return None


def _wrapped(fixture: object) -> FunctionType | None:
    """The function below ``@pytest.fixture``; pytest 8.4 changed the place."""
    getter = getattr(fixture, "_get_wrapped_function", None)
    function = (
        getter() if getter else getattr(getattr(fixture, "__pytest_wrapped__", 0), "obj", None)
    )
    return function if inspect.isfunction(function) else None


def _value(node: ast.expr, space: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever a name stands for
    """What an expression is, if that can be told without running anything; else None."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return space.get(node.id)
    if isinstance(node, ast.Attribute):
        return getattr(_value(node.value, space), node.attr, None)
    return None


def _text(node: ast.expr, space: dict[str, Any]) -> str:
    """A message, with ``OPEN`` for what is not known."""
    if isinstance(node, ast.JoinedStr):
        text = "".join(_part(each, space) for each in node.values)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        text = _text(node.left, space) + _text(node.right, space)
    else:
        value = _value(node, space)
        text = str(value) if isinstance(value, str | int | float) else OPEN
    return re.sub(rf"{OPEN}(?:\s*{OPEN})+", OPEN, text)


def _part(node: ast.expr, space: dict[str, Any]) -> str:
    if not isinstance(node, ast.FormattedValue):
        return _text(node, space)
    value = _value(node.value, space)
    if not isinstance(value, str | int | float):
        return OPEN
    form = _text(node.format_spec, space) if node.format_spec else ""
    try:
        return format(value, form)
    except ValueError:
        return OPEN
