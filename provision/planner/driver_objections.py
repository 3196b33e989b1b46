"""What excludes a driver on a rig: wishes, what repositories have, Secure Boot, the cards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.plan import FACT, WISH, Conflict
from provision.planner.conflicts import from_row, unreached
from provision.planner.situation import architecture, named
from provision.versions import allows, at_least, wished

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.catalogue.repositories import Transition
    from provision.catalogue.whole import Catalogue
    from provision.planner.driver import Candidate
    from provision.planner.situation import Card, Situation

SUBJECT = "driver"


def objections(
    candidate: Candidate, situation: Situation, catalogue: Catalogue
) -> Iterator[Conflict]:
    """Whatever excludes a candidate on this rig."""
    yield from _against_wishes(candidate, situation, catalogue)
    if candidate.adopted:
        return
    yield from _against_repository(candidate, situation, catalogue)
    yield from _against_modules(candidate, catalogue)
    yield from _against_secure_boot(candidate, situation, catalogue)
    for card in situation.cards:
        yield from against_card(candidate, card, catalogue)


def _known(spec: str, catalogue: Catalogue) -> str:
    """The branches that there are, where a wish names none of them."""
    branches = [str(row.branch) for row in catalogue.drivers.branch]
    some = any(allows(spec, name) for name in branches) or "." in spec.rstrip(".*")
    return "" if some else f" (the catalogue knows the branches {', '.join(branches)})"


def _against_wishes(
    candidate: Candidate, situation: Situation, catalogue: Catalogue
) -> Iterator[Conflict]:
    wishes = situation.wishes
    if wishes.driver:
        spec = wished(wishes.driver, "--driver", "580")
        # '580' and '>580' mean branches; '>=580.95.05' means releases.
        asked = candidate.version if "." in wishes.driver else str(candidate.branch.branch)
        if not allows(spec, asked):
            yield _wish(
                "wish-driver", f"you asked for driver {wishes.driver}{_known(spec, catalogue)}"
            )
    if wishes.driver_source not in {"auto", candidate.repository.id}:
        yield _wish("wish-driver-source", f"you asked for a driver from '{wishes.driver_source}'")
    if wishes.modules not in {"auto", candidate.flavour}:
        yield _wish("wish-modules", f"you asked for {wishes.modules.value} kernel modules")


def _wish(constraint: str, statement: str) -> Conflict:
    return Conflict(constraint=constraint, subject=SUBJECT, statement=statement, source=WISH)


def _against_repository(
    candidate: Candidate, situation: Situation, catalogue: Catalogue
) -> Iterator[Conflict]:
    repository, branch = candidate.repository, candidate.branch.branch
    system = catalogue.system(situation.system)
    transition = _transition(candidate, system.id, catalogue)
    if transition:
        statement = f"{repository.name} has {branch} only as a way to {transition.to}: its packages install that"
        yield from_row("transitional-branch", SUBJECT, statement, transition)
    elif candidate.offer is None:
        offers = catalogue.repositories.drivers(repository.id, system.id)
        branches = ", ".join(sorted(str(row.branch) for row in offers)) or "no driver"
        statement = f"{repository.name} has {branches} for {system.name}"
        yield from_row("offered-branches", SUBJECT, statement, repository)
    elif candidate.flavour not in candidate.offer.flavours:
        (only,) = candidate.offer.flavours
        statement = f"{repository.name} has {branch} with {only} kernel modules only"
        yield from_row("offered-flavours", SUBJECT, statement, candidate.offer)
    yield from unreached(repository, dict(situation.unreached), SUBJECT)


def _transition(candidate: Candidate, system: str, catalogue: Catalogue) -> Transition | None:
    for row in catalogue.repositories.transition:
        here = row.repository == candidate.repository.id and system in row.systems
        if here and row.branch == candidate.branch.branch:
            return row
    return None


def _against_modules(candidate: Candidate, catalogue: Catalogue) -> Iterator[Conflict]:
    modules, branch = catalogue.drivers.modules, candidate.branch.branch
    if candidate.flavour == "open" and branch < modules.open_first:
        statement = f"open kernel modules came with branch {modules.open_first}"
        yield from_row("open-modules-begin", SUBJECT, statement, modules)
    if candidate.flavour == "proprietary" and branch > modules.proprietary_last:
        statement = f"{modules.proprietary_last} is the last branch with proprietary kernel modules"
        yield from_row("proprietary-modules-end", SUBJECT, statement, modules)


def signed(candidate: Candidate, situation: Situation, catalogue: Catalogue) -> bool:
    """Whether its modules are signed by a key that Secure Boot trusts: those that are built for the kernel."""
    system = catalogue.system(situation.system)
    built = system.has_modules(system.kernel_suffix(situation.kernel))
    return candidate.repository.signed_modules and built


def _against_secure_boot(
    candidate: Candidate, situation: Situation, catalogue: Catalogue
) -> Iterator[Conflict]:
    # Where a module that was built there is loaded in spite of Secure Boot, the rig's own key is enrolled.
    enrolled = situation.loaded and not situation.loaded_signed
    if not situation.secure_boot or enrolled or signed(candidate, situation, catalogue):
        return
    kernel = f" for {situation.kernel}" if candidate.repository.signed_modules else ""
    yield Conflict(
        constraint="secure-boot",
        subject=SUBJECT,
        statement="Secure Boot is on, and takes only modules signed by a key that it knows; "
        f"those from {candidate.repository.name} are built on the rig{kernel}",
        source=FACT,
    )


def against_card(candidate: Candidate, card: Card, catalogue: Catalogue) -> Iterator[Conflict]:
    """Why a card cannot be driven by a candidate."""
    row = architecture(card, catalogue)
    if row is None:
        return
    name = named(card, catalogue)
    arm64 = catalogue.architectures.built_into_arm64(card.device, card.chip)
    if arm64:
        statement = f"the {name} is a part of an arm64 machine, and dlrig provisions x86_64"
        yield from_row("arm64-only", SUBJECT, statement, arm64)
    if row.last_branch is not None and candidate.branch.branch > row.last_branch:
        statement = f"{row.last_branch} is the last driver branch for the {name}"
        yield from_row("last-branch", SUBJECT, statement, row)
    first = row.first(card.compute_capability)
    if first and not at_least(candidate.version, first):
        statement = f"the {name} needs driver {first} or newer"
        yield from_row("first-driver", SUBJECT, statement, row)
    if row.open_modules == "no" and candidate.flavour == "open":
        statement = f"the {name} needs proprietary kernel modules: it has no GSP that the open ones could use"
        yield from_row("no-open-modules", SUBJECT, statement, row)
    elif card.open is False and candidate.flavour == "open":
        statement = f"the {name} needs proprietary kernel modules: NVIDIA's list does not have it for the open ones"
        yield from_row("no-open-modules", SUBJECT, statement, row)
    if row.open_modules == "only" and candidate.flavour == "proprietary":
        statement = f"the {name} needs open kernel modules"
        yield from_row("open-modules-only", SUBJECT, statement, row)
