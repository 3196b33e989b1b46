"""Acceptances for the tests of reports and history."""

from __future__ import annotations

from pathlib import Path

import msgspec

from provision.report.document import from_json
from provision.results import Acceptance, Figure, Result, Status, judge

_DATA = Path(__file__).parents[1] / "data" / "acceptances"

# What a rig might print to drive a terminal, break a page, or reorder what stands beside it.
HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07[bold red]<script>alert(1)</script>&\x9b31m\u202egnp.exe\x00 'q\" |"
)


def sample(name: str) -> Acceptance:
    return from_json((_DATA / f"{name}.json").read_bytes())


def with_results(acceptance: Acceptance, *results: Result) -> Acceptance:
    return msgspec.structs.replace(acceptance, results=results, verdict=judge(results))


def result(status: Status, check: str = "hardware/memory", **fields: object) -> Result:
    given = {
        "rig": "ada@bench",
        "question": "Is there enough memory?",
        "message": "3 GiB",
        "expected": "4 GiB",
        "remedy": "Add memory",
        **fields,
    }
    return msgspec.convert({"check": check, "status": status, **given}, Result)


def hostile() -> Acceptance:
    """Every text of a rig's is hostile, in the facts, the plan and the results."""
    base = sample("gpu_rejected")
    figure = Figure(name=HOSTILE, unit=HOSTILE, samples=(1.0, 2.0), note=HOSTILE, at_unit=HOSTILE)
    series = [
        msgspec.structs.replace(figure, name=name, at=(0.0, 10.0))
        for name in ("throughput", "loss")
    ]
    return msgspec.structs.replace(
        with_results(
            base,
            *(
                result(
                    status,
                    f"{HOSTILE}/{HOSTILE}",
                    **dict.fromkeys(("message", "expected"), HOSTILE),
                )
                for status in Status
            ),
            result(Status.FAIL, figures=(figure, *series), log=(HOSTILE,), remedy=HOSTILE),
        ),
        rig=HOSTILE,
        started=HOSTILE,
        state=HOSTILE,
        scope=HOSTILE,
        changed=(HOSTILE,),
        facts=_poison(base.facts),
        plan=_poison(base.plan),
    )


def _poison(data: object) -> dict:  # type: ignore[type-arg]
    """Hostile text in place of every string, but for the few that are of a fixed set."""
    kept = {"cpu", "gpu", "http", "port"}
    if isinstance(data, dict):
        return {key: _poison(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_poison(value) for value in data]  # type: ignore[return-value]
    return HOSTILE if isinstance(data, str) and data not in kept else data  # type: ignore[return-value]
