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
    if candidate.adopted:
        return _plan(candidate, packages=(), modules="")
    if candidate.offer is None:
        raise LookupError(candidate.repository.id)
    names = catalogue.repositories.names_of(candidate.offer)
    system = catalogue.system(situation.system)
    suffix = system.kernel_suffix(situation.kernel)
    words = {
        "branch": str(candidate.branch.branch),
        "pin": candidate.version if candidate.exact else str(candidate.branch.branch),
        "flavour": names.open if candidate.flavour == "open" else names.proprietary,
        # A kernel of somebody's own has headers under its exact name.
        "kernel": suffix or situation.kernel,
    }
    own = fabric_manager(candidate, situation, catalogue)
    fabric = (own,) if own else ()
    precompiled = tuple(name.format(**words) for name in (*names.packages, *fabric))
    dkms = tuple(name.format(**words) for name in (*names.dkms, *fabric))
    if names.modules == "precompiled" and system.has_modules(suffix):
        return _plan(candidate, packages=precompiled, modules="precompiled", dkms_packages=dkms)
    return _plan(candidate, packages=dkms, modules="dkms")


def _plan(
    candidate: Candidate,
    *,
    packages: tuple[str, ...],
    modules: str,
    dkms_packages: tuple[str, ...] = (),
) -> DriverPlan:
    branch = candidate.branch
    return DriverPlan(
        branch=branch.branch,
        version=candidate.version,
        type=branch.type,
        end_of_life=branch.end_of_life,
        flavour=candidate.flavour,
        source=candidate.repository.id,
        component=candidate.offer.component if candidate.offer else "",
        modules=modules,
        packages=packages,
        dkms_packages=dkms_packages,
        adopted=candidate.adopted,
    )


def fabric_manager(candidate: Candidate, situation: Situation, catalogue: Catalogue) -> str:
    """The package that a rig with an NVSwitch needs beside the driver; empty where it has none."""
    if candidate.offer is None or not situation.nvswitch:
        return ""
    name = catalogue.repositories.names_of(candidate.offer).fabric_manager
    return name.format(branch=candidate.branch.branch)


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
