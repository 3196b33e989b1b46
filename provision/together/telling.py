"""The run as a result of the report, like a check's; and as a document for programs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from provision import __version__
from provision.results import Acceptance, Figure, Result, Status, judge
from provision.together.scaling import MOST, unlike

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from provision.together import Chosen, Failure, Measured, Place
    from provision.together.scaling import Scaling

CHECK = "training/cifar10_together"
FORM = "dlrig/together/1"
_QUESTION = "How much faster do these rigs train together?"
_EXPECTED = "every rig ends with the same weights, and together they are faster than one alone"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """All that one run found.

    Attributes:
        id: of the run.
        chosen: how they trained.
        places: rig → where the others reached it.
        alone: rig → what its processes reported when it trained by itself.
        together: rig → what its processes reported when all trained; empty where that failed.
        scaling: None where something is missing for it.
        failure: why something is missing.
        log: the first rig's lines.
    """

    id: str
    started: dt.datetime
    seconds: float
    chosen: Chosen
    places: Mapping[str, Place]
    alone: Mapping[str, Sequence[Measured]]
    together: Mapping[str, Sequence[Measured]]
    scaling: Scaling | None
    failure: Failure | None
    log: tuple[str, ...] = ()


def result(found: Found) -> Result:
    """As the report shows it."""
    status, message, remedy = _verdict(found)
    return Result(
        check=CHECK,
        rig=_rigs(found.chosen),
        status=status,
        question=_QUESTION,
        message=message,
        expected=_EXPECTED,
        remedy=remedy,
        seconds=found.seconds,
        figures=figures(found),
        log=found.log,
    )


def acceptance(found: Found) -> Acceptance:
    """A run that holds this one result, so that history, page and comparison know it."""
    results = (result(found),)
    return Acceptance(
        id=found.id,
        rig=_rigs(found.chosen),
        machine="",  # of several: it must never pass for the acceptance of one
        started=found.started.isoformat(timespec="seconds"),
        seconds=found.seconds,
        verdict=judge(results),
        results=results,
        state="",
        facts={},
        plan={},
        version=__version__,
        scope="together",
    )


def figures(found: Found) -> tuple[Figure, ...]:
    """What was measured, each with what must be known before it is compared."""
    made: list[Figure] = []
    lead = next(iter(found.together.values()), ())
    if lead:
        made += _courses(lead[0], note(found, lead[0]))
    for number, (rig, processes) in enumerate(found.alone.items(), 1):
        if processes:
            windows = tuple(processes[0].windows[1:])
            about = f"{rig} alone; {note(found, processes[0])}"
            made.append(
                Figure(name=f"alone_{number}", unit="examples/s", samples=windows, note=about)
            )
    if found.scaling and lead:
        about = note(found, lead[0])
        made += [
            Figure(name=name, unit=unit, samples=(value,), note=f"{about}{extra}")
            for name, unit, value, extra in _single(found.scaling)
            if value is not None
        ]
    return tuple(made)


def _single(scaling: Scaling) -> list[tuple[str, str, float | None, str]]:
    rows: list[tuple[str, str, float | None, str]] = [
        ("speed_up", "", scaling.speed_up, ""),
        ("scaling_efficiency", "", scaling.efficiency, ""),
        ("serial_share", "", scaling.serial_share, ""),
        ("step", "s", scaling.step, ""),
        (
            "communication",
            "s",
            scaling.communication,
            "; per step, beyond the slowest rig's own work",
        ),
    ]
    for number, share in enumerate(scaling.shares, 1):
        rows.append(
            (f"step_alone_{number}", "s", share.step, f"; {share.rig}, without the exchange")
        )
        rows.append(
            (f"waiting_{number}", "s", share.waits, f"; {share.rig}, per step, for the slowest rig")
        )
    return rows


def _courses(lead: Measured, about: str) -> list[Figure]:
    at = [float((place + 1) * lead.window_steps) for place in range(len(lead.windows))]
    losses = sorted((int(step), loss) for step, loss in lead.losses.items())
    return [
        # The first window still warms up.
        Figure(
            name="throughput",
            unit="examples/s",
            samples=tuple(lead.windows[1:]),
            at=tuple(at[1:]),
            at_unit="step",
            note=about,
        ),
        Figure(
            name="loss",
            unit="",
            samples=tuple(loss for _, loss in losses),
            at=tuple(float(step) for step, _ in losses),
            at_unit="step",
            note=about,
        ),
    ]


def note(found: Found, lead: Measured) -> str:
    """What it was trained on, by what, on what."""
    parts = [
        f"{lead.data} images",
        f"{lead.replicas} {found.chosen.device} of {lead.processes} processes ({lead.device_name})",
        f"{lead.mode} mode, {lead.dtype}, batch {lead.batch} each",
        f"{found.chosen.framework} {lead.version}, {lead.engine}",
    ]
    if lead.disturbed:
        parts.append(f"disturbed: {lead.disturbed}")
    return ", ".join(parts)


def _verdict(found: Found) -> tuple[Status, str, str]:
    if found.failure:
        failure = found.failure
        return Status.ERROR, f"{failure.rig}: {failure.what}", failure.hint
    if odd := unlike(found.together):
        message = f"{odd} ended with other weights than the first rig: they did not train as one"
        return Status.FAIL, message, "Run it again; then test that rig's memory and network."
    scaling = found.scaling
    if scaling is None:
        return Status.ERROR, "nothing was measured", ""
    message = f"{sentence(scaling)}{_disturbed(found)}"
    if scaling.speed_up < 1:
        remedy = "The exchange of gradients takes longer than it saves: a faster network, or larger batches (--batch)."
        return Status.WARN, f"{message}; together they are slower than one alone", remedy
    if scaling.efficiency > MOST:
        remedy = "Something held the rigs up while each was measured alone: measure again when they are idle."
        return Status.WARN, f"{message}; more than the sum of all alone cannot be", remedy
    return Status.PASS, message, ""


def _disturbed(found: Found) -> str:
    """Which rigs' figures may be wrong, and the first reason; empty where none is."""
    reasons = {
        rig: process.disturbed
        for reports in (found.alone, found.together)
        for rig, processes in reports.items()
        for process in processes
        if process.disturbed
    }
    if not reasons:
        return ""
    return f"; disturbed on {', '.join(sorted(reasons))}: {next(iter(reasons.values()))}"


