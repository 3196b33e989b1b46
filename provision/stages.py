"""The stages: facts → plan → apply → checks → results → report. Each takes the rigs that still go on.

What a stage needs it imports when it runs: a run that finds nothing to do must not wait for Ansible, pytest
or matplotlib to load.
"""

from __future__ import annotations

import functools
import importlib
import itertools
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from typing import TYPE_CHECKING

import msgspec

from provision import catalogue, facts
from provision.connection import connect
from provision.errors import ApplyError, DlrigError, UsageError
from provision.facts.reading import to_json
from provision.gather import gather
from provision.plan import state_digest
from provision.state import history_path, write_file

if TYPE_CHECKING:
    from provision.pipeline import RigRun, Run

_AT_ONCE = 32
"""Rigs whose facts are read at the same time."""


def read_facts(run: Run) -> None:
    """Ask every rig everything, in one round trip each."""

    def read(rig: RigRun) -> None:
        try:
            _read(run, rig)
        except DlrigError as error:
            rig.error = error

    # First contacts ask a person, one question at a time.
    together = 1 if run.settings.ask and not run.settings.accept_new else _AT_ONCE
    with ThreadPoolExecutor(max_workers=min(together, len(run.going))) as pool:
        list(pool.map(read, run.going))
    for rig in run.rigs:
        if rig.error:
            _show(run, rig.error)


def make_plans(run: Run) -> None:
    """Decide what each rig is to be."""
    from provision.planner import make_plan  # noqa: PLC0415

    for rig in run.going:
        try:
            rig.plan = make_plan(rig.known_facts, rig.wishes, catalogue.load())
        except DlrigError as error:
            rig.error = error
            _show(run, error)


def show_plans(run: Run) -> None:
    """Say what each rig is, what it is to be, and why."""
    from provision.terminal.facts import show_facts  # noqa: PLC0415
    from provision.terminal.plan import show_plan  # noqa: PLC0415

    for rig in run.going:
        show_facts(run.console, rig.known_facts)
        show_plan(run.console, rig.known_plan, sources=run.verbose)


def leave_what_is_done(run: Run) -> None:
    """A rig that is as planned, and was accepted as it is, needs nothing."""
    if run.always_check:
        return
    from provision.history import History  # noqa: PLC0415 - only where there is something to look up

    with History(history_path()) as history:
        for rig in run.going:
            if rig.known_plan.actions:
                continue
            known = rig.known_facts
            last = history.latest(known.system.machine, scope="all")
            # A later run of some checks may have found what the last whole one did not.
            newest = history.latest(known.system.machine)
            accepted = last and last.verdict.accepted and newest and newest.verdict.accepted
            if last and accepted and last.state == state_digest(known):
                rig.acceptance = last
                rig.done = True
                _say(
                    run,
                    f"{rig.target.name}: nothing to do. It is as planned, and was {last.verdict.value} "
                    f"as it is now on {last.started[:16].replace('T', ' ')} UTC ({last.id}).",
                )


def leave_what_is_planned(run: Run) -> None:
    """A rig that is as planned needs nothing, where nobody asks whether it is accepted."""
    for rig in run.going:
        if not rig.known_plan.actions:
            rig.done = True
            _say(run, f"{rig.target.name}: nothing to do. It is as planned; it was not checked.")


def become_root(run: Run) -> None:
    """Make sure that the changes can be made: as root, or by sudo, with its password where it wants one."""
    for rig in run.going:
        if not rig.known_plan.actions or rig.known_facts.privilege != "none":
            continue
        login = rig.known_facts.login
        rig.error = ApplyError(
            f"'{login}' cannot become root there without a password, and the plan changes the system",
            where=rig.target.name,
            hint="Give sudo's password with --ask-become-pass (asks) or --become-password-file, "
            f"connect as root, or allow '{login}' to use sudo. Nothing was changed.",
            reference="no-root",
        )
        _show(run, rig.error)


def agree(run: Run) -> None:
    """Ask before anything is changed."""
    changing = [rig for rig in run.going if rig.known_plan.actions]
    if not changing or run.yes:
        return
    if run.settings.ask is None:
        raise UsageError(
            "the plan changes the rig, and there is nobody to ask",
            hint="Add --yes to agree beforehand.",
            reference="nobody-to-ask",
        )
    names = ", ".join(rig.target.name for rig in changing)
    if not run.settings.ask(f"Change {names} as planned?"):
        for rig in changing:
            rig.done = True
        run.console.print("Nothing was changed.")


def carry_out(run: Run) -> None:
    """Let Ansible do what the plans want; rigs that need the same roles together."""
    changing = sorted(
        (rig for rig in run.going if rig.known_plan.actions), key=lambda rig: rig.known_plan.roles
    )
    for _, group in itertools.groupby(changing, key=lambda rig: rig.known_plan.roles):
        _carry_out(run, list(group))
    for rig in run.rigs:
        if rig.error and rig in changing:
            _show(run, rig.error)


