"""Which rig is meant: ``user@host``, ``host:port``, ``ssh://user@host:port``, an alias of the SSH config, ``local``."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from provision.errors import UsageError

_HOST = re.compile(
    r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?\]"
)
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9._-]*\$?")
_MAX_PORT = 65535


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A rig as the user named it.

    Attributes:
        name: as written; results, history and messages call the rig by it.
        host: name, address or alias of the SSH config; empty for this machine.
        user: None leaves it to the SSH config and then to the local user's name, as OpenSSH does.
        port: None leaves it to the SSH config and then to 22.
        variables: the inventory's variables of this host; empty without an inventory.
    """

    name: str
    host: str = ""
    user: str | None = None
    port: int | None = None
    variables: dict[str, Any] = {}

    @property
    def local(self) -> bool:
        """The rig is this machine: no SSH."""
        return not self.host


def parse_target(text: str) -> Target:
    """Read one target.

    Raises:
        UsageError: it has another form, or holds a password.
    """
    rest = text.strip()
    if rest == "local":
        return Target(name="local")
    if "://" in rest:
        scheme, _, rest = rest.partition("://")
        if scheme != "ssh":
            raise _bad(text, f"'{scheme}://' is not a way to reach a rig")
        rest = rest.rstrip("/")
    user, at, place = rest.rpartition("@")
    if ":" in user:
        # Not echoed: it would end in logs and shell histories once more.
        raise UsageError(
            "a password in a target is refused: it would show in the process list",
            hint="Use an SSH key or an agent (ssh-copy-id), and --ask-become-pass for sudo's password.",
            reference="password-in-target",
        )
    host, port = _split_port(text, place)
    if at and not _USER.fullmatch(user):
        raise _bad(text, f"'{user}' is not a user's name")
    if not _HOST.fullmatch(host):
        raise _bad(text, f"'{host}' is not a host's name or address")
    return Target(name=text.strip(), host=host.strip("[]"), user=user or None, port=port)


def _split_port(text: str, place: str) -> tuple[str, int | None]:
    if place.startswith("[") or place.count(":") == 1:
        host, colon, port = place.rpartition(":")
        if not colon or host.count("[") != host.count("]"):
            return place, None
        if not port.isascii() or not port.isdigit() or not 0 < int(port) <= _MAX_PORT:
            raise _bad(text, f"'{port}' is not a port (1 to {_MAX_PORT})")
        return host, int(port)
    # More than one colon without brackets can only be an IPv6 address.
    return (f"[{place}]", None) if ":" in place else (place, None)


def _bad(text: str, why: str) -> UsageError:
    return UsageError(
        why,
        where=f"target '{text}'",
        hint="A target is user@host, host:port, ssh://user@host:port, [IPv6]:port, "
        "an alias of your SSH config, or 'local'.",
        reference="bad-target",
    )
