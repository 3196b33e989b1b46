"""``dlrig demo``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import rich_click as click

if TYPE_CHECKING:
    from rich.console import Console

    from provision.box import Box
    from provision.pipeline import Run


@click.command()
@click.option(
    "--system",
    default="debian-12",
    metavar="SYSTEM",
    help="What the box runs.  [default: debian-12]",
)
@click.option(
    "--data", default="auto", metavar="DATA", help="CIFAR-10 images, as for up.  [default: auto]"
)
@click.option("--steps", type=click.IntRange(min=20), help="Steps of the training checks.")
@click.option("-v", "--verbose", is_flag=True, help="Every task.")
def demo(system: str, data: str, steps: int | None, verbose: bool) -> int:  # noqa: FBT001 - click passes it by name
    """Try the whole line on a throwaway box on this machine.

    Boots a bare box (a systemd-nspawn container with a network of its own), runs [bold]dlrig up[/] on it over
    SSH, shows the report, runs it once more to show that nothing is left to do, and removes the box, also
    after Ctrl-C. Needs root, and a few Debian packages that [bold]make demo[/] installs.
    """
    from provision.box import Box  # noqa: PLC0415 - only the demonstration and the tests need boxes
    from provision.pipeline import carry  # noqa: PLC0415
    from provision.stages import UP  # noqa: PLC0415
    from provision.terminal.console import output  # noqa: PLC0415

    console = output()
    console.print(
        f"Booting a bare {system} box (the first time, its system is made: about a minute) …",
    )
    begin = time.monotonic()
    with Box.start(name="demo-rig", system=system) as box:
        console.print(
            f"The box is up after {time.monotonic() - begin:.0f} s, with SSH at {box.address}. "
            f"Now: dlrig up {box.target_for('rigger')}",
        )
        first = _run(box, console, data=data, steps=steps, verbose=verbose)
        code = carry(first, UP)
        if code == 0:
            console.print(f"\nAnd once more: dlrig up {box.target_for('rigger')}")
            begin = time.monotonic()
            code = carry(_run(box, console, data=data, steps=steps, verbose=verbose), UP)
            console.print(f"That took {time.monotonic() - begin:.1f} s.")
        console.print("Removing the box.")
    return code


def _run(box: Box, console: Console, *, data: str, steps: int | None, verbose: bool) -> Run:
    from provision.acceptance import Scope  # noqa: PLC0415
    from provision.connection import Settings  # noqa: PLC0415
    from provision.pipeline import RigRun, Run  # noqa: PLC0415
    from provision.state import new_id, run_folder  # noqa: PLC0415
    from provision.target import parse_target  # noqa: PLC0415
    from provision.wishes import Wishes  # noqa: PLC0415

    return Run(
        rigs=[RigRun(target=parse_target(box.target_for("rigger")), wishes=Wishes(), id=new_id())],
        settings=Settings(ssh_config=str(box.ssh_config)),
        scope=Scope(data=data, steps=steps),
        make_console=lambda: console,
        folder_of=run_folder,
        yes=True,
        verbose=verbose,
    )
