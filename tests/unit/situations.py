"""Situations of imagined rigs for planner tests, and what the planner makes of them."""

from __future__ import annotations

from typing import Any

from provision import catalogue
from provision.planner.situation import Situation, cards
from provision.planner.solve import Failure, Solution, solve
from provision.wishes import Wishes, make_wishes

CATALOGUE = catalogue.load()
SYSTEMS = ("debian-12", "debian-13", "ubuntu-22.04", "ubuntu-24.04", "ubuntu-26.04")
NOBLE = "ubuntu-24.04"
JAMMY = "ubuntu-22.04"
NVIDIA_UNREACHED = (("nvidia", "could not resolve host"),)

# PCI device ids: pci.ids and NVIDIA's list of supported GPUs.
GTX_680 = "1180"
K80 = "102d"
GTX_970 = "13c2"
M40 = "17fd"
GTX_1060 = "1c03"
GTX_1080_TI = "1b06"
P100 = "15f8"
V100 = "1db1"
TITAN_V = "1d81"
GTX_1660 = "2184"
T4 = "1eb8"
CMP_50HX = "1e09"
RTX_3090 = "2204"
A100 = "20b0"
RTX_4090 = "2684"
L40S = "26b9"
H100 = "2331"
B200 = "2901"
RTX_5090 = "2b85"
GB10 = "2e12"
GR100 = "3000"
UNKNOWN = "ffff"


def wishes(**values: Any) -> Wishes:  # noqa: ANN401 - as an inventory has them
    """Validated, as from options."""
    return make_wishes(values, "options")


def situation(*devices: str, system: str = NOBLE, **changes: Any) -> Situation:  # noqa: ANN401
    """A rig with these GPUs in November 2026; ``changes``: wishes by their names, the rest as in Situation."""
    own = {name: changes.pop(name) for name in tuple(changes) if name in _FIELDS}
    return Situation(
        system=system,
        cards=cards(list(devices), CATALOGUE),
        wishes=wishes(**changes),
        **{"pythons": CATALOGUE.conda.pythons, "month": "2026-11", **own},
    )


_FIELDS = set(Situation.__struct_fields__) - {"system", "cards", "wishes"}


def solved(*devices: str, **changes: Any) -> Solution:  # noqa: ANN401
    """The solution; fails where there is none."""
    answer = solve(situation(*devices, **changes), CATALOGUE)
    assert isinstance(answer, Solution), answer
    return answer


def failed(*devices: str, **changes: Any) -> Failure:  # noqa: ANN401
    """The failure; fails where there is a solution."""
    answer = solve(situation(*devices, **changes), CATALOGUE)
    assert isinstance(answer, Failure), summary(answer)
    return answer


def constraints(failure: Failure) -> list[str]:
    """The names of what conflicts, sorted, each as often as it is there."""
    return sorted(conflict.constraint for conflict in failure.conflicts)


def driver(solution: Solution) -> tuple[int, str, str] | None:
    """(branch, flavour, repository)."""
    chosen = solution.driver
    return chosen and (chosen.branch.branch, chosen.flavour, chosen.repository.id)


def toolkits(solution: Solution) -> list[str]:
    """Versions, as they are ordered."""
    return [chosen.toolkit.version for chosen in solution.toolkits]


def releases(solution: Solution) -> dict[str, str]:
    """Environment → version of its framework."""
    return {fit.kind.name: fit.release.version for fit in solution.fits}


def pins(solution: Solution, environment: str) -> tuple[str, ...]:
    """Pip requirements of an environment."""
    return next(fit.pins for fit in solution.fits if fit.kind.name == environment)


def summary(solution: Solution) -> tuple[object, ...]:
    """What was chosen, to compare."""
    return (
        driver(solution),
        solution.driver and solution.driver.version,
        toolkits(solution),
        [(fit.kind.name, fit.release.version, fit.python, fit.pins) for fit in solution.fits],
        [conflict.constraint for conflict in solution.left_out],
    )
