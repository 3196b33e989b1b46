"""Train over all rigs at once: each alone first, then together; keep and report what it is worth."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

from provision.connection import connect
from provision.stages.looking import AT_ONCE
from provision.state import history_path, write_file
from provision.together import TogetherError
from provision.together.choosing import choose
from provision.together.ending import cause
from provision.together.reaching import look, reach
from provision.together.running import run_alone, run_together
from provision.together.scaling import scaling
from provision.together.telling import Found, acceptance, document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from provision.connection import Connection
    from provision.pipeline import RigRun, Run
    from provision.together import Chosen, Ended, Measured, Place, Wish

DOCUMENT = "together.json"


def measure_together(run: Run, wish: Wish) -> Found:
    """All of it, once the facts were read.

    Raises:
        TogetherError: the rigs cannot train together; says which and why.
        UnreachableError: a rig was lost.
    """
    _require_all(run)
    facts = {rig.target.name: rig.known_facts for rig in run.rigs}
    _require_known(wish, facts)
    chosen = choose(facts, wish)
    with _connected(run) as connections:
        looks = look(chosen, connections)
        chosen = _counted(chosen, {name: one.gpus for name, one in looks.items()})
        places = reach(chosen, connections, looks, wish.addresses)
        found = _measure(run, wish, chosen, connections, places)
    _keep(run, found)
    return found


def _require_all(run: Run) -> None:
    """Without one of them, the answer would be to another question."""
    missing = [rig for rig in run.rigs if rig.error]
    if missing:
        raise TogetherError(
            "nothing was trained: all rigs are needed for it",
            where=", ".join(rig.target.name for rig in missing),
            hint="Name only rigs that can be reached, or repair those.",
            reference="rig-missing",
        )


def _require_known(wish: Wish, names: object) -> None:
    unknown = [name for name in wish.addresses if name not in names]  # type: ignore[operator]
    if unknown:
        raise TogetherError(
            f"--address names {', '.join(unknown)}, which is no rig of this run",
            hint="Write the rig as on the command line: --address user@host=10.0.0.7",
            reference="unknown-rig",
        )


@contextlib.contextmanager
def _connected(run: Run) -> Iterator[dict[str, Connection]]:
    """A connection to each rig; hanging up ends whatever still runs there."""
    with contextlib.ExitStack() as stack:

        def open_one(rig: RigRun) -> Connection:
            return connect(rig.target, run.settings)

        with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(run.rigs))) as pool:
            futures = [(rig.target.name, pool.submit(open_one, rig)) for rig in run.rigs]
        opened: dict[str, Connection] = {}
        errors: list[BaseException] = []
        for name, future in futures:
            error = future.exception()
            if error:
                errors.append(error)
            else:
                opened[name] = stack.enter_context(future.result())
        if errors:
            raise errors[0]
        yield opened


def _counted(chosen: Chosen, seen: dict[str, int]) -> Chosen:
    """GPUs as the framework counts them, where it was asked."""
    if chosen.device != "gpu" or chosen.framework != "torch":
        return chosen
    blind = [name for name, count in seen.items() if not count]
    if blind:
        raise TogetherError(
            "PyTorch sees no GPU there",
            where=", ".join(blind),
            hint="dlrig check TARGET -m runtime says why; or train on the CPUs with --device cpu.",
            reference="no-gpu",
        )
    members = tuple(msgspec.structs.replace(one, gpus=seen[one.name]) for one in chosen.members)
    return msgspec.structs.replace(chosen, members=members)


def _measure(
    run: Run,
    wish: Wish,
    chosen: Chosen,
    connections: dict[str, Connection],
    places: dict[str, Place],
) -> Found:
    from provision.together.showing import show_choice  # noqa: PLC0415 - rich is only needed here

    begin, started = time.monotonic(), dt.datetime.now(dt.UTC)
    show_choice(run.console, chosen, places)
    log: list[str] = []
    hear = _hearing(run, log)
    hear("Each rig alone, all at the same time:")
    alone = run_alone(chosen, wish, connections, places)
    together: tuple[Ended, ...] = ()
    failure = cause(alone)
    if failure is None:
        hear("All together:")
        together = run_together(chosen, wish, connections, places, hear)
        failure = cause(together)
    rates = {one.rig: _rate(one.measured) for one in alone}
    reports = {one.rig: one.measured for one in together}
    whole = failure is None and all(reports.values())
    return Found(
        id=run.rigs[0].id,
        started=started,
        seconds=time.monotonic() - begin,
        chosen=chosen,
        places=places,
        alone={one.rig: one.measured for one in alone},
        together=reports,
        scaling=scaling(rates, reports) if whole else None,
        failure=failure,
        log=tuple(log),
    )


def _hearing(run: Run, log: list[str]) -> Callable[[str], None]:
    from provision.stages.telling import say  # noqa: PLC0415 - as above

    def hear(line: str) -> None:
        log.append(line)
        say(run, line)

    return hear


def _rate(processes: tuple[Measured, ...]) -> float:
    """Of one rig alone: every process reports that of all."""
    return processes[0].examples_per_sec if processes else 0.0


def _keep(run: Run, found: Found) -> None:
    """History, page and document; then what a person sees."""
    from provision.history import History  # noqa: PLC0415 - as above
    from provision.report.files import write_reports  # noqa: PLC0415
    from provision.together.showing import show_failure, show_found  # noqa: PLC0415

    kept = acceptance(found)
    folder = run.folder_of(found.id)
    with History(history_path()) as history:
        history.add(kept)
    page = write_reports(kept, folder)
    write_file(folder / DOCUMENT, msgspec.json.encode(document(found)))
    show_found(run.console, found, page)
    lead = run.rigs[0]
    if not found.failure:
        lead.acceptance = kept
        return
    for rig in run.rigs:
        if rig.target.name == found.failure.rig:
            rig.error = show_failure(run.console, found.failure)
