"""The tables of ``docs/compatibility.md`` on software: CUDA toolkits and the frameworks' releases."""  # noqa: INP001 - a script's part, in no package

from __future__ import annotations

from typing import TYPE_CHECKING

from compatibility_kinds import kinds
from compatibility_notes import Table

from provision.versions import at_least, version

if TYPE_CHECKING:
    from compatibility_notes import Notes

    from provision.catalogue.cuda import Toolkit
    from provision.catalogue.whole import Catalogue


def toolkits(catalogue: Catalogue, notes: Notes) -> Table:
    """What a toolkit asks of driver and compiler, and what it compiles for."""
    rows = []
    for row in catalogue.cuda.toolkit:
        family = catalogue.cuda.family_of(row.version)
        rows.append(
            (
                row.version,
                family.driver,
                row.driver,
                str(row.gcc or "not known"),
                _compiles(row, catalogue),
                notes.mark(row, family),
            )
        )
    columns = (
        "CUDA",
        "Runs on driver",
        "No limits from driver",
        "Newest GCC",
        "Compiles for",
        "Sources",
    )
    return Table(columns=columns, rows=tuple(rows))


def _compiles(toolkit: Toolkit, catalogue: Catalogue) -> str:
    able = []
    for kind in kinds(catalogue):
        target = catalogue.cuda.target_of(kind.compute_capability)
        if target is None:
            continue
        after = not target.first or at_least(toolkit.version, target.first)
        before = not target.last or at_least(target.last, toolkit.version)
        able += [version(kind.compute_capability)] if after and before else []
    return f"{min(able)} to {max(able)}" if able else ""


def releases(framework: str, catalogue: Catalogue, notes: Notes) -> Table:
    """A framework's releases as their wheels are."""
    rows = []
    for row in catalogue.frameworks.of(framework):
        python = f"{row.python}; GPU {row.python_gpu}" if row.python_gpu else row.python
        driver = catalogue.cuda.family_of(row.cuda).driver
        rows.append(
            (
                f"{row.version} {row.build}".strip(),
                f"`{python}`",
                row.cuda,
                driver,
                f"`{row.cudnn}`",
                ", ".join(row.sass),
                ", ".join(row.ptx),
                f"{row.disk_gb.cpu:g} / {row.disk_gb.gpu:g}",
                notes.mark(row),
            )
        )
    columns = (
        "Release",
        "Python",
        "CUDA",
        "Driver from",
        "cuDNN",
        "Machine code",
        "PTX",
        "GB, CPU / GPU",
        "Sources",
    )
    return Table(columns=columns, rows=tuple(rows))


def conda_builds(catalogue: Catalogue, notes: Notes) -> Table:
    """Releases on conda-forge."""
    rows = tuple(
        (
            catalogue.frameworks.label(row.name),
            row.version,
            ", ".join(f"`{build}`" for build in row.builds),
            notes.mark(row),
        )
        for row in catalogue.frameworks.conda_build
    )
    return Table(columns=("Framework", "Release", "Builds", "Sources"), rows=rows)


def system_cudnn(catalogue: Catalogue, notes: Notes) -> Table:
    """What the systems' own archives have of cuDNN."""
    rows = tuple(
        (catalogue.system(row.system).name, f"`{row.package}`", row.version, notes.mark(row))
        for row in catalogue.cuda.system_cudnn
    )
    return Table(columns=("System", "Package", "cuDNN", "Sources"), rows=rows)
