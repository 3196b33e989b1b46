"""Accept, keep the acceptances, report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from provision.errors import ApplyError
from provision.stages.telling import fail
from provision.stages.watching import note_on_rigs
from provision.state import history_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from provision.pipeline import RigRun, Run
    from provision.plan import Plan
    from provision.results import Acceptance


def check(run: Run) -> None:
    """Run the acceptance, and keep it."""
    going = run.going
    found = accept_as(run, {rig.id: (rig, rig.known_plan) for rig in going})
    for rig in going:
        rig.acceptance = found.get(rig.id)


def accept_as(run: Run, subjects: Mapping[str, tuple[RigRun, Plan]]) -> dict[str, Acceptance]:
    """Check rigs and keep the acceptances; a rig without a result goes no further.

    Args:
        run: the command.
        subjects: the id that the acceptance is to have → the rig, and the plan that it is held against.

    Raises:
        ApplyError: the checks themselves could not run.
    """
    from provision.acceptance import Subject, accept  # noqa: PLC0415 - a command that ends earlier needs none of it
    from provision.history import History  # noqa: PLC0415

    with History(history_path()) as history:
        asked = [
            # Whatever cards it had then: that they are others now is a finding.
            Subject(
                id=key,
                plan=plan,
                baseline=history.latest_accepted(rig.known_facts.system.machine),
            )
            for key, (rig, plan) in subjects.items()
        ]
    accepted = accept(
        asked,
        run.folder_of(next(iter(subjects))),
        run.settings,
        run.scope,
        inventory=run.inventory,
        output=run.console.file,
    )
    kept: dict[str, Acceptance] = {}
    with History(history_path()) as history:
        for key, (rig, _) in subjects.items():
            found = accepted.get(rig.target.name)
            if found:
                kept[key] = msgspec.structs.replace(found, changed=rig.changed)
                history.add(kept[key])
                continue
            error = ApplyError(
                "the checks ended without a result for it",
                where=rig.target.name,
                hint="The lines above say why. Nothing was concluded about the rig.",
                reference="checks-failed",
            )
            fail(run, rig, error)
    note_on_rigs(run, [(rig, kept[key]) for key, (rig, _) in subjects.items() if key in kept])
    return kept


def report(run: Run) -> None:
    """Write the page, JUnit and JSON of each acceptance, and show the verdicts."""
    for rig in run.going:
        if rig.acceptance:
            report_on(run, rig.acceptance)


def report_on(run: Run, acceptance: Acceptance) -> None:
    """Write one acceptance's page, JUnit and JSON, and show its verdict."""
    from provision.report.files import write_reports  # noqa: PLC0415 - plots take long to import
    from provision.terminal.results import show_verdict  # noqa: PLC0415

    page = write_reports(acceptance, run.folder_of(acceptance.id))
    show_verdict(run.console, acceptance, page)
