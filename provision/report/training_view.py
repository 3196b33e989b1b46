"""How fast the rig trains, prepared for the page: one part per training and framework."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from provision.catalogue.published import Run, read_published
from provision.report import overview
from provision.report.speeds import trainings
from provision.report.text import number, percent, signed
from provision.report.training import Speed, Training, device

if TYPE_CHECKING:
    from provision.results import Acceptance


_PUBLISHED_MODE = "reference mode, float32"


class SpeedRow(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured on one kind of device.

    Attributes:
        rate: median.
        spread: half of what the middle 80 % of the windows span; empty where there is one window.
        times: how many times as fast as what it is compared with, and what that is.
        efficiency: of all GPUs against one.
        drift: of the last quarter of the windows against the first.
        limit: what limits it, in a word or two.
    """

    device: str
    hardware: str
    rate: str
    spread: str = ""
    times: str = ""
    efficiency: str = ""
    drift: str = ""
    limit: str = ""
    synthetic: bool = False
    disturbed: bool = False


class PublishedRow(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody published: who and on what, the least and the greatest rate, and where it is written."""

    device: str
    label: str
    rate: str
    source: str


class TrainingView(msgspec.Struct, frozen=True, kw_only=True):
    """One training in one framework.

    Attributes:
        measured: by device.
        published: as far as the rig's own devices reach.
        limits: device, and what limits it there with its evidence.
        scaling: what Amdahl's law says of it; empty with fewer than two GPUs.
        records: published times to an accuracy.
        svg: empty where only one kind of device was measured.
        words: what the drawing shows.
        logarithmic: the drawing's axis.
    """

    training: Training
    measured: tuple[SpeedRow, ...]
    published: tuple[PublishedRow, ...]
    limits: tuple[tuple[str, str], ...]
    scaling: str
    records: tuple[str, ...]
    svg: str
    words: str
    logarithmic: bool

    @property
    def as_published(self) -> bool:
        """Whether it ran in the form that the published figures are of, as far as its note says."""
        return not self.training.mode or self.training.mode == _PUBLISHED_MODE


def views(acceptance: Acceptance) -> tuple[TrainingView, ...]:
    """Every training, the one that says most first."""
    return tuple(
        _view(training, f"overview {place}") for place, training in enumerate(trainings(acceptance))
    )


def _view(training: Training, salt: str) -> TrainingView:
    published = read_published()
    runs = published.runs(training.workload, training.unit)
    shown = overview.rows(training, runs)
    several = len(training.speeds) > 1
    return TrainingView(
        training=training,
        measured=tuple(_measured(training, speed) for speed in training.speeds),
        published=tuple(_published(run) for row in shown for run in row.runs),
        limits=tuple(
            (_named(speed), speed.limit[:1].upper() + speed.limit[1:])
            for speed in training.speeds
            if speed.limit
        ),
        scaling=_amdahl(training),
        records=tuple(
            f"{record.by}: {percent(record.accuracy, 4)} in {number(record.seconds)} s on {record.hardware}"
            for record in published.records(training.workload)
        ),
        svg=overview.draw(shown, salt) if several else "",
        words="; ".join(f"{speed.device} {speed.figure}" for speed in training.speeds),
        logarithmic=overview.logarithmic(shown),
    )


def _measured(training: Training, speed: Speed) -> SpeedRow:
    efficiency = training.efficiency(speed)
    return SpeedRow(
        device=speed.device,
        hardware=speed.hardware,
        rate=number(speed.figure.median),
        spread=f"±{percent(speed.figure.spread)}" if len(speed.figure.samples) > 1 else "",
        times=training.compared(speed),
        efficiency="" if efficiency is None else percent(efficiency),
        drift="" if speed.drift is None else signed(speed.drift),
        limit=speed.limit_name,
        synthetic=speed.figure.synthetic,
        disturbed=speed.disturbed,
    )


def _published(run: Run) -> PublishedRow:
    low, high = run.span or (0.0, 0.0)
    return PublishedRow(
        device=device(run.gpus),
        label=run.label,
        rate=number(low) if low == high else f"{number(low)} to {number(high)}",
        source=run.source,
    )


def _named(speed: Speed) -> str:
    return "the CPU" if speed.machine is None and not speed.gpus else speed.device


def _amdahl(training: Training) -> str:
    scaling = training.scaling
    if scaling is None or scaling.serial is None:
        return ""
    what = "machines" if training.machines else "GPUs"
    share = f"Serial share by Amdahl's law: {percent(scaling.serial)} of a step does not get faster with more {what}"
    if scaling.serial <= 0:
        return f"{share}."
    return f"{share}, so no number of them would be more than {max(1 / scaling.serial, 1.0):.3g} times as fast as one."
