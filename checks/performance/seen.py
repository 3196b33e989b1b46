"""What the monitor saw while a program ran; checks/workloads/README.md has its fields."""

from __future__ import annotations

import statistics
from typing import Any

import msgspec

AT_WORK = 50
"""Percent of use from which a sample of a GPU counts as under load."""
MAINS = 5
"""Samples under load that there must be before anything is concluded from them."""
_IDLE_PROGRAMS = {"nvidia-cuda-mps-server", "nvidia-cuda-mps"}
"""They stand between programs and cards, and do no work of their own."""
_QUIET = 10
"""Percent of use: below it, somebody looked at the card."""
_DISTURBED = 0.1
"""Share of the processors' time that others take, from which a figure of the CPU is not its own."""

Samples = list[float | None]


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A process that computed on a GPU; ``mine``: the workload started it; ``seen``: before, during, after."""

    pid: int
    name: str = ""
    mine: bool = False
    seen: tuple[str, ...] = ()


class CardSeries(msgspec.Struct, frozen=True, kw_only=True):
    """Samples of one GPU, all of one length; None where it gave none."""

    t: list[float] = []
    utilisation_gpu: Samples = []
    clock_sm: Samples = []
    temperature: Samples = []
    margin: Samples = []
    power: Samples = []
    utilisation_memory: Samples = []
    memory_used: Samples = []
    pcie_tx: Samples = []
    pcie_rx: Samples = []
    pstate: Samples = []
    reasons: Samples = []
    pcie_generation: Samples = []
    pcie_width: Samples = []


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU: what it is, its settings before and after, and its series."""

    index: int
    name: str = ""
    address: str = ""
    uuid: str = ""
    mig: bool = False
    clock_sm_max: float | None = None
    slowdown: float | None = None
    power_limit_default: float | None = None
    pcie_generation_max: float | None = None
    pcie_generation_card: float | None = None
    pcie_generation_port: float | None = None
    pcie_width_max: float | None = None
    pcie_width_port: float | None = None
    utilisation_before: float | None = None
    before: dict[str, float | None] = {}
    after: dict[str, float | None] = {}
    trouble: str = ""
    answers: bool = True
    programs: list[Program] | None = None
    series: CardSeries = CardSeries()

    @property
    def title(self) -> str:
        """For messages."""
        return f"GPU {self.index} ({self.name or 'unnamed'}, {self.address or 'address unknown'})"

    @property
    def loaded(self) -> list[int]:
        """Numbers of the samples in which it was at work."""
        use = self.series.utilisation_gpu
        return [number for number, percent in enumerate(use) if (percent or 0) >= AT_WORK]

    def under_load(self, name: str) -> list[float]:
        """The values of one series while it was at work."""
        values: Samples = getattr(self.series, name)
        picked = (values[number] for number in self.loaded if number < len(values))
        return [value for value in picked if value is not None]

    @property
    def others(self) -> list[Program]:
        """Programs of others that computed on it."""
        return [
            one
            for one in self.programs or []
            if not one.mine
            and one.name not in _IDLE_PROGRAMS
            # A container does not see the names of processes outside, and may see its own by other numbers.
            and ("before" in one.seen or "after" in one.seen or one.name)
        ]

    @property
    def busy(self) -> str:
        """Who else used it; empty for nobody."""
        if self.others:
            names = ", ".join(f"{one.name or 'unnamed'} (process {one.pid})" for one in self.others)
            return f"{self.title} is in use by {names}"
        if (self.utilisation_before or 0) >= _QUIET and not self.programs:
            return f"{self.title} was {self.utilisation_before:g} % busy before the start, by what is not visible here"
        return ""


class Processor(msgspec.Struct, frozen=True, kw_only=True):
    """The CPU's series: shares of all logical processors' time."""

    processors: int = 1
    series: dict[str, list[float]] = {}

    def mean(self, name: str) -> float:
        """Over the whole run."""
        values = self.series.get(name) or [0.0]
        return statistics.fmean(values)


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One program's run under the monitor; ``result`` is the program's own last line."""

    exit_code: int | None = None
    began: float = 0.0
    timed_out: bool = False
    stopped_by: str = ""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    limit: float = 0.0
    left: list[str] = []
    stdout: str = ""
    stderr: str = ""
    nvml: dict[str, str] = {}
    cpu: Processor = Processor()
    gpus: list[Card] = []
    result: dict[str, Any] = {}

    @property
    def disturbed(self) -> str:
        """Why figures of the CPU are not its own; empty where they are."""
        stolen = self.cpu.mean("stolen")
        if stolen >= _DISTURBED:
            return f"the host kept {stolen:.0%} of the processors' time from this virtual machine"
        own = self.cpu_seconds / max(self.seconds * self.cpu.processors, 1e-3)
        foreign = self.cpu.mean("utilisation") - own
        if foreign >= _DISTURBED:
            return f"other programs took {foreign:.0%} of the processors' time"
        return ""
