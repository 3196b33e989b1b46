"""What training together is worth: speed-up, efficiency, the serial share, and where the time of a step goes. Pure."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from provision.together import Measured

_ALIKE = 1e-3
"""Largest relative difference between two rigs' norms of one tensor: kernels round in their own ways, and copies that
do not follow each other differ by far more, first in the biases, which start at one value for all."""
MOST = 1.1
"""Efficiency above which the rigs were not measured alike, alone and together: noise explains a tenth, no law more."""
_NOTHING = 1e-6
"""Norms below are those of a tensor that is still zero."""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """One rig in the run of all.

    Attributes:
        rig: its name.
        alone: examples per second by itself.
        step: seconds per step without the exchange, in the run of all.
        waits: seconds per step in which it waits for the slowest rig.
    """

    rig: str
    alone: float
    step: float | None = None
    waits: float | None = None


class Scaling(msgspec.Struct, frozen=True, kw_only=True):
    """All rigs against each of them.

    Attributes:
        together: examples per second.
        speed_up: over the mean rig alone.
        efficiency: of the sum of all rigs alone.
        serial_share: of a step's work, by Amdahl's law; None where the speed-up is below 1 or far above the number of
            rigs, so that the law says nothing.
        step: seconds per step.
        communication: seconds per step beyond the slowest rig's own work: the exchange of gradients.
        shares: each rig's.
    """

    together: float
    speed_up: float
    efficiency: float
    serial_share: float | None
    step: float | None
    communication: float | None
    shares: tuple[Share, ...]

    @property
    def communication_share(self) -> float | None:
        """Of a step."""
        if self.step is None or self.communication is None:
            return None
        return self.communication / self.step


def scaling(alone: Mapping[str, float], together: Mapping[str, Sequence[Measured]]) -> Scaling:
    """Hold the run of all against each rig alone.

    Args:
        alone: rig → examples per second.
        together: rig → what its processes reported.
    """
    count = len(alone)
    lead = next(iter(together.values()))[0]
    speed_up = lead.examples_per_sec / statistics.fmean(alone.values())
    own = {rig: _slowest(processes) for rig, processes in together.items()}
    known = {rig: seconds for rig, seconds in own.items() if seconds is not None}
    slowest = max(known.values(), default=None)
    step = lead.step_seconds
    return Scaling(
        together=lead.examples_per_sec,
        speed_up=speed_up,
        efficiency=lead.examples_per_sec / sum(alone.values()),
        serial_share=serial_share(speed_up, count),
        step=step,
        # A clock's noise can make it a little less than nothing.
        communication=None if step is None or slowest is None else max(0.0, step - slowest),
        shares=tuple(
            Share(
                rig=rig,
                alone=rate,
                step=own[rig],
                waits=None if slowest is None or rig not in known else slowest - known[rig],
            )
            for rig, rate in alone.items()
        ),
    )


def serial_share(speed_up: float, count: int) -> float | None:
    """The part that does not get faster, by Amdahl's law: S = 1 / (s + (1 - s) / N), solved for s.

    Source: G. Amdahl, AFIPS Spring Joint Computer Conference, 1967. Here a unit of work is one rig's batch.

    Args:
        speed_up: S.
        count: N, two or more.
    """
    if not 1 <= speed_up <= MOST * count:
        return None
    return max(0.0, (count / speed_up - 1) / (count - 1))


def unlike(together: Mapping[str, Sequence[Measured]]) -> str:
    """The rig whose weights are not the first one's at the end, so that they did not train as one; empty where none."""
    lead = next(iter(together.values()))[0].weights
    for rig, processes in together.items():
        for process in processes:
            if len(process.weights) != len(lead) or any(
                abs(mine - theirs) > max(_NOTHING, _ALIKE * abs(theirs))
                for mine, theirs in zip(process.weights, lead, strict=True)
            ):
                return rig
    return ""


def _slowest(processes: Sequence[Measured]) -> float | None:
    """Of a rig's processes the one that takes longest for a step of its own."""
    known = [one.step_seconds_apart for one in processes if one.step_seconds_apart is not None]
    return max(known, default=None)
