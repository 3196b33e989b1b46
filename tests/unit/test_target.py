"""Targets: every form a person writes, and every slip."""

from __future__ import annotations

import pytest

from provision.errors import UsageError
from provision.target import parse_target


@pytest.mark.parametrize(
    ("text", "user", "host", "port"),
    [
        ("rigger@10.0.0.7", "rigger", "10.0.0.7", None),
        ("lab-3", None, "lab-3", None),
        ("lab-3:2222", None, "lab-3", 2222),
        ("ssh://rigger@lab-3:2222/", "rigger", "lab-3", 2222),
        ("[fe80::1%eth0]:22", None, "fe80::1%eth0", 22),
        ("fe80::1", None, "fe80::1", None),
        ("rigger@[::1]", "rigger", "::1", None),
    ],
)
def test_forms(text: str, user: str | None, host: str, port: int | None) -> None:
    target = parse_target(text)
    assert (target.user, target.host, target.port, target.local) == (user, host, port, False)
    assert target.name == text


def test_local() -> None:
    assert parse_target("local").local


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("", "bad-target"),
        ("http://lab", "bad-target"),
        ("lab:0", "bad-target"),
        ("lab:99999", "bad-target"),
        ("lab:ssh", "bad-target"),
        ("-oProxyCommand=touch", "bad-target"),
        ("a b@lab", "bad-target"),
        ("lab;reboot", "bad-target"),
        ("rigger:secret@lab", "password-in-target"),
        ("ssh://rigger:secret@lab", "password-in-target"),
    ],
)
def test_slips_say_what_a_target_is(text: str, reference: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_target(text)
    assert caught.value.reference == reference
    assert caught.value.hint
    assert "secret" not in str(caught.value)
