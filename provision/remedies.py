"""What to do when a task on a rig fails: known messages and their remedies, from the catalogue."""

from __future__ import annotations

import re

from provision.catalogue import load_remedies

_DEFAULT = (
    "The whole output is in the transcript. Run the same command again: it goes on from there."
)


def remedy_for(message: str) -> str:
    """The next step for a task that failed with ``message``."""
    for row in load_remedies():
        if re.search(row.pattern, message, re.IGNORECASE):
            return row.hint
    return _DEFAULT
