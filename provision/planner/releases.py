"""Which release of a branch: the installed one, the newest that an archive has, or the one that was asked for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from provision.planner.situation import architecture
from provision.versions import allows, at_least, wished

if TYPE_CHECKING:
    from provision.catalogue.drivers import Branch
    from provision.catalogue.repositories import DriverOffer, Repository
    from provision.catalogue.whole import Catalogue
    from provision.planner.situation import Situation

_RELEASE = re.compile(r"(?:==)?\s*([0-9]+\.[0-9]+\.[0-9]+)")


def choose(
    branch: Branch,
    repository: Repository,
    offer: DriverOffer | None,
    situation: Situation,
    catalogue: Catalogue,
) -> tuple[str, bool]:
    """(the release of a branch, whether it must be this very one and not the newest that is found there)."""
    newest = (offer.version if offer else "") or branch.newest or str(branch.branch)
    there = situation.installed if _is_there(branch, repository, situation) else ""
    older = offer.versions if offer else ()
    wish = situation.wishes.driver
    asked = _exact(wish) if repository.exact_versions else ""
    if asked.partition(".")[0] == str(branch.branch):
        return asked, True
    ahead = bool(there) and situation.newest and not at_least(there, newest)
    only_older = not _asked_for(newest, wish)
    for release in filter(None, (newest, there) if ahead else (there, newest, *older)):
        if _asked_for(release, wish) and _new_enough(release, situation, catalogue):
            return release, only_older or release == _exact(wish)
    return newest, False


def _asked_for(release: str, wish: str) -> bool:
    """Whether a wish for releases, not branches, allows this one."""
    return "." not in wish or allows(wished(wish, "--driver", "580"), release)


def _is_there(branch: Branch, repository: Repository, situation: Situation) -> bool:
    """Whether the driver on the rig is of this branch and may be of this repository."""
    same = situation.installed.partition(".")[0] == str(branch.branch)
    return same and situation.installed_source in {"", repository.id}


def _new_enough(release: str, situation: Situation, catalogue: Catalogue) -> bool:
    for card in situation.cards:
        row = architecture(card, catalogue)
        first = row.first(card.compute_capability) if row else ""
        if first and not at_least(release, first):
            return False
    return True


def _exact(wish: str) -> str:
    """The release that was asked for, where it was one: ``580.95.05``."""
    found = _RELEASE.fullmatch(wish.strip())
    return found[1] if found else ""
