"""Take a rig's transcript: the one round trip between a connection and the facts."""

from __future__ import annotations

import datetime as dt
import secrets
from typing import TYPE_CHECKING

import msgspec

from provision.become import become
from provision.errors import ApplyError, UnreachableError
from provision.facts.reading import MISSING, Reading, Transcript, as_text
from provision.facts.script import compose, take_apart

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from provision.connection import Connection

_PACE = Reading(
    name="pace",
    command='n=0; while [ "$n" -lt 20 ]; do n=$((n + 1)); /bin/true; done',
    limit=1.0,
)
"""Nothing broken can hold it up; it takes 30 ms on a server, and over a second on an emulated processor."""
_PATIENCE = 10.0
"""Times that a slow rig may take longer: about what an emulated processor takes."""
_MARGIN = 30.0
"""Seconds to become root, start the readings and send what they say."""


def gather(
    connection: Connection,
    rig: str,
    readings: Iterable[Reading],
    *,
    become_password: str | None = None,
) -> Transcript:
    """Ask the rig all ``readings`` in one round trip; a slow one a second time, for what it did not get done.

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
    transcript = _ask(connection, rig, (*asked, _PACE), become_password)
    slow = transcript.outcomes.pop(_PACE.name, MISSING).hung
    hung = [reading for reading in asked if transcript[reading.name].hung]
    if not slow or not hung:
        return transcript
    patient = [msgspec.structs.replace(one, limit=one.limit * _PATIENCE) for one in hung]
    again = _ask(connection, rig, patient, become_password)
    return msgspec.structs.replace(again, outcomes={**transcript.outcomes, **again.outcomes})


def _ask(
    connection: Connection, rig: str, asked: Sequence[Reading], become_password: str | None
) -> Transcript:
    token = f"dlrig-{secrets.token_hex(12)}"
    limit = max(reading.limit for reading in asked) + _MARGIN
    argv, before = become(token, become_password)
    completed = connection.run(argv, stdin=before + compose(asked, token), limit=limit)
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
