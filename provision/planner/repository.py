"""How the roles reach NVIDIA's repository: in the same form for the driver and for toolkits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provision.catalogue.whole import Catalogue
    from provision.planner.situation import Situation

_NVIDIA = "nvidia"


def variables(role: str, situation: Situation, catalogue: Catalogue) -> dict[str, str]:
    """The repository's variables of a role; an address only where a mirror was asked for, or the role's holds."""
    access = catalogue.repositories.access_of(_NVIDIA, situation.system)
    if access is None:
        return {}
    found = {}
    if access.keyring_sha256:
        found[f"{role}_keyring_sha256"] = access.keyring_sha256
    mirror = situation.wishes.nvidia_repository
    if mirror:
        found[f"{role}_repository_url"] = f"{mirror.rstrip('/')}/"
        found[f"{role}_keyring_url"] = f"{mirror.rstrip('/')}/{access.keyring}"
    return found
