"""Files that the roles copy to a rig as they are, of every role."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.plan import Action

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.catalogue.whole import Catalogue
    from provision.facts import Facts


def actions(facts: Facts, catalogue: Catalogue, role: str) -> Iterator[Action]:
    """The role's files that are missing, or are not as dlrig ships them."""
    for file in catalogue.files:
        present = facts.files.get(file.path)
        if file.role == role and present != file.sha256:
            yield Action(
                role=role,
                subject=file.path,
                present="edited" if present else "missing",
                wanted="as dlrig ships it",
                reason="its content differs" if present else "it is not there",
            )
