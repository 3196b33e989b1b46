"""How much faster several GPUs are than one. Pure functions."""

from __future__ import annotations

import msgspec


class Scaling(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU against all of them, each with a batch of its own.

    Attributes:
        devices: how many there are.
        one, every: examples/s.
    """

    devices: int
    one: float
    every: float

    @property
    def speed_up(self) -> float:
        """Times the throughput of one."""
        return self.every / self.one

    @property
    def efficiency(self) -> float:
        """Of the speed-up that as many devices could give: 1 at best."""
        return self.speed_up / self.devices

    @property
    def serial_share(self) -> float:
        """Share of the work that does not divide, by Amdahl's law: S = 1 / (f + (1 - f) / n), solved for f.

        From 0 (all of it divides) up; above 1 where several are slower than one.
        """
        return max(0.0, (self.devices / self.speed_up - 1) / (self.devices - 1))

    @property
    def most(self) -> float:
        """The speed-up that no number of such devices would pass, by the same law; infinite where all divides."""
        return 1 / self.serial_share if self.serial_share else float("inf")

    def __str__(self) -> str:
        """``2 GPUs do 1.64 times what one does (82% of 2); …``."""
        bound = (
            f"{self.serial_share:.0%} of the work does not divide, so no number of them would do more than "
            f"{max(self.most, 1.0):.1f} times as much (Amdahl's law)"
            if self.serial_share
            else "all of the work divides"
        )
        return (
            f"{self.devices} GPUs do {self.speed_up:.2f} times what one does, {self.efficiency:.0%} of "
            f"{self.devices}: {self.one:,.1f} → {self.every:,.1f} examples/s; {bound}"
        )
