"""Constraints that exclude each other: the fewest that explain why nothing is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.plan import FACT, WISH, Conflict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from provision.catalogue.repositories import Repository
    from provision.catalogue.rows import Row


def from_row(constraint: str, subject: str, statement: str, row: Row) -> Conflict:
    """A constraint that the catalogue knows."""
    return Conflict(
        constraint=constraint,
        subject=subject,
        statement=statement,
        source=row.source,
        date=row.date.isoformat(),
        confidence=row.confidence,
    )


def unreached(
    repository: Repository, reasons: Mapping[str, str], subject: str
) -> Iterator[Conflict]:
    """That the rig does not reach a repository, where it does not; ``reasons`` by its id."""
    if repository.id in reasons:
        yield Conflict(
            constraint="unreached-repository",
            subject=subject,
            statement=f"{repository.name} is not reached from the rig ({reasons[repository.id]})",
            source=FACT,
        )


def cover(excluded: Sequence[Sequence[frozenset[Conflict]]]) -> tuple[Conflict, ...]:
    """The fewest constraints that leave nothing, so that each of them is a part of the reason.

    Args:
        excluded: per candidate the constraints that exclude it; several at once where only together.

    A greedy cover, from which whatever is not needed is then taken out again. Ties go to what was found
    first, so the answer does not depend on chance.
    """
    every = list(dict.fromkeys(conflict for reasons in excluded for conflict in reasons))
    strikes = {
        reason: {n for n, reasons in enumerate(excluded) if reason in reasons} for reason in every
    }
    chosen: list[frozenset[Conflict]] = []
    left = set(range(len(excluded)))
    while left:
        best = max(every, key=lambda reason: (len(strikes[reason] & left), -len(reason)))
        if not strikes[best] & left:
            break
        chosen.append(best)
        left -= strikes[best]
    needed = {conflict for reason in chosen for conflict in reason}
    for conflict in _in_order(needed):
        rest = needed - {conflict}
        if all(any(reason <= rest for reason in reasons) for reasons in excluded):
            needed = rest
    return _in_order(needed)


def _in_order(found: Iterable[Conflict]) -> tuple[Conflict, ...]:
    """Wishes first, then the rig's facts, then rules, each in a stable order."""
    order = {WISH: 0, FACT: 1}
    return tuple(
        sorted(found, key=lambda c: (order.get(c.source, 2), c.constraint, c.subject, c.statement))
    )
