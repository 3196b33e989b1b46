"""An acceptance as JSON, with the name of its form; the schema is published in ``docs/schema``."""

from __future__ import annotations

import msgspec

from provision import decode
from provision.errors import DlrigError
from provision.report.figures import finite
from provision.results import Acceptance

FORM = "dlrig/acceptance/1"
"""Changes its number when a reader of the old form could no longer read the new one."""


class Document(Acceptance, frozen=True, kw_only=True, tag_field="schema", tag=FORM):
    """An acceptance that says which form it has, in its first field, ``schema``."""


def to_json(acceptance: Acceptance) -> bytes:
    """Compact JSON; keys of mappings in sorted order, so that equal acceptances are equal bytes."""
    kept = finite(acceptance)
    return msgspec.json.encode(Document(**msgspec.structs.asdict(kept)), order="deterministic")


def from_json(raw: bytes, where: str = "") -> Acceptance:
    """Read what ``to_json`` wrote.

    Raises:
        DlrigError: it is cut, changed, or of a form that this version does not know.
    """
    try:
        found = decode.json(raw, Document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DlrigError(
            f"this acceptance cannot be read: {error}",
            where=where,
            hint="It may come from another version of dlrig: read it with that one, or run the checks again.",
            reference="acceptance-unreadable",
        ) from error
    return Acceptance(**msgspec.structs.asdict(found))


def schema() -> bytes:
    """The JSON Schema (2020-12) of the document, indented."""
    found = msgspec.json.schema(Document)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"A dlrig acceptance ({FORM})",
    }
    return msgspec.json.format(msgspec.json.encode(head | found), indent=2) + b"\n"
