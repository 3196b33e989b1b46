"""Run a script on a rig as root, whatever way there is; sudo's password goes over standard input only."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from provision.errors import ApplyError
from provision.facts.reading import as_text

if TYPE_CHECKING:
    from provision.connection import Completed, Connection

# Becomes root where it can, and says how; then runs the script from standard input. The first line there is
# sudo's password (or empty). Whether sudo eats that line or not depends on the rig's rules, so everything up
# to a random mark is skipped before the script begins: no line of it can be taken for the other.
BECOME = r"""
DLRIG_LOGIN=$(id -un); DLRIG_HOW=none
skip='while IFS= read -r line; do [ "$line" != "$0" ] || exec sh -s; done; exit 71'
if [ "$(id -u)" = 0 ]; then DLRIG_HOW=root
elif sudo -n true 2>/dev/null; then
  exec sudo -n env DLRIG_HOW=sudo DLRIG_LOGIN="$DLRIG_LOGIN" sh -c "$skip" "$0"
elif [ "$1" = given ]; then
  exec sudo -S -k -p '' env DLRIG_HOW=password DLRIG_LOGIN="$DLRIG_LOGIN" sh -c "$skip" "$0"
fi
export DLRIG_HOW DLRIG_LOGIN
exec sh -c "$skip" "$0"
"""


def become(token: str, password: str | None) -> tuple[list[str], bytes]:
    """The command that becomes root and runs a script, and what goes before the script into standard input."""
    argv = ["sh", "-c", BECOME, token, "given" if password is not None else "-"]
    return argv, f"{password or ''}\n{token}\n".encode()


def as_root(
    connection: Connection, rig: str, script: str, *, password: str | None, limit: float
) -> Completed:
    """Run a POSIX shell script as root.

    Args:
        connection: open.
        rig: the target's name.
        script: its exit code is the result's.
        password: sudo's, where one is needed.
        limit: seconds.

    Raises:
        UnreachableError: the connection was lost.
        ApplyError: there is no way to become root.
    """
    token = f"dlrig-{secrets.token_hex(12)}"
    argv, before = become(token, password)
    guard = f'[ "$(id -u)" = 0 ] || exit 77\necho {token}\n'
    completed = connection.run(argv, stdin=before + (guard + script).encode(), limit=limit)
    # Without the mark the script did not begin.
    if token.encode() not in completed.stdout:
        said = as_text(completed.stderr).strip().splitlines()
        raise ApplyError(
            "cannot become root there: "
            + (said[-1] if said else f"no reason given (exit {completed.exit_code})"),
            where=rig,
            hint="Give sudo's password with --ask-become-pass or --become-password-file, or connect as root.",
            reference="no-root",
        )
    return completed