def verify(run: Run) -> None:
    """Read the facts again: the rigs must now be as planned."""
    from provision.planner import make_plan  # noqa: PLC0415

    changed = [rig for rig in run.going if rig.known_plan.actions]
    for rig in changed:
        try:
            _read(run, rig, again=True)
            left = make_plan(rig.known_facts, rig.wishes, catalogue.load()).actions
        except DlrigError as error:
            rig.error = error
            _show(run, error)
            continue
        if left:
            rig.error = ApplyError(
                "the roles ended well, and yet it is not as planned: "
                + "; ".join(f"{action.subject}: {action.reason}" for action in left),
                where=rig.target.name,
                hint="Something undoes the changes there (another configuration tool?). Then run this again.",
                reference="not-as-planned",
            )
            _show(run, rig.error)


def check(run: Run) -> None:
    """Run the acceptance, and keep it."""
    from provision.acceptance import Subject, accept  # noqa: PLC0415 - a command that ends earlier needs none of it
    from provision.history import History  # noqa: PLC0415

    going = run.going
    folder = run.folder_of(going[0].id)
    accepted = accept(
        [Subject(id=rig.id, plan=rig.known_plan) for rig in going],
        folder,
        run.settings,
        run.scope,
        inventory=run.inventory,
        output=run.console.file,
    )
    with History(history_path()) as history:
        for rig in going:
            found = accepted.get(rig.target.name)
            if found:
                rig.acceptance = msgspec.structs.replace(found, changed=rig.changed)
                history.add(rig.acceptance)
                continue
            rig.error = ApplyError(
                "the checks ended without a result for it",
                where=rig.target.name,
                hint="The lines above say why. Nothing was concluded about the rig.",
                reference="checks-failed",
            )
            _show(run, rig.error)


def report(run: Run) -> None:
    """Write the page, JUnit and JSON of each acceptance, and show the verdicts."""
    from provision.report.files import write_reports  # noqa: PLC0415 - plots take long to import
    from provision.terminal.results import show_verdict  # noqa: PLC0415

    for rig in run.going:
        if rig.acceptance is None:
            continue
        page = write_reports(rig.acceptance, run.folder_of(rig.id))
        show_verdict(run.console, rig.acceptance, page)


def _show(run: Run, error: DlrigError) -> None:
    from provision.terminal.console import show_error  # noqa: PLC0415

    show_error(run.console, error)


def _say(run: Run, text: str) -> None:
    from provision.terminal.console import safe  # noqa: PLC0415

    run.console.print(safe(text))


@functools.cache
def _load_what_comes_next() -> None:
    """Begin to load the modules of the stages that always follow, and what they read; once a process."""
    Thread(target=_load, daemon=True).start()


def _load() -> None:
    for module in ("provision.planner", "provision.history", "provision.terminal.console"):
        importlib.import_module(module)
    catalogue.load()


def _read(run: Run, rig: RigRun, *, again: bool = False) -> None:
    readings = facts.readings(catalogue.managed_files(), catalogue.places())
    with connect(rig.target, run.settings) as connection:
        # While the rig is thinking, load what comes next: the time is free, and it is a quarter of a run
        # that finds nothing to do.
        _load_what_comes_next()
        rig.transcript = gather(connection, rig.target.name, readings, become_password=rig.password)
    rig.facts = facts.parse(rig.transcript)
    name = "transcript-after.json" if again else "transcript.json"
    write_file(run.folder_of(rig.id) / name, to_json(rig.transcript))


def _carry_out(run: Run, group: list[RigRun]) -> None:
    from provision.apply import Job, apply  # noqa: PLC0415 - Ansible is not needed where nothing changes
    from provision.terminal.progress import Progress  # noqa: PLC0415

    jobs = [
        Job(
            target=rig.target,
            plan=rig.known_plan,
            root=rig.known_facts.privilege == "root",
        )
        for rig in group
    ]
    with Progress(run.console, several=len(run.rigs) > 1, verbose=run.verbose) as progress:
        applied = apply(
            jobs,
            run.folder_of(group[0].id),
            run.settings,
            inventory=run.inventory,
            become_password=group[0].password,
            on_step=progress.show,
        )
    for rig in group:
        rig.changed = applied.changed.get(rig.target.name, ())
        rig.error = applied.failures.get(rig.target.name)


PLAN = (read_facts, make_plans, show_plans)
CHECK = (read_facts, make_plans, check, report)
UP_UNCHECKED = (
    read_facts,
    make_plans,
    leave_what_is_planned,
    show_plans,
    become_root,
    agree,
    carry_out,
    verify,
)
UP = (
    read_facts,
    make_plans,
    leave_what_is_done,
    *UP_UNCHECKED[3:],
    check,
    report,
)