def sentence(scaling: Scaling) -> str:
    """``3,120.5 examples/s together: 1.80 times one rig alone, 90% of the sum of 2; …``."""
    text = (
        f"{scaling.together:,.1f} examples/s together: {scaling.speed_up:.2f} times one rig alone, "
        f"{scaling.efficiency:.0%} of the sum of {len(scaling.shares)}"
    )
    if scaling.serial_share is not None:
        text += f"; serial share {scaling.serial_share:.0%}"
    share = scaling.communication_share
    if share is not None and scaling.communication is not None and scaling.step is not None:
        text += (
            f"; {scaling.communication * 1e3:.1f} of {scaling.step * 1e3:.1f} ms per step "
            f"({share:.0%}) go into the exchange of gradients"
        )
    return text


def document(found: Found) -> dict[str, Any]:
    """For programs: ``dlrig bench --together --json``."""
    status, message, remedy = _verdict(found)
    return {
        "schema": FORM,
        "id": found.id,
        "started": found.started.isoformat(timespec="seconds"),
        "seconds": round(found.seconds, 3),
        "status": status,
        "message": message,
        "remedy": remedy,
        "framework": found.chosen.framework,
        "device": found.chosen.device,
        "rigs": [_of_rig(found, member.name) for member in found.chosen.members],
        "scaling": found.scaling,
        "error": found.failure,
    }


def _of_rig(found: Found, name: str) -> dict[str, Any]:
    member = next(one for one in found.chosen.members if one.name == name)
    return {
        "rig": name,
        "environment": member.environment,
        "version": member.version,
        "gpus": member.gpus,
        "place": str(found.places[name]) if name in found.places else None,
        "alone": found.alone.get(name, ()),
        "together": found.together.get(name, ()),
    }


def _rigs(chosen: Chosen) -> str:
    return " + ".join(member.name for member in chosen.members)
