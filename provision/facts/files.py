"""The files that roles put on the rig, as they are now."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from provision.facts.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Iterable

    from provision.facts.reading import Transcript


def reading(paths: Iterable[str]) -> Reading:
    """Ask for the SHA-256 of each path; the paths come from the roles (see ``provision.bundle``)."""
    return Reading(
        name="files",
        command=f"sha256sum -- {shlex.join(paths)} 2>/dev/null || true",
        limit=5.0,
    )


def parse(transcript: Transcript) -> dict[str, str]:
    """Path → SHA-256 in hexadecimal; a file that is not there is left out."""
    found = {}
    for line in transcript.lines("files"):
        digest, _, path = line.partition("  ")
        if len(digest) == 64:  # noqa: PLR2004 - SHA-256
            found[path] = digest
    return found
