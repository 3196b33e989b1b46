"""The run in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from provision.terminal.console import safe, show_error
from provision.terminal.results import show_verdict
from provision.together import TogetherError
from provision.together.telling import acceptance

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rich.console import Console

    from provision.together import Chosen, Failure, Place
    from provision.together.scaling import Share
    from provision.together.telling import Found


def show_choice(console: Console, chosen: Chosen, places: Mapping[str, Place]) -> None:
    """Who trains, with what, and how they reach each other."""
    what = "GPUs" if chosen.device == "gpu" else "CPUs"
    why = f" ({chosen.why})" if chosen.why else ""
    console.print(
        safe(f"Training on the {what} of {len(chosen.members)} rigs with {chosen.framework}{why}.")
    )
    for member in chosen.members:
        console.print(safe(f"  {member.name} at {places[member.name]}", "label"))
    if chosen.framework == "tensorflow":
        text = (
            "TensorFlow listens there on every address while it trains, and asks nobody who he is."
        )
    else:
        text = (
            "While it trains, whoever reaches these addresses can speak to the training processes."
        )
    console.print(safe(text, "warn"))


def show_found(console: Console, found: Found, page: Path) -> None:
    """The figures, rig by rig and together."""
    console.print(_table(found))
    show_verdict(console, acceptance(found), page)


def show_failure(console: Console, failure: Failure) -> TogetherError:
    """Why it ended; returned as the error it is."""
    error = TogetherError(
        failure.what, where=failure.rig, hint=failure.hint, reference=f"together-{failure.kind}"
    )
    show_error(console, error)
    return error


def _table(found: Found) -> Table:
    table = Table(box=None, pad_edge=False, header_style="label")
    table.add_column("rig", overflow="fold")
    columns = ("examples/s alone", "±", "own step, ms", "waits for others, ms")
    for name in columns:
        table.add_column(name, justify="right")
    shares = {share.rig: share for share in found.scaling.shares} if found.scaling else {}
    for rig, processes in found.alone.items():
        if not processes:
            table.add_row(safe(rig), "-", "", "", "")
            continue
        lead = processes[0]
        spread = f"{lead.spread:.0%}" if lead.spread is not None else ""
        mark = " (disturbed)" if lead.disturbed else ""
        rate = f"{lead.examples_per_sec:,.1f}"
        table.add_row(safe(f"{rig}{mark}"), rate, spread, *_times(shares.get(rig)))
    return table


def _times(share: Share | None) -> tuple[str, str]:
    if share is None or share.step is None or share.waits is None:
        return "", ""
    return f"{share.step * 1e3:.1f}", f"{share.waits * 1e3:.1f}"
