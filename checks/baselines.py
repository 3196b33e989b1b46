"""What a rig was when it was last accepted: ``--baseline``, and which of the files is whose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from checks import options
from provision import decode
from provision.errors import DlrigError
from provision.facts import Facts
from provision.plan import state_digest
from provision.report.document import from_json
from provision.results import Acceptance, RigReport

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest


def read_all(config: pytest.Config) -> list[Acceptance]:
    """Every acceptance in the files that ``--baseline`` names.

    Raises:
        UsageError: a file is missing, or holds no acceptance.
    """
    files = options.given_files(config, "--baseline")
    return [one for path in files for one in options.load(path, "baseline", _read)]


def baseline_of(
    rig: str, facts: Facts, baselines: Iterable[Acceptance], *, alone: bool
) -> Acceptance | None:
    """The latest acceptance of this machine; else of one that was reached by this name.

    Args:
        rig: the target's name.
        facts: the rig's, now.
        baselines: all that were given.
        alone: there is no other rig: a single baseline is then this one's, whatever it is of.
    """
    given = sorted(baselines, key=lambda one: one.started)
    machine = facts.system.machine
    same = [one for one in given if machine and one.machine == machine]
    named = [one for one in given if one.rig == rig]
    found = same or named or (given if alone and len(given) == 1 else [])
    return found[-1] if found else None


def facts_of(baseline: Acceptance) -> Facts | None:
    """What the rig was then; None where another version of dlrig wrote it."""
    try:
        return decode.plain(baseline.facts, Facts)
    except msgspec.ValidationError:
        return None


def _read(raw: bytes) -> list[Acceptance]:
    """An acceptance (``dlrig report --format json``), several of them, or what ``--results`` wrote."""
    whole = decode.json(raw, dict[str, Any] | list[dict[str, Any]])  # type: ignore[arg-type]
    if isinstance(whole, dict) and not whole.keys() & {"schema", "verdict"}:
        return _of_results(decode.json(raw, dict[str, RigReport]))
    documents = whole if isinstance(whole, list) else [whole]
    try:
        return [_of_document(each) for each in documents]
    except DlrigError as error:
        raise msgspec.ValidationError(error.what) from error


def _of_document(document: dict[str, Any]) -> Acceptance:
    # With --json it has no name of its form.
    if "schema" not in document:
        return decode.plain(document, Acceptance)
    return from_json(msgspec.json.encode(document))


def _of_results(found: dict[str, RigReport]) -> list[Acceptance]:
    return [_of_rig(rig, report) for rig, report in found.items() if report.facts]


def _of_rig(rig: str, report: RigReport) -> Acceptance:
    facts = decode.plain(report.facts, Facts)
    return Acceptance(
        id="",
        rig=rig,
        machine=facts.system.machine,
        started=report.started,
        seconds=report.seconds,
        verdict=report.verdict,
        results=report.results,
        state=state_digest(facts),
        facts=report.facts or {},
        plan=report.plan or {},
        version="",
    )
