"""What rigs that watch themselves have to say, and what they are told. Other rigs cost nothing here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.pipeline import RigRun, Run
    from provision.results import Acceptance


def tell_own_findings(run: Run) -> None:
    """Say what rigs found by themselves since they were last checked from here."""
    rigs = [rig for rig in run.going if rig.known_facts.watch.installed]
    if rigs and not run.at_boot:
        from provision.watch import tell  # noqa: PLC0415 - few rigs need it

        tell(run, rigs)


def note_on_rigs(run: Run, accepted: Sequence[tuple[RigRun, Acceptance]]) -> None:
    """Leave new acceptances where the rigs' own units look."""
    watching = [each for each in accepted if each[0].known_facts.watch.installed]
    if watching:
        from provision.watch import keep  # noqa: PLC0415 - as above

        keep(run, watching)
