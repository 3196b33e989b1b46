"""Restart rigs where another driver is installed than is loaded, and wait until they are back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from provision import reboot as restarts
from provision.errors import ApplyError, DlrigError
from provision.stages.looking import AT_ONCE, read_again
from provision.stages.telling import fail, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from provision.pipeline import RigRun, Run

_BY_HAND = (
    "Run the same command again with --reboot, or restart it (sudo reboot) and run it once more"
)


def is_due(rig: RigRun) -> bool:
    """Whether a restart would help: another driver is installed than is loaded, and it was not tried yet."""
    known = rig.known_facts
    # A card that the plan leaves out is nobody's reason to restart.
    driven = rig.plan is None or rig.plan.driver is not None
    return driven and restarts.due(known) and not rig.restarted and not restarts.in_vain(known)


def reboot(run: Run) -> None:
    """Restart what must be restarted, after asking; the rigs side by side."""
    restart_all(run, run.going)


def restart_all(run: Run, rigs: Iterable[RigRun]) -> None:
    """Restart those of ``rigs`` where it is due; one that may not be restarted goes no further."""
    with_gpu = [rig for rig in rigs if rig.known_facts.gpus]
    read_again(run, with_gpu)
    due = []
    for rig in with_gpu:
        if rig.error:
            continue
        if not is_due(rig):
            if not restarts.due(rig.known_facts):
                restarts.forget(rig.known_facts)
            continue
        try:
            restarts.require_module(rig.known_facts)
        except DlrigError as error:
            fail(run, rig, error)
            continue
        restarts.remember(rig.known_facts)
        due.append(rig)
    allowed = _ask(run, due)
    if allowed:
        _restart(run, allowed)


def may_restart(run: Run, rig: RigRun) -> bool | None:
    """By option, else by the inventory's ``dlrig_reboot``; None where that is to be asked."""
    if run.reboot is not None:
        return run.reboot
    wished = str(rig.target.variables.get("dlrig_reboot", "")).lower()
    return {"true": True, "yes": True, "false": False, "no": False}.get(wished)


def _ask(run: Run, due: list[RigRun]) -> list[RigRun]:
    """Those that may be restarted now; the others go no further."""
    allowed, asked = [], []
    for rig in due:
        may = may_restart(run, rig)
        if rig.target.local or restarts.is_here(rig.known_facts):
            fail(run, rig, _needed(rig, "Restart it: sudo reboot. Then run the same command again"))
        elif may:
            allowed.append(rig)
        elif may is None and run.settings.ask:
            say(run, f"{rig.target.name}: {_why(rig)}.")
            asked.append(rig)
        else:
            unasked = "--yes does not restart a rig. " if may is None else ""
            fail(run, rig, _needed(rig, f"{unasked}{_BY_HAND}"))
    names = ", ".join(rig.target.name for rig in asked)
    if asked and run.settings.ask and run.settings.ask(f"Restart {names} now, and wait for it?"):
        return allowed + asked
    for rig in asked:
        fail(run, rig, _needed(rig, _BY_HAND))
    return allowed


def _why(rig: RigRun) -> str:
    driver = rig.known_facts.driver
    loaded = f"{driver.loaded} is loaded" if driver.loaded else "none is loaded"
    return f"driver {driver.version} is installed, and {loaded}"


def _needed(rig: RigRun, hint: str) -> ApplyError:
    return ApplyError(
        f"{_why(rig)}: it must be restarted",
        where=rig.target.name,
        hint=f"{hint}: it goes on from there.",
        reference="reboot-needed",
    )


def _restart(run: Run, rigs: list[RigRun]) -> None:
    from provision.terminal.progress import Waiting  # noqa: PLC0415

    errors: dict[str, DlrigError] = {}

    def one(rig: RigRun, show: Callable[[str, str], None]) -> None:
        name = rig.target.name
        try:
            seconds = restarts.restart(
                rig.target,
                run.settings,
                boot_id=rig.known_facts.system.boot_id,
                password=rig.password,
                limit=run.reboot_limit,
                on_state=lambda state: show(name, state),
            )
        except DlrigError as error:
            errors[rig.id] = error
            show(name, "")
            return
        show(name, f"back after {seconds:.0f} s")

    for rig in rigs:
        rig.restarted, rig.fresh = True, False
    with (
        Waiting(run.console, "restarting") as waiting,
        ThreadPoolExecutor(max_workers=min(AT_ONCE, len(rigs))) as pool,
    ):
        list(pool.map(lambda rig: one(rig, waiting.show), rigs))
    for rig in rigs:
        if rig.id in errors:
            fail(run, rig, errors[rig.id])
    read_again(run, rigs)
