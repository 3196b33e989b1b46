"""Train over several rigs at once, with the frameworks' own engines, and say what it is worth.

``choosing`` finds the environments, ``reaching`` the addresses by which the rigs reach each other, ``running`` starts
the processes and ends them, ``scaling`` does the arithmetic, ``telling`` makes results of it. What runs on the rigs is
``checks/workloads/together_*.py``.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from provision.errors import DlrigError

Framework = Literal["tensorflow", "torch"]


class TogetherError(DlrigError):
    """The rigs could not train together; says which one, and why."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be trained.

    Attributes:
        framework: None for the first that every rig has.
        device: None for the GPUs where every rig has some, else the CPUs.
        mode: as of the workload: ``reference`` or ``limit``.
        dtype: as of the workload.
        steps: after step 0.
        batch: examples per device and step.
        window: steps per line and figure.
        data: ``auto``, ``synthetic`` or a path on every rig.
        limit: seconds for each of the two runs, start-up included.
        addresses: rig → the address by which others shall reach it.
    """

    framework: Framework | None = None
    device: Literal["cpu", "gpu"] | None = None
    mode: str = "reference"
    dtype: str = "float32"
    steps: int = 100
    batch: int = 128
    window: int = 10
    data: str = "auto"
    limit: float = 300.0
    addresses: dict[str, str] = {}


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One rig's part.

    Attributes:
        name: the target's.
        python: the environment's interpreter.
        environment: its name.
        version: the framework's.
        gpus: that it trains on; 0 for its CPU.
    """

    name: str
    python: str
    environment: str
    version: str
    gpus: int = 0


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """How the rigs train.

    Attributes:
        framework: on all of them.
        device: of all of them.
        why: the reason for the device, where it was not asked for.
        members: in the order of the command line; the first is rank 0.
    """

    framework: Framework
    device: Literal["cpu", "gpu"]
    why: str
    members: tuple[Member, ...]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a rig is reached by the others: an address of it, and a port that is free there."""

    address: str
    port: int
    interface: str = ""

    def __str__(self) -> str:
        """As TF_CONFIG has it."""
        return (
            f"[{self.address}]:{self.port}"
            if ":" in self.address
            else f"{self.address}:{self.port}"
        )


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What one process reported; see docs/together.md.

    Attributes:
        examples_per_sec: of all processes together, the median of the windows without the first.
        step_seconds: per step, gradients exchanged; None where nothing is shared.
        step_seconds_apart: the same without the exchange, which no other process can hold up.
        weights: the norm of each tensor at the end, by which copies are compared.
    """

    examples_per_sec: float
    windows: list[float]
    losses: dict[str, float]
    steps: int
    data: str
    device_name: str
    devices: int
    replicas: int
    processes: int
    rank: int
    mode: str
    dtype: str
    batch: int
    version: str
    engine: str
    gradient_bytes: int
    weights: list[float]
    window_steps: int
    window_ends: list[float] = []
    spread: float | None = None
    step_seconds: float | None = None
    step_seconds_apart: float | None = None
    startup_seconds: float = 0.0
    first_step_seconds: float = 0.0
    stopped_by: str = "steps"
    data_note: str = ""
    disturbed: str = ""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a rig's part ended without a result.

    Attributes:
        rig: which.
        what: one sentence.
        hint: what to do.
        kind: ``peer-lost`` and ``stopped`` follow from another rig's failure; any other is a cause.
    """

    rig: str
    what: str
    hint: str = ""
    kind: str = "failed"

    @property
    def follows(self) -> bool:
        """Whether another rig's failure is the cause."""
        return self.kind in {"peer-lost", "stopped", "interrupted"}


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How one rig's part ended: what its processes reported, or why they did not."""

    rig: str
    measured: tuple[Measured, ...] = ()
    failure: Failure | None = None
