"""Run the checks, as ``pytest checks/`` would, and conclude an acceptance from their results."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import IO, TYPE_CHECKING

import msgspec

from provision import __version__, decode
from provision.bundle import bundled
from provision.errors import ApplyError
from provision.facts import Facts
from provision.plan import Plan, state_digest
from provision.report.document import to_json
from provision.results import Acceptance, RigReport, judge
from provision.state import write_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from provision.connection import Settings


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Which checks to run, and on what data.

    Attributes:
        markers: pytest's ``-m``; empty for all.
        data: images for the training checks: ``auto``, ``synthetic``, a path here, ``rig:PATH`` there.
        steps: of the training checks; None for their own default.
        waivers: files of findings that are accepted for a time (see ``provision.waivers``).
        pytest_options: passed on as they are.
    """

    markers: str = ""
    data: str = "auto"
    steps: int | None = None
    waivers: tuple[str, ...] = ()
    pytest_options: tuple[str, ...] = ()


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """One rig to accept.

    Attributes:
        id: what the acceptance is to have.
        plan: what the rig is held against.
        baseline: its last acceptance, to compare with.
    """

    id: str
    plan: Plan
    baseline: Acceptance | None = None

    @property
    def rig(self) -> str:
        """The target's name."""
        return self.plan.target


def accept(
    subjects: Sequence[Subject],
    folder: Path,
    settings: Settings,
    scope: Scope,
    *,
    inventory: str | None = None,
    output: IO[str] | None = None,
) -> dict[str, Acceptance]:
    """Check rigs; returns an acceptance for each that could be checked at all.

    Args:
        subjects: the rigs.
        folder: private; keeps what the checks wrote.
        settings: how to connect.
        scope: which checks.
        inventory: where the rigs come from one.
        output: where pytest's lines go; None for standard output.

    Raises:
        ApplyError: pytest itself could not run, so nothing is known of the rigs.
    """
    written = folder / "results.json"
    written.unlink(missing_ok=True)
    command = [
        sys.executable,
        "-m",
        "pytest",
        str(bundled("checks")),
        *_options([subject.rig for subject in subjects], settings, scope, inventory),
        *_plan_options(subjects, folder),
        *_baseline_options(subjects, folder),
        "--results",
        str(written),
    ]
    exit_code = _run(command, folder, output)
    reports = _read(written)
    if not reports:
        raise ApplyError(
            f"the checks ended with code {exit_code} and without any result",
            where=", ".join(subject.rig for subject in subjects),
            hint="The lines above say why. Nothing was concluded about the rig.",
            reference="checks-failed",
        )
    return {
        subject.rig: _conclude(subject, reports[subject.rig], scope)
        for subject in subjects
        if subject.rig in reports and reports[subject.rig].facts
    }


def _run(command: Sequence[str], folder: Path, output: IO[str] | None) -> int:
    """Run pytest to its end; returns its exit code."""
    process = subprocess.Popen(  # noqa: S603 - our own argv
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        env={**os.environ, "PYTEST_ADDOPTS": ""},
        cwd=folder,
    )
    try:
        return process.wait()
    except BaseException:
        # Ctrl-C reaches pytest too, in the same terminal; anything else must end it.
        process.terminate()
        process.wait(timeout=30)
        raise


def _options(
    rigs: Sequence[str], settings: Settings, scope: Scope, inventory: str | None
) -> list[str]:
    # Twice quiet: the verdict is shown by whoever called, with the figures.
    options = ["-p", "no:cacheprovider", "-q", "-q", "--data", scope.data]
    if inventory:
        options += ["--inventory", inventory, "--limit", ",".join(rigs)]
    else:
        options += [word for rig in rigs for word in ("--rig", rig)]
    if settings.ssh_config:
        options += ["--ssh-config", settings.ssh_config]
    for key in settings.identity:
        options += ["--identity", key]
    if settings.accept_new:
        options.append("--accept-new")
    if scope.markers:
        options += ["-m", scope.markers]
    if scope.steps is not None:
        options += ["--steps", str(scope.steps)]
    options += [word for path in scope.waivers for word in ("--waivers", path)]
    return [*options, *scope.pytest_options]


def _plan_options(subjects: Iterable[Subject], folder: Path) -> list[str]:
    options = []
    for number, subject in enumerate(subjects):
        path = folder / f"plan-{number}.json"
        write_file(path, msgspec.json.encode(subject.plan))
        options += ["--plan", str(path)]
    return options


def _baseline_options(subjects: Iterable[Subject], folder: Path) -> list[str]:
    options = []
    for number, subject in enumerate(subjects):
        if subject.baseline:
            path = folder / f"baseline-{number}.json"
            # Reached by another name then, it is this rig's all the same.
            baseline = msgspec.structs.replace(subject.baseline, rig=subject.rig)
            write_file(path, to_json(baseline))
            options += ["--baseline", str(path)]
    return options


def _read(path: Path) -> dict[str, RigReport]:
    try:
        return decode.json(path.read_bytes(), dict[str, RigReport])
    except (OSError, msgspec.DecodeError):
        return {}


def _conclude(subject: Subject, report: RigReport, scope: Scope) -> Acceptance:
    facts = decode.plain(report.facts, Facts)
    return Acceptance(
        id=subject.id,
        rig=subject.rig,
        machine=facts.system.machine,
        started=report.started,
        seconds=report.seconds,
        verdict=judge(report.results),
        results=report.results,
        state=state_digest(facts),
        facts=report.facts or {},
        plan=msgspec.to_builtins(subject.plan),
        version=__version__,
        scope=scope.markers or "all",
    )
