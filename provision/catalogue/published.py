"""Throughput, loss and time to an accuracy that others published: from ``catalog/published.toml``."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import msgspec

from provision.catalogue.rows import Row, read_toml

if TYPE_CHECKING:
    from collections.abc import Iterable

Pairs = tuple[tuple[float, float], ...]


class Run(Row, frozen=True, kw_only=True):
    """A published training run.

    Attributes:
        by: who published it, for a label.
        year: in which it ran.
        hardware: what it ran on.
        check: the beginning of the checks that it may be held against.
        gpus: how many it used; 0 where it ran on the CPU.
        unit: of the rates.
        rates: pairs of step and rate. Step 0 contains the start-up.
        between: least and greatest rate, where no series was published.
        losses: pairs of step and loss.
    """

    by: str
    year: int
    hardware: str
    check: str
    gpus: int
    unit: str
    rates: Pairs = ()
    between: tuple[float, float] | None = None
    losses: Pairs = ()

    @property
    def label(self) -> str:
        """``2017 reference rig, GTX 1060 6GB``."""
        return f"{self.year} {self.by}, {self.hardware}"

    @property
    def series(self) -> Pairs:
        """The rates without step 0's."""
        return tuple((step, rate) for step, rate in self.rates if step)

    @property
    def span(self) -> tuple[float, float] | None:
        """Least and greatest rate, without step 0's; None where only losses were published."""
        rates = [rate for _, rate in self.series] or list(self.between or ())
        return (min(rates), max(rates)) if rates else None


class Record(Row, frozen=True, kw_only=True):
    """The time that a training took to an accuracy.

    Attributes:
        by: who published it.
        hardware: what it ran on.
        check: the beginning of the checks that it may be held against.
        accuracy: on the test images, a fraction.
        seconds: of training.
    """

    by: str
    hardware: str
    check: str
    accuracy: float
    seconds: float


class Published(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of ``published.toml``; see there."""

    run: tuple[Run, ...]
    record: tuple[Record, ...]

    def runs(self, check: str, unit: str | None = None) -> tuple[Run, ...]:
        """Those that a check may be held against; with ``unit``, those with rates in it."""
        return tuple(
            run
            for run in _of(check, self.run)
            if unit is None or (run.unit == unit and run.span is not None)
        )

    def records(self, check: str) -> tuple[Record, ...]:
        """Those that a check may be held against."""
        return tuple(record for record in self.record if check.startswith(record.check))


def _of(check: str, runs: Iterable[Run]) -> Iterable[Run]:
    return (run for run in runs if check.startswith(run.check))


@cache
def read_published() -> Published:
    """``published.toml``.

    Raises:
        msgspec.ValidationError: the file is wrong.
    """
    return read_toml("published.toml", Published)
