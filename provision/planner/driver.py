"""Driver: every branch of every repository in either flavour, and which of them would be best."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

import msgspec

from provision.catalogue.drivers import Branch
from provision.catalogue.repositories import DriverOffer, Flavour, Repository
from provision.plan import FACT
from provision.planner import releases
from provision.versions import at_least

if TYPE_CHECKING:
    from provision.catalogue.whole import Catalogue
    from provision.planner.situation import Situation

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


def last_kernel(candidate: Candidate) -> str:
    """The newest kernel that its modules are known to build on; empty where nothing is known."""
    return candidate.offer.last_kernel(candidate.flavour) if candidate.offer else ""


def tried_on(candidate: Candidate, kernel: str) -> bool:
    """Whether the module is known to build on the kernel, or nothing says that it does not."""
    last = last_kernel(candidate)
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
