"""Driver: every branch of every repository in either flavour, what excludes it here, and which of the rest is best."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

import msgspec

from provision.catalogue.drivers import Branch
from provision.catalogue.repositories import DriverOffer, Flavour, Repository
from provision.plan import FACT, WISH, Conflict
from provision.planner import releases
from provision.planner.conflicts import from_row, unreached
from provision.planner.situation import architecture, named
from provision.versions import allows, at_least, wished

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.catalogue.repositories import Transition
    from provision.catalogue.whole import Catalogue
    from provision.planner.situation import Card, Situation

SUBJECT = "driver"
ELSEWHERE = "elsewhere"
"""The source of an adopted driver that came from no repository that is known."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A driver that might be.

    Attributes:
        branch: its life.
        repository: where it comes from.
        flavour: of its kernel modules.
        offer: None where the repository does not have it.
        version: its release.
        exact: this very release is wanted, not the newest that the repository has of the branch.
        adopted: it is on the rig, and taken as it is.
    """

    branch: Branch
    repository: Repository
    flavour: Flavour
    offer: DriverOffer | None
    version: str
    exact: bool = False
    adopted: bool = False


def candidates(situation: Situation, catalogue: Catalogue) -> tuple[Candidate, ...]:
    """All of them, best first, whether they fit or not."""
    if situation.adopted:
        return (_adopted(situation, catalogue),)
    found = [
        _candidate(branch, repository, flavour, situation, catalogue)
        for repository in catalogue.repositories.of(situation.system)
        for branch in catalogue.drivers.branch
        for flavour in ("open", "proprietary")
    ]
    places = {row.id: n for n, row in enumerate(catalogue.repositories.repository)}
    return tuple(sorted(found, key=lambda c: _rank(c, places, situation, catalogue)))


def _candidate(
    branch: Branch,
    repository: Repository,
    flavour: Flavour,
    situation: Situation,
    catalogue: Catalogue,
) -> Candidate:
    offers = catalogue.repositories.drivers(repository.id, situation.system)
    offer = next((row for row in offers if row.branch == branch.branch), None)
    version, exact = releases.choose(branch, repository, offer, situation, catalogue)
    return Candidate(
        branch=branch,
        repository=repository,
        flavour=flavour,
        offer=offer,
        version=version,
        exact=exact,
    )


def _adopted(situation: Situation, catalogue: Catalogue) -> Candidate:
    """The driver that is on the rig, wherever it came from."""
    number = int(situation.present.partition(".")[0])
    today = dt.date.fromisoformat(f"{situation.month}-01")
    unknown = Branch(branch=number, source=FACT, date=today, confidence="low")
    branch = next((row for row in catalogue.drivers.branch if row.branch == number), unknown)
    elsewhere = Repository(
        id=ELSEWHERE,
        name="what is on the rig",
        systems=(situation.system,),
        signed_modules=False,
        source=FACT,
        date=today,
        confidence="high",
    )
    known = {row.id: row for row in catalogue.repositories.of(situation.system)}
    return Candidate(
        branch=branch,
        repository=known.get(situation.installed_source, elsewhere),
        flavour="open" if situation.present_flavour == "open" else "proprietary",
        offer=None,
        version=situation.present,
        exact=True,
        adopted=True,
    )


def _rank(
    candidate: Candidate, places: dict[str, int], situation: Situation, catalogue: Catalogue
) -> tuple[int, ...]:
    """Lower is better: what runs and is supported; then long-term branches, newer ones, preferred flavours."""
    branch = candidate.branch
    life = _life(branch, situation.month)
    runs = situation.has_branch(branch.branch)
    kept = 0 if runs and (life < _ENDED or situation.stays) else 1
    elsewhere = 0 if runs and candidate.repository.id == situation.installed_source else 1
    newest_wanted = any(not card.architecture for card in situation.cards)
    flavour = 0 if candidate.flavour == _preferred(candidate, situation, catalogue) else 1
    return (
        kept,
        0 if tried_on(candidate, situation.kernel) else 1,
        0 if newest_wanted else life,
        -branch.branch,
        elsewhere,
        places[candidate.repository.id],
        flavour,
    )


def tried_on(candidate: Candidate, kernel: str) -> bool:
    """Whether the module is known to build on the kernel, or nothing says that it does not."""
    last = candidate.offer.kernel_last if candidate.offer else ""
    release = _KERNEL.match(kernel)
    if not last or not release:
        return True
    # As exactly as is known: 6.16 stands for all of 6.16, 6.12.94 for itself.
    precision = last.count(".") + 1
    return at_least(last, ".".join(release.group().split(".")[:precision]))


_KERNEL = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}(\.[0-9]{1,6})?")
_UNKNOWN = 3
_ENDED = 4


def _life(branch: Branch, month: str) -> int:
    """0 long-term, 1 production, 2 new features, 3 unknown, 4 no longer supported."""
    if branch.is_over(month):
        return _ENDED
    if not branch.end_of_life:
        return _UNKNOWN
    return {"LTSB": 0, "PB": 1, "NFB": 2}.get(branch.type, _UNKNOWN)


def _preferred(candidate: Candidate, situation: Situation, catalogue: Catalogue) -> Flavour:
    branch = candidate.branch.branch
    if situation.present_flavour and situation.has_branch(branch):
        return "open" if situation.present_flavour == "open" else "proprietary"
    return "open" if branch >= catalogue.drivers.modules.open_default else "proprietary"


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
