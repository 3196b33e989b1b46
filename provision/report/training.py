"""One training on every kind of device that a rig has, or on several machines: the words of its comparison."""

from __future__ import annotations

import re

import msgspec

from provision.report.figures import Measured, drift
from provision.report.text import line


class Speed(msgspec.Struct, frozen=True, kw_only=True):
    """A training run's throughput on one kind of device.

    Attributes:
        gpus: how many it used; 0 where it ran on the CPU, and where machines are counted.
        machine: where machines trained together: the number of the one that was alone, or 0 for all of them.
        hardware: the device's model, as the rig says it; a machine's name.
        figure: the throughput.
        instance: what stands in brackets behind the check's name.
        limit: what limits it and how that is known, as ``…_limit`` found it; empty where it did not.
    """

    gpus: int
    machine: int | None = None
    hardware: str
    figure: Measured
    instance: str
    limit: str = ""

    @property
    def device(self) -> str:
        """``CPU``, ``1 GPU``, ``2 GPUs``; ``machine 1``, ``together``."""
        if self.machine is not None:
            return f"machine {self.machine}" if self.machine else "together"
        return device(self.gpus)

    @property
    def disturbed(self) -> bool:
        """Whether other work had its part in the figure."""
        return self.figure.disturbed

    @property
    def limit_name(self) -> str:
        """The limit without its evidence: ``input pipeline``."""
        return line(re.split(r"[:;\n]", self.limit, maxsplit=1)[0], 60)

    @property
    def drift(self) -> float | None:
        """See ``figures.drift``."""
        return drift(self.figure.samples)


class Scaling(msgspec.Struct, frozen=True, kw_only=True):
    """All GPUs, or all machines, against one, as the check found it.

    Attributes:
        speed_up: throughput of all over that of one.
        efficiency: that over their number.
        serial: the share that does not get faster, by Amdahl's law; None where it was not found.
    """

    speed_up: float
    efficiency: float | None = None
    serial: float | None = None


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """One training in one framework, on every kind of device that it ran on.

    Attributes:
        workload: the check's name without its end, e.g. ``training/cifar10``.
        framework: as it writes itself, or the environment's name.
        mode: e.g. ``reference mode, float32``; empty where the note does not say.
        speeds: the CPU first, then by the number of GPUs; of machines each alone, then all together.
        scaling: None with one GPU or machine.
    """

    workload: str
    framework: str
    mode: str
    unit: str
    speeds: tuple[Speed, ...]
    scaling: Scaling | None = None

    @property
    def best(self) -> Speed:
        """The fastest."""
        return max(self.speeds, key=lambda speed: speed.figure.median)

    @property
    def machines(self) -> bool:
        """Whether machines are compared, not devices of one."""
        return self.speeds[0].machine is not None

    def before(self, speed: Speed) -> Speed | None:
        """What a speed is to be compared with: that of one GPU, or, where that is missing or its own, the CPU's."""
        if self.machines:
            return None
        below = {each.gpus: each for each in self.speeds if each.gpus < speed.gpus}
        return below.get(1) or below.get(0)

    def times(self, speed: Speed) -> float | None:
        """How many times as fast it is as ``before``; None where there is nothing to compare with."""
        base = self.before(speed)
        return speed.figure.median / base.figure.median if base and base.figure.median else None

    def compared(self, speed: Speed) -> str:
        """``18.6 times the CPU``, ``1.80 times one GPU``; empty where there is nothing to compare with."""
        if speed.machine == 0 and self.scaling:
            return f"{self.scaling.speed_up:.3g} times one machine"
        base, times = self.before(speed), self.times(speed)
        if base is None or times is None:
            return ""
        return f"{times:.3g} times {'one GPU' if base.gpus else 'the CPU'}"

    def efficiency(self, speed: Speed) -> float | None:
        """Of several GPUs against one: as the check found it, else the speed-up over their number; else None."""
        if speed.machine == 0 and self.scaling:
            return self.scaling.efficiency
        base, times = self.before(speed), self.times(speed)
        if speed.gpus < 2 or base is None or base.gpus != 1 or times is None:  # noqa: PLR2004 - several
            return None
        found = self.scaling.efficiency if self.scaling else None
        return times / speed.gpus if found is None else found


def device(gpus: int) -> str:
    """``CPU``, ``1 GPU``, ``2 GPUs``."""
    return "CPU" if gpus == 0 else f"{gpus} GPU{'s' * (gpus > 1)}"
