"""Variables that change how CUDA works for every login or service."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from checks.conditions import require_answers
from checks.question import could_not_measure, question
from provision.facts.health import user
from provision.results import Status

if TYPE_CHECKING:
    from checks.question import Measure
    from checks.rigs import Rig
    from provision.facts.gpus import PciDevice
    from provision.facts.health.user import Setting

_SHOWN = 6
_ANOTHER = re.compile(r"stubs|cuda|cudnn|nvidia|tensorrt|nccl", re.IGNORECASE)


@question(
    "Is the environment of logins free of variables that change how CUDA works?",
    expected="none of NVIDIA's profiling, injection and debugging variables, no CUDA_VISIBLE_DEVICES, LD_PRELOAD or "
    "the like, and no LD_LIBRARY_PATH that leads to another CUDA or to stubs",
    source="NVIDIA DCGM, software test; a toolkit's folder in LD_LIBRARY_PATH replaces the libraries that each "
    "environment brings",
    remedy="Take the lines out of the files that are named, then log in again.",
    severity=Status.WARN,
)
def test_login_environment(
    gpus: tuple[PciDevice, ...],
    rig: Rig,
    measure: Measure,
) -> None:
    """What is set in files that logins and services read; for one program it may be right."""
    require_answers(rig, user.ENVIRONMENT)
    found = rig.facts.health.user
    if not found.read:
        could_not_measure(f"the files that {rig.facts.login} reads at login could not be listed")
    stray = [setting for setting in found.settings if _matters(setting)]
    closed = f"; not readable: {', '.join(found.closed[:_SHOWN])}" if found.closed else ""
    measure.found(f"nothing that concerns {len(gpus)} GPUs{closed}")
    more = f"; {len(stray) - _SHOWN} more" if len(stray) > _SHOWN else ""
    named = "; ".join(
        f"{one.name}{f' ({one.value})' if one.value else ''} in {one.where}"
        for one in stray[:_SHOWN]
    )
    assert not stray, f"{named}{more}"


def _matters(setting: Setting) -> bool:
    return setting.name != user.PATHS or bool(_ANOTHER.search(setting.value))
