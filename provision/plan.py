"""Facts, wishes and the catalogue in; decisions with reasons, and actions out. Pure: no input or output."""

from __future__ import annotations

import enum
import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from provision.errors import ImpossiblePlanError

if TYPE_CHECKING:
    from provision.facts import Facts


class Profile(enum.StrEnum):
    """What kind of rig it is."""

    CPU = "cpu"
    GPU = "gpu"


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the planner chose.

    Attributes:
        subject: ``profile``, ``environment maker``, ``tensorflow`` …
        choice: what was chosen.
        reason: one sentence.
        source: where the rule behind it comes from; empty where the reason is a wish or a fact of the rig.
        date: when the source was read, ISO 8601.
        confidence: high, medium or low.
    """

    subject: str
    choice: str
    reason: str
    source: str = ""
    date: str = ""
    confidence: str = ""


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to change on the rig: what is present → what is wanted.

    Attributes:
        role: the Ansible role that does it.
        subject: a package, a file, an environment.
        present: what is there now.
        wanted: what will be there.
        reason: why it differs, in a few words.
    """

    role: str
    subject: str
    present: str
    wanted: str
    reason: str


WISH = "you"
FACT = "the rig"
"""Sources that need no naming: what was asked for, and what was found."""


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """A constraint that excludes something.

    Attributes:
        constraint: its stable short name: ``last-branch``, ``wish-driver``.
        subject: what it constrains: ``driver``, ``cuda``, ``tensorflow_gpu``.
        statement: one sentence without a full stop.
        source: where it comes from; ``you`` for a wish, ``the rig`` for a fact.
        date: when the source was read, ISO 8601; empty for wishes and facts.
        confidence: high, medium or low; empty for wishes and facts.
    """

    constraint: str
    subject: str
    statement: str
    source: str
    date: str = ""
    confidence: str = ""


class Nearest(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that would fit.

    Attributes:
        change: what must be different: ``without --modules open``.
        gives: what it would be, in a line.
    """

    change: str
    gives: str


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """Why nothing is changed on the rig, though a plan fits it: going on would do harm.

    Attributes:
        what: what is in the way, as one sentence without a full stop.
        hint: what to do about it.
        reference: its stable short name: ``unmanaged-driver``.
    """

    what: str
    hint: str
    reference: str


class DriverPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The driver that a rig is to have.

    Attributes:
        branch: 580.
        version: the newest of the branch that was seen, or the release that was asked for.
        type: LTSB, PB, NFB, legacy; empty where it is not known.
        end_of_life: ``2028-06``, the last month with support; empty where it is not known.
        flavour: of the kernel modules: ``open`` or ``proprietary``.
        source: the repository: ``ubuntu``, ``nvidia``, ``debian``; ``elsewhere`` for what was adopted from no
            repository that is known.
        component: of that archive, which apt must have enabled: ``restricted``; empty where there are none.
        modules: ``precompiled`` for the kernel, or built on the rig by ``dkms``.
        packages: what is installed.
        dkms_packages: what is installed instead where there is no module for the very kernel.
        adopted: it is on the rig, and taken as it is.
    """

    branch: int
    version: str
    type: str
    end_of_life: str
    flavour: str
    source: str
    component: str = ""
    modules: str
    packages: tuple[str, ...]
    dkms_packages: tuple[str, ...] = ()
    adopted: bool = False


class CudaPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The CUDA toolkits that a rig is to have, side by side; frameworks bring the libraries that they need.

    Attributes:
        toolkits: versions, newest first: ``12.9``.
        sources: version → repository.
        packages: what is installed; none of them pulls a driver.
    """

    toolkits: tuple[str, ...] = ()
    sources: dict[str, str] = {}
    packages: tuple[str, ...] = ()


class EnvironmentPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One environment that the rig is to have.

    Attributes:
        name: ``tensorflow``, ``tensorflow_gpu``.
        maker: ``conda`` or ``venv``.
        python: ``3.12``; with venv, the rig's own.
        pins: what is installed, as pip requirements.
        framework: the module to import, e.g. ``tensorflow``.
        version: the framework's.
        device: ``cpu`` or ``gpu``: what its framework must be able to use.
        cuda: what the framework was made with; empty on the CPU.
        path: where it lies on the rig.
    """

    name: str
    maker: str
    python: str
    pins: tuple[str, ...]
    framework: str
    version: str
    device: str
    cuda: str = ""
    path: str


class NoPlan(msgspec.Struct, frozen=True, kw_only=True):
    """That nothing fits: in JSON, what stands in the place of a plan.

    Attributes:
        target: the rig's name.
        what: what happened, as one sentence.
        hint: what to do next.
        reference: the error's stable short name.
        conflicts: the fewest constraints that exclude everything; empty where the reason is another.
        nearest: plans that would fit.
    """

    target: str
    what: str
    hint: str = ""
    reference: str = ""
    conflicts: tuple[Conflict, ...] = ()
    nearest: tuple[Nearest, ...] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a rig is to be, why, and what is missing.

    Attributes:
        target: the rig's name.
        profile: with or without NVIDIA GPUs.
        driver: None where there is no GPU that could be driven.
        cuda: the toolkits.
        environments: all that are to be there in the end, by name.
        reasons: every choice, in the order in which they were made.
        conflicts: why something is not part of the plan: a card, a default environment.
        warnings: what a person should know before agreeing.
        stops: why none of the actions is carried out; empty where nothing is in the way.
        actions: what is to be changed; empty where nothing is.
        variables: the roles' variables for Ansible.
    """

    target: str
    profile: Profile
    driver: DriverPlan | None = None
    cuda: CudaPlan = CudaPlan()
    environments: dict[str, EnvironmentPlan]
    reasons: tuple[Decision, ...]
    conflicts: tuple[Conflict, ...] = ()
    warnings: tuple[str, ...] = ()
    stops: tuple[Stop, ...] = ()
    actions: tuple[Action, ...]
    variables: dict[str, Any] = {}

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that have something to do, in the order of their first action."""
        return tuple(dict.fromkeys(action.role for action in self.actions))

    @property
    def refusal(self) -> ImpossiblePlanError | None:
        """The error with which a command ends that would carry the plan out; None where nothing is in the way."""
        if not self.stops:
            return None
        return ImpossiblePlanError(
            "; and ".join(stop.what for stop in self.stops),
            where=self.target,
            hint="\n".join((*(stop.hint for stop in self.stops), "Nothing was changed.")),
            reference=self.stops[0].reference,
        )


def state_digest(facts: Facts) -> str:
    """A short digest of what an acceptance depends on: it changes when the rig is no longer the same.

    Kernels, driver, GPUs, the environments' contents, CPU and memory; not load, addresses or free space.
    """
    state = {
        "system": facts.system.key,
        "kernel": facts.system.kernel,
        "next_kernel": facts.driver.next_kernel,
        "driver": facts.nvidia.loaded,
        "installed_driver": facts.driver.version,
        "gpus": [(gpu.address, gpu.device, gpu.subsystem) for gpu in facts.gpus],
        "threads": facts.processor.threads,
        "memory": facts.memory.total,
        "environments": {
            name: sorted(environment.installed.items())
            for name, environment in sorted(facts.environments.present.items())
        },
    }
    return hashlib.sha256(msgspec.json.encode(state, order="sorted")).hexdigest()[:16]
