"""A solution as packages: what is installed for the driver, the toolkits and the environments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.layout import ENVIRONMENTS
from provision.plan import CudaPlan, DriverPlan, EnvironmentPlan

if TYPE_CHECKING:
    from provision.catalogue.whole import Catalogue
    from provision.planner.driver import Candidate
    from provision.planner.frameworks import Fit
    from provision.planner.situation import Situation
    from provision.planner.solve import Solution


def driver(candidate: Candidate, situation: Situation, catalogue: Catalogue) -> DriverPlan:
    """The driver's packages, by the names that its repository gives them.

    Raises:
        LookupError: the candidate is not on offer (it would not have been chosen).
    """
    if candidate.offer is None:
        raise LookupError(candidate.repository.id)
    names = catalogue.repositories.names_of(candidate.offer)
    system = catalogue.system(situation.system)
    suffix = system.kernel_suffix(situation.kernel)
    exact = candidate.version if candidate.version in situation.wishes.driver else ""
    words = {
        "branch": str(candidate.branch.branch),
        "pin": exact or str(candidate.branch.branch),
        "flavour": names.open if candidate.flavour == "open" else names.proprietary,
        # A kernel of somebody's own has headers under its exact name.
        "kernel": suffix or situation.kernel,
    }
    fabric = (names.fabric_manager,) if names.fabric_manager and situation.nvswitch else ()
    precompiled = tuple(name.format(**words) for name in (*names.packages, *fabric))
    dkms = tuple(name.format(**words) for name in (*names.dkms, *fabric))
    built = names.modules == "precompiled" and system.has_modules(suffix)
    branch = candidate.branch
    return DriverPlan(
        branch=branch.branch,
        version=candidate.version,
        type=branch.type,
        end_of_life=branch.end_of_life,
        flavour=candidate.flavour,
        source=candidate.repository.id,
        component=candidate.offer.component,
        modules="precompiled" if built else "dkms",
        packages=precompiled if built else dkms,
        dkms_packages=dkms if built else (),
    )


def cuda(solution: Solution) -> CudaPlan:
    """The toolkits' packages."""
    return CudaPlan(
        toolkits=tuple(chosen.toolkit.version for chosen in solution.toolkits),
        sources={chosen.toolkit.version: chosen.offer.repository for chosen in solution.toolkits},
        packages=tuple(
            chosen.offer.package.format(dashed=chosen.toolkit.version.replace(".", "-"))
            for chosen in solution.toolkits
        ),
    )


def environment(fit: Fit, maker: str) -> EnvironmentPlan:
    """An environment and its pins."""
    release = fit.release
    return EnvironmentPlan(
        name=fit.kind.name,
        maker=maker,
        python=fit.python,
        pins=fit.pins,
        framework=release.name,
        version=release.version,
        device=fit.device,
        cuda=release.cuda if fit.device == "gpu" else "",
        path=f"{ENVIRONMENTS}/{fit.kind.name}",
    )
