"""Read the facts of all rigs."""

from __future__ import annotations

import functools
import importlib
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from typing import TYPE_CHECKING

from provision import catalogue, facts
from provision.connection import connect
from provision.errors import DlrigError
from provision.facts.reading import to_json
from provision.gather import gather
from provision.stages.telling import fail
from provision.state import write_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    from provision.pipeline import RigRun, Run

AT_ONCE = 32
"""Rigs that are reached at the same time."""


def read_facts(run: Run) -> None:
    """Ask every rig everything, in one round trip each."""
    # First contacts ask a person, one question at a time.
    together = 1 if run.settings.ask and not run.settings.accept_new else AT_ONCE
    _read_all(run, run.going, together, "transcript.json")


def read_again(run: Run, rigs: Iterable[RigRun]) -> None:
    """Ask those rigs once more that were changed since."""
    stale = [rig for rig in rigs if not rig.fresh and rig.error is None]
    if stale:
        _read_all(run, stale, AT_ONCE, "transcript-after.json")


def _read_all(run: Run, rigs: list[RigRun], together: int, name: str) -> None:
    errors: dict[str, DlrigError] = {}

    def read(rig: RigRun) -> None:
        try:
            _read(run, rig, name)
        except DlrigError as error:
            errors[rig.id] = error

    with ThreadPoolExecutor(max_workers=min(together, len(rigs))) as pool:
        list(pool.map(read, rigs))
    for rig in rigs:
        if rig.id in errors:
            fail(run, rig, errors[rig.id])


def _read(run: Run, rig: RigRun, name: str) -> None:
    readings = facts.readings(
        catalogue.managed_files(), catalogue.places(), catalogue.driver_look()
    )
    with connect(rig.target, run.settings) as connection:
        # While the rig is thinking, load what comes next: the time is free, and it is a quarter of a run
        # that finds nothing to do.
        _load_what_comes_next()
        rig.transcript = gather(connection, rig.target.name, readings, become_password=rig.password)
    rig.facts = facts.parse(rig.transcript)
    rig.fresh = True
    write_file(run.folder_of(rig.id) / name, to_json(rig.transcript))


@functools.cache
def _load_what_comes_next() -> None:
    """Begin to load the modules of the stages that always follow, and what they read; once a process."""
    Thread(target=_load, daemon=True).start()


def _load() -> None:
    for module in ("provision.planner", "provision.history", "provision.terminal.console"):
        importlib.import_module(module)
    catalogue.load()
