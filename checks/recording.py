"""Transcripts in files: judged instead of a rig (``--transcript``), and kept of one (``--record``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from checks import options
from provision import decode
from provision.anonymise import anonymise
from provision.errors import UsageError
from provision.facts.reading import Transcript, from_json, to_json
from provision.state import write_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

    from checks.rigs import Rig


def read_all(config: pytest.Config) -> list[Transcript]:
    """Every transcript in the files that ``--transcript`` names.

    Raises:
        UsageError: a file is missing, or holds something else.
    """
    files = options.given_files(config, "--transcript")
    return [one for path in files for one in options.load(path, "transcript", _read)]


def _read(raw: bytes) -> list[Transcript]:
    """One, or what ``--record`` wrote of several rigs."""
    if raw.lstrip()[:1] == b"[":
        return decode.json(raw, list[Transcript])
    return [from_json(raw)]


def examine(config: pytest.Config) -> None:
    """Say at once what is wrong with the options.

    Raises:
        UsageError: there is nothing to anonymise.
    """
    if config.getoption("--anonymise") and not config.getoption("--record"):
        raise UsageError(
            "--anonymise is about the file that --record writes",
            hint="pytest checks/ --rig user@host --record rig.json --anonymise",
            reference="anonymise-without-record",
        )


def record(config: pytest.Config, rigs: Iterable[Rig]) -> str:
    """Write the file that ``--record`` names; returns what to say of it, empty for nothing.

    One transcript where one rig was reached, a list where several were; only the user can read it.

    Raises:
        DlrigError: it cannot be written.
    """
    name = config.getoption("--record")
    if not name:
        return ""
    taken = [rig.known.transcript for rig in rigs if rig.known.transcript]
    if not taken:
        return "recorded: nothing, as no rig was reached"
    nameless = config.getoption("--anonymise")
    kept = anonymise(taken) if nameless else taken
    path = config.invocation_params.dir / name
    raw = msgspec.json.format(msgspec.json.encode(kept), indent=1)
    write_file(path, to_json(kept[0]) if len(kept) == 1 else raw)
    told = ", names and ids replaced; look it through before you pass it on" if nameless else ""
    return f"recorded: {path} ({', '.join(one.target for one in kept)}{told})"
