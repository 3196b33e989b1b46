"""Facts, wishes and the catalogue in; decisions with reasons, and actions out. Pure: no input or output."""

from __future__ import annotations

import enum
import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

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
        source: where the rule behind it comes from; empty where the reason is a fact of the rig.
    """

    subject: str
    choice: str
    reason: str
    source: str = ""


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


class EnvironmentPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One environment that the rig is to have.

    Attributes:
        name: ``tensorflow``, ``tensorflow_gpu``.
        maker: ``conda`` or ``venv``.
        python: ``3.12``; with venv, the rig's own.
        requirements: what is installed, pip's form.
        framework: the module to import, e.g. ``tensorflow``.
        version: the framework's.
        device: ``cpu`` or ``gpu``: what its framework must be able to use.
        path: where it lies on the rig.
    """

    name: str
    maker: str
    python: str
    requirements: tuple[str, ...]
    framework: str
    version: str
    device: str
    path: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a rig is to be, why, and what is missing.

    Attributes:
        target: the rig's name.
        profile: with or without NVIDIA GPUs.
        decisions: in the order in which they were made.
        environments: all that are to be there in the end.
        actions: what is to be changed; empty where nothing is.
        warnings: what a person should know before agreeing.
        variables: the roles' variables for Ansible.
    """

    target: str
    profile: Profile
    decisions: tuple[Decision, ...]
    environments: tuple[EnvironmentPlan, ...]
    actions: tuple[Action, ...]
    warnings: tuple[str, ...] = ()
    variables: dict[str, Any] = {}

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that have something to do, in the order of their first action."""
        return tuple(dict.fromkeys(action.role for action in self.actions))


def state_digest(facts: Facts) -> str:
    """A short digest of what an acceptance depends on: it changes when the rig is no longer the same.

    Kernel, driver, GPUs, the environments' contents, CPU and memory; not load, addresses or free space.
    """
    state = {
        "system": facts.system.key,
        "kernel": facts.system.kernel,
        "driver": facts.nvidia.loaded,
        "gpus": [(gpu.address, gpu.device, gpu.subsystem) for gpu in facts.gpus],
        "threads": facts.processor.threads,
        "memory": facts.memory.total,
        "environments": {
            name: sorted(environment.installed.items())
            for name, environment in sorted(facts.environments.present.items())
        },
    }
    return hashlib.sha256(msgspec.json.encode(state, order="sorted")).hexdigest()[:16]
