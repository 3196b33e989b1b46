"""What the checks under load share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from provision.facts import Facts
    from provision.facts.gpus import PciDevice


@pytest.fixture
def driven(gpus: tuple[PciDevice, ...], facts: Facts) -> tuple[PciDevice, ...]:
    """The GPUs, where a driver runs them; where none does, another check tells."""
    if not facts.nvidia.loaded:
        pytest.skip(f"no driver is loaded for {len(gpus)} GPUs: see driver/driver_loaded")
    return gpus
