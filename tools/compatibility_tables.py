"""The tables of ``docs/compatibility.md`` on GPUs, drivers and systems."""  # noqa: INP001 - a script's part, in no package

from __future__ import annotations

from typing import TYPE_CHECKING

from compatibility_kinds import kinds, month, newest_fit, release
from compatibility_notes import Table

from provision.versions import allows, at_least

if TYPE_CHECKING:
    from compatibility_kinds import Kind
    from compatibility_notes import Notes

    from provision.catalogue.drivers import Branch
    from provision.catalogue.whole import Catalogue


def generations(catalogue: Catalogue, notes: Notes) -> Table:
    """What each generation asks of driver, kernel modules and CUDA."""
    return Table(
        columns=(
            "Generation",
            "Compute capability",
            "Chips",
            "Driver",
            "Kernel modules",
            "CUDA toolkits",
            "Sources",
        ),
        rows=tuple(_generation(kind, catalogue, notes) for kind in kinds(catalogue)),
    )


def _generation(kind: Kind, catalogue: Catalogue, notes: Notes) -> tuple[str, ...]:
    row, modules = kind.architecture, catalogue.drivers.modules
    first = row.first(kind.compute_capability)
    target = catalogue.cuda.target_of(kind.compute_capability)
    flavour = {
        "no": "proprietary only",
        "only": "open only",
        "yes": f"either up to {modules.proprietary_last}, then open only",
    }[row.open_modules]
    return (
        row.name,
        kind.compute_capability,
        ", ".join(kind.chips),
        _span(first, str(row.last_branch or "")),
        flavour,
        _span(target.first, target.last) if target else "not known",
        notes.mark(row, *((target,) if target else ())),
    )


def _span(first: str, last: str) -> str:
    if first and last:
        return f"{first} to {last}"
    return f"from {first} on" if first else f"up to {last}" if last else "any"


def newest_releases(catalogue: Catalogue, notes: Notes) -> Table:
    """The newest release of each framework that has code for a kind of GPU."""
    labels = catalogue.frameworks.labels
    rows = []
    for kind in kinds(catalogue):
        found = [newest_fit(name, kind, catalogue) for name in labels]
        bounds = [
            row
            for row in catalogue.cuda.cudnn
            if not allows(row.compute_capability, kind.compute_capability)
        ]
        cudnn = ", ".join(f"`{row.bound}`" for row in bounds) or "any"
        sources = notes.mark(*(one.release for one in found if one), *bounds)
        name, capability = kind.architecture.name, kind.compute_capability
        rows.append((name, capability, *map(release, found), cudnn if any(found) else "", sources))
    columns = ("Generation", "Compute capability", *labels.values(), "cuDNN", "Sources")
    return Table(columns=columns, rows=tuple(rows))


def branches(catalogue: Catalogue, notes: Notes) -> Table:
    """Driver branches with their life cycle, from the oldest that a listed generation ends with."""
    ends = [kind.architecture.last_branch for kind in kinds(catalogue)]
    oldest = min(end for end in ends if end is not None)
    columns = (
        "Branch",
        "Type",
        "Support",
        "Newest seen",
        "Drives, of these generations",
        "CUDA with no limits",
        "Sources",
    )
    rows = tuple(
        (
            str(row.branch),
            row.type or "not known",
            _support(row, catalogue),
            row.newest,
            _drives(row, catalogue),
            _native(row, catalogue),
            notes.mark(row),
        )
        for row in catalogue.drivers.branch
        if row.branch >= oldest
    )
    return Table(columns=columns, rows=rows)


def _support(row: Branch, catalogue: Catalogue) -> str:
    if row.is_over(month(catalogue)):
        return f"ended {row.end_of_life}" if row.end_of_life else "ended"
    return f"until {row.end_of_life}" if row.end_of_life else "end not known"


def _drives(branch: Branch, catalogue: Catalogue) -> str:
    """First and last generation; a release of the branch's newest is meant."""
    release = branch.newest or str(branch.branch)
    names = [
        kind.architecture.name
        for kind in kinds(catalogue)
        if (kind.architecture.last_branch or branch.branch) >= branch.branch
        and at_least(release, kind.architecture.first(kind.compute_capability) or "0")
    ]
    once = list(dict.fromkeys(names))
    return f"{once[0]} to {once[-1]}" if len(once) > 1 else "".join(once)


def _native(branch: Branch, catalogue: Catalogue) -> str:
    release = branch.newest or str(branch.branch)
    newest = next((row for row in catalogue.cuda.toolkit if at_least(release, row.driver)), None)
    return f"up to {newest.version}" if newest else ""


def systems(catalogue: Catalogue, notes: Notes) -> Table:
    """What each system brings."""
    rows = []
    for row in catalogue.systems:
        releases = catalogue.frameworks.of("tensorflow")
        own = next((one for one in releases if allows(one.python, row.python)), None)
        rows.append(
            (
                row.name,
                row.python,
                own.version if own else "none",
                str(row.gcc),
                row.glibc,
                row.kernel,
                notes.mark(row),
            )
        )
    columns = ("System", "Python", "TensorFlow for it", "GCC", "glibc", "First kernel", "Sources")
    return Table(columns=columns, rows=tuple(rows))


def repositories(catalogue: Catalogue, notes: Notes) -> Table:
    """Which driver branches and toolkits each system can get from where."""
    rows = []
    for system in catalogue.systems:
        for place in catalogue.repositories.of(system.id):
            drivers = catalogue.repositories.drivers(place.id, system.id)
            toolkits = [
                row
                for row in catalogue.repositories.cuda
                if row.repository == place.id and system.id in row.systems
            ]
            offered = sorted(drivers, key=lambda row: -row.branch)
            rows.append(
                (
                    system.name,
                    place.name,
                    ", ".join(
                        f"{row.branch} ({' or '.join(sorted(row.flavours))})" for row in offered
                    ),
                    ", ".join(each for row in toolkits for each in row.versions),
                    "yes" if place.signed_modules else "no",
                    notes.mark(*offered, *toolkits),
                )
            )
    columns = (
        "System",
        "Repository",
        "Driver branches",
        "CUDA toolkits",
        "Signed modules",
        "Sources",
    )
    return Table(columns=columns, rows=tuple(rows))


def access(catalogue: Catalogue, notes: Notes) -> Table:
    """How a system reaches a repository that is not its own."""
    rows = tuple(
        (
            catalogue.system(row.system).name,
            f"`{row.url}`",
            f"`{row.keyring}`",
            f"`{row.key}`" if row.key else "not read",
            f"`{row.keyring_sha256}`" if row.keyring_sha256 else "not read",
            notes.mark(row),
        )
        for row in catalogue.repositories.access
    )
    columns = ("System", "Archive", "Keyring package", "Key", "SHA-256 of the keyring", "Sources")
    return Table(columns=columns, rows=rows)


def transitions(catalogue: Catalogue, notes: Notes) -> Table:
    """Branches that are there as a way to another one."""
    rows = tuple(
        (
            str(row.branch),
            str(row.to),
            catalogue.repositories.get(row.repository).name,
            ", ".join(catalogue.system(name).name for name in row.systems),
            notes.mark(row),
        )
        for row in catalogue.repositories.transition
    )
    return Table(columns=("Branch", "Installs", "Repository", "Systems", "Sources"), rows=rows)
