"""``dlrig watch``: what the unit dlrig-watch runs on a rig."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import rich_click as click

from provision.errors import DlrigError, UsageError

if TYPE_CHECKING:
    from provision.pipeline import Run

SETTINGS = Path("/etc/dlrig/watch.json")


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What the role ``watch`` wrote.

    Attributes:
        wishes: what the rig is held against, where it differs from the defaults.
        checks: markers; empty for all.
        data: as ``--data``.
        steps: as ``--steps``.
    """

    wishes: dict[str, Any] = {}
    checks: str = ""
    data: str = "auto"
    steps: int | None = None


@click.command()
def watch() -> int:
    """Check this machine as it was provisioned, and note the verdict on it.

    The unit [bold]dlrig-watch[/] runs it at boot where kernel or driver changed (dlrig up --watch). The verdict is then
    in the login message, and in [bold]dlrig check local --last[/].
    """
    from provision.pipeline import carry  # noqa: PLC0415 - --help needs none of it
    from provision.stages import CHECK  # noqa: PLC0415

    if os.geteuid() != 0:
        raise UsageError(
            "the verdict is noted where only root may write",
            hint="sudo systemctl start dlrig-watch; or, to check and note nothing: dlrig check local",
            reference="no-root",
        )
    run = _run()
    try:
        code = carry(run, CHECK)
    except DlrigError as error:
        _note(run, error)
        raise
    if run.rigs[0].error:
        _note(run, run.rigs[0].error)
    return code


def _kept() -> Kept:
    from provision import decode  # noqa: PLC0415

    try:
        return decode.json(SETTINGS.read_bytes(), Kept)
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(
            f"this machine does not watch itself: {getattr(error, 'strerror', None) or error}",
            where=str(SETTINGS),
            hint="From the machine that provisioned it: dlrig up TARGET --watch",
            reference="not-watched",
        ) from error


def _run() -> Run:
    from provision.acceptance import Scope  # noqa: PLC0415
    from provision.connection import Settings  # noqa: PLC0415
    from provision.pipeline import RigRun, Run  # noqa: PLC0415
    from provision.state import new_id, run_folder  # noqa: PLC0415
    from provision.target import parse_target  # noqa: PLC0415
    from provision.terminal.console import output  # noqa: PLC0415
    from provision.waivers import usual_files  # noqa: PLC0415
    from provision.wishes import make_wishes  # noqa: PLC0415

    kept = _kept()
    wishes = make_wishes(kept.wishes, str(SETTINGS))
    return Run(
        rigs=[RigRun(target=parse_target("local"), wishes=wishes, id=new_id())],
        settings=Settings(),
        scope=Scope(
            markers=kept.checks,
            data=kept.data,
            steps=kept.steps,
            waivers=tuple(map(str, usual_files())),
        ),
        make_console=output,
        folder_of=run_folder,
        at_boot=True,
    )


def _note(run: Run, error: DlrigError) -> None:
    """Leave it on the rig that there is no verdict, and why."""
    from provision.connection import connect  # noqa: PLC0415
    from provision.watch import ask, leave, note_of_trouble  # noqa: PLC0415

    (rig,) = run.rigs
    with connect(rig.target, run.settings) as connection:
        watch = ask(connection)
        leave(connection, rig.target.name, note_of_trouble(error, watch), watch, None)
