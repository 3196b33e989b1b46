"""What a training workload prints as its last line; see checks/workloads/README.md."""

from __future__ import annotations

from typing import Any

import msgspec

from checks.training import series
from provision import decode


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of the result that are used here. What is None could not be measured, or does not apply."""

    examples_per_sec: float
    windows: tuple[float, ...]
    losses: dict[str, float]
    steps: int
    data: str
    device_name: str
    devices: int
    mode: str
    batch: int
    version: str
    dtype: str
    matmul_gflops_before: float
    matmul_gflops_after: float
    fraction_of_matmul: float
    first_step_seconds: float
    startup_seconds: float
    framework: str = "tensorflow"
    window_steps: int = 10
    window_ends: tuple[float, ...] | None = None
    step0_end: float | None = None
    compute_examples_per_sec: float | None = None
    input_examples_per_sec: float | None = None
    issue_seconds: float | None = None
    cpu_seconds_per_step: float | None = None
    processors: int | None = None
    memory_gbps: float | None = None
    fraction_of_memory: float | None = None
    peak_memory: float | None = None
    disturbed: str | None = None

    @property
    def images(self) -> str:
        """For every message and figure: what it trained on."""
        return f"{self.data} images"

    @property
    def counted(self) -> tuple[float, ...]:
        """The windows that count: the first still warms up."""
        return self.windows[1:]

    @property
    def step_seconds(self) -> float:
        """How long a step takes, of all devices together."""
        return self.devices * self.batch / self.examples_per_sec if self.examples_per_sec else 0.0

    def spans(self, began: float) -> list[series.Span]:
        """When the windows that count ran, in seconds since ``began`` (Unix time); empty where it is not said."""
        ends = self.window_ends
        if self.step0_end is None or not ends or len(ends) != len(self.windows):
            return []
        return series.spans(self.step0_end, ends, began)[1:]


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why the workload could not measure; ``kind`` is a word of the README's list."""

    what: str
    hint: str = ""
    kind: str = "failed"


def read(line: str) -> Outcome | Failure | None:
    """The last line of a workload; None where it is none."""
    try:
        found: dict[str, Any] = decode.json(line, dict[str, Any])
        if "error" in found:
            return decode.plain(found["error"], Failure)
        return decode.plain(found, Outcome)
    except msgspec.MsgspecError:
        return None
