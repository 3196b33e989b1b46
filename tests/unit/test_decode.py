"""Decoding in several threads: one at a time, since msgspec's description of a type must be whole before use."""

from __future__ import annotations

import threading

import msgspec
import pytest

from provision import decode

_inside = threading.Event()
_go_on = threading.Event()


class Slow(msgspec.Struct):
    wait: bool = False

    def __post_init__(self) -> None:
        if self.wait:
            _inside.set()
            assert _go_on.wait(10)


@pytest.mark.parametrize(
    "decoding",
    [
        lambda: decode.json("{}", Slow),
        lambda: decode.toml("", Slow),
        lambda: decode.plain({}, Slow),
    ],
    ids=["json", "toml", "plain"],
)
def test_a_second_thread_waits_until_the_first_has_decoded(decoding: object) -> None:
    _inside.clear()
    _go_on.clear()
    first = threading.Thread(target=lambda: decode.plain({"wait": True}, Slow), daemon=True)
    second = threading.Thread(target=decoding, daemon=True)  # type: ignore[arg-type]
    first.start()
    assert _inside.wait(10)
    second.start()
    second.join(0.2)
    assert second.is_alive(), "it came in between"
    _go_on.set()
    second.join(10)
    first.join(10)
    assert not second.is_alive()
