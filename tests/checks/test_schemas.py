"""What a real run writes fits the published schemas."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import msgspec
import pytest

from provision.acceptance import Scope, Subject, _conclude
from provision.plan import Plan
from provision.report.document import to_json
from provision.results import RigReport

if TYPE_CHECKING:
    from acceptance_suite import Ran, Suite

SCHEMAS = Path(__file__).parents[2] / "docs" / "schema"
NOBODY = "nobody@127.0.0.1:9"


@pytest.fixture(scope="module")
def ran(suite: Suite) -> Ran:
    """A healthy rig, a broken one with a waiver, one that is not there."""
    waivers = suite.folder / "waivers.toml"
    today = dt.datetime.now(dt.UTC).date()
    entry = f'[[waiver]]\ncheck = "*/disk_*"\nreason = "ordered"\nuntil = {today}\n'
    waivers.write_text(entry)
    rigs = [*suite.record("made_gtx1060x2"), *suite.record("disk_full"), "--rig", NOBODY]
    return suite.run(*rigs, "--waivers", str(waivers), "-n", "2")


def validator(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((SCHEMAS / name).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_results_fit(ran: Ran) -> None:
    assert len(ran.found) == 3
    validator("results.json").validate(ran.found)


def test_an_acceptance_of_them_fits(ran: Ran) -> None:
    report = msgspec.convert(ran.found["disk_full"], RigReport)
    assert any(result.waived for result in report.results)
    subject = Subject(id="20261123T000000Z-000000", plan=msgspec.convert(report.plan, Plan))
    accepted = _conclude(subject, report, Scope())
    validator("acceptance.json").validate(json.loads(to_json(accepted)))


@pytest.mark.parametrize(
    ("place", "value"), [("status", "fine"), ("waived", "yes"), ("seconds", "1"), ("check", None)]
)
def test_the_schema_refuses_another_form(ran: Ran, place: str, value: object) -> None:
    found = json.loads(json.dumps(ran.found))
    found["disk_full"]["results"][0][place] = value
    assert list(validator("results.json").iter_errors(found))
