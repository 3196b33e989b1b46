"""Wishes that leave everything but the driver as it is: a change of driver is no occasion for other changes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from provision.wishes import NO_CUDA

if TYPE_CHECKING:
    from provision.catalogue.whole import Catalogue
    from provision.facts import Facts
    from provision.wishes import Wishes


def keep_the_rest(wishes: Wishes, facts: Facts, catalogue: Catalogue) -> Wishes:
    """Wish the environments and toolkits that are there, where nothing else was asked for.

    Environments that are there are wished in the release that they have, too. A rig without environments gets the
    usual ones, since there must be something to measure with.
    """
    kinds = {kind.name: kind.framework for kind in catalogue.frameworks.environment}
    present = {
        name: found
        for name, found in facts.environments.present.items()
        if name in kinds and found.record
    }
    kept: dict[str, object] = {}
    if not wishes.cuda:
        kept["cuda"] = tuple(facts.driver.toolkits) or (NO_CUDA,)
    if present and not wishes.env:
        kept["env"] = tuple(present)
    for name, found in present.items():
        framework = kinds[name]
        release = found.installed.get(framework) or found.installed.get(f"{framework}_cpu", "")
        if release and not getattr(wishes, framework):
            kept[framework] = release
    return msgspec.structs.replace(wishes, **kept)
