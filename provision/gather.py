"""Take a rig's transcript: the one round trip between a connection and the facts."""

from __future__ import annotations

import datetime as dt
import secrets
from typing import TYPE_CHECKING

from provision.errors import ApplyError, UnreachableError
from provision.facts.reading import Transcript, as_text
from provision.facts.script import compose, take_apart

if TYPE_CHECKING:
    from collections.abc import Iterable

    from provision.connection import Connection
    from provision.facts.reading import Reading

# Becomes root where it can, and says how; then runs the script from standard input. The first line there is
# sudo's password (or empty). Whether sudo eats that line or not depends on the rig's rules, so everything up
# to a random mark is skipped before the script begins: no line of it can be taken for the other.
_BECOME = r"""
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


def gather(
    connection: Connection,
    rig: str,
    readings: Iterable[Reading],
    *,
    become_password: str | None = None,
) -> Transcript:
    """Ask the rig all ``readings`` in one round trip.

    Args:
        connection: open.
        rig: the target's name.
        readings: what to ask.
        become_password: sudo's, where one is needed; goes over standard input only.

    Raises:
        UnreachableError: the connection was lost, or the answer is not whole.
        ApplyError: sudo refused the password.
    """
    asked = tuple(readings)
    token = f"dlrig-{secrets.token_hex(12)}"
    limit = max(reading.limit for reading in asked) + 10.0
    completed = connection.run(
        ["sh", "-c", _BECOME, token, "given" if become_password is not None else "-"],
        stdin=f"{become_password or ''}\n{token}\n".encode() + compose(asked, token),
        limit=limit,
    )
    try:
        privilege, login, outcomes = take_apart(completed.stdout, token)
    except ValueError as error:
        complaint = as_text(completed.stderr).strip()
        if become_password is not None and completed.exit_code == 1:
            raise ApplyError(
                "sudo refused: " + (complaint.splitlines()[-1] if complaint else "no reason given"),
                where=rig,
                hint="Check the password, and that this user may use sudo there.",
                reference="sudo-refused",
            ) from error
        raise UnreachableError(
            f"{error} (exit {completed.exit_code}{', ' + complaint[-300:] if complaint else ''})",
            where=rig,
            hint="Is there room in /dev/shm or /tmp, and is the login shell a usual one? Then run this again.",
            reference="broken-answer",
        ) from error
    return Transcript(
        target=rig,
        taken=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        outcomes=outcomes,
        login=login,
        privilege=privilege,
    )
