"""Data from outside as our types: JSON, TOML, and plain values. The only module that asks msgspec to decode.

msgspec works out how to decode a type when it first meets it, and for that runs Python code, so another thread
may come in between. That thread then uses the half-made description and crashes the whole process (seen with
msgspec 0.22, two rigs at once). One lock prevents it; decoding takes so little that nobody waits.
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

_Form = TypeVar("_Form")
_one_at_a_time = threading.RLock()


def json(raw: bytes | str, form: type[_Form]) -> _Form:
    """A JSON document as ``form``.

    Raises:
        msgspec.DecodeError: it is none, or of another form (``ValidationError``).
    """
    with _one_at_a_time:
        return msgspec.json.decode(raw, type=form)  # noqa: TID251 - here


def toml(raw: bytes | str, form: type[_Form]) -> _Form:
    """A TOML document as ``form``.

    Raises:
        msgspec.DecodeError: it is none, or of another form (``ValidationError``).
    """
    with _one_at_a_time:
        return msgspec.toml.decode(raw, type=form)  # noqa: TID251 - here


def plain(data: Any, form: type[_Form]) -> _Form:  # noqa: ANN401 - whatever there is
    """Dictionaries, lists and plain values as ``form``.

    Raises:
        msgspec.ValidationError: they are of another form.
    """
    with _one_at_a_time:
        return msgspec.convert(data, form)  # noqa: TID251 - here
