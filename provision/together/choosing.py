"""Which framework, device and environment the rigs can train with, all of them alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from provision.layout import ENVIRONMENTS
from provision.together import Chosen, Framework, Member, TogetherError, Wish

if TYPE_CHECKING:
    from collections.abc import Mapping

    from provision.facts import Facts
    from provision.facts.environments import Environment

FRAMEWORKS: tuple[Framework, ...] = ("tensorflow", "torch")
_DISTRIBUTIONS: dict[str, tuple[str, ...]] = {
    "tensorflow": ("tensorflow", "tensorflow_cpu", "tensorflow-cpu"),
    "torch": ("torch",),
}
_FEWEST = 2


def choose(rigs: Mapping[str, Facts], wish: Wish) -> Chosen:
    """What all rigs can do.

    Args:
        rigs: name → facts, in the order of the command line.
        wish: what was asked for.

    Raises:
        TogetherError: fewer than two machines, or one of them lacks what the training needs.
    """
    _require_several(rigs)
    device, why = _device(rigs, wish)
    wanted = (wish.framework,) if wish.framework else FRAMEWORKS
    lacking: dict[str, list[str]] = {}
    for framework in wanted:
        members = [_member(name, facts, framework, device) for name, facts in rigs.items()]
        found = tuple(one for one in members if one)
        if len(found) == len(rigs):
            _require_alike(framework, found)
            return Chosen(framework=framework, device=device, why=why, members=found)
        lacking[framework] = [name for name, one in zip(rigs, members, strict=True) if one is None]
    raise _nothing(lacking, device)


def _require_several(rigs: Mapping[str, Facts]) -> None:
    if len(rigs) < _FEWEST:
        raise TogetherError(
            "training together needs two rigs or more",
            where=", ".join(rigs),
            hint="For example: dlrig bench --together user@a user@b; for the GPUs of one rig: dlrig bench user@a",
            reference="too-few-rigs",
        )
    machines: dict[str, str] = {}
    for name, facts in rigs.items():
        machine = facts.system.machine
        if machine and machine in machines:
            raise TogetherError(
                f"it is the same machine as {machines[machine]}",
                where=name,
                hint="Name each machine once. Copies of one disk image share /etc/machine-id: give each its own with "
                "systemd-machine-id-setup.",
                reference="same-machine",
            )
        machines[machine] = name


def _device(rigs: Mapping[str, Facts], wish: Wish) -> tuple[Literal["cpu", "gpu"], str]:
    without = [name for name, facts in rigs.items() if not facts.nvidia.gpus]
    if wish.device == "gpu" and without:
        raise TogetherError(
            "no GPU answers there",
            where=", ".join(without),
            hint="dlrig check TARGET says why; or train on the CPUs with --device cpu.",
            reference="no-gpu",
        )
    if wish.device:
        return wish.device, ""
    if not without:
        return "gpu", "every rig has a GPU"
    return "cpu", f"no GPU answers on {', '.join(without)}"


def _member(name: str, facts: Facts, framework: Framework, device: str) -> Member | None:
    usable = [
        (environment, version)
        for environment in facts.environments.present.values()
        if environment.runs and (version := _version(environment, framework))
    ]
    fitting = [pair for pair in usable if device == "cpu" or _for_gpu(pair[0])]
    if not fitting:
        return None
    # What is made for this device alone adds least of its own.
    environment, version = min(fitting, key=lambda pair: _for_gpu(pair[0]) is (device == "cpu"))
    return Member(
        name=name,
        python=f"{ENVIRONMENTS}/{environment.name}/bin/python",
        environment=environment.name,
        version=version,
        gpus=len(facts.nvidia.gpus) if device == "gpu" else 0,
    )


def _version(environment: Environment, framework: Framework) -> str:
    installed = environment.installed
    return next((installed[one] for one in _DISTRIBUTIONS[framework] if one in installed), "")


def _for_gpu(environment: Environment) -> bool:
    """Built for NVIDIA's GPUs: its own libraries lie beside the framework, or its name says so."""
    own = any(name.startswith(("nvidia_", "nvidia-")) for name in environment.installed)
    return own or environment.name.endswith("_gpu")


def _require_alike(framework: Framework, members: tuple[Member, ...]) -> None:
    """The processes speak their framework's own protocol, which only one release promises to keep."""
    releases = {".".join(one.version.split(".")[:2]) for one in members}
    if len(releases) > 1:
        told = ", ".join(f"{one.name} has {one.version}" for one in members)
        raise TogetherError(
            f"the rigs have different releases of {framework}: {told}",
            hint=f"Bring them to one: dlrig up TARGET --{framework} VERSION",
            reference="unlike-versions",
        )
    counts = {one.gpus for one in members}
    if framework == "tensorflow" and len(counts) > 1:
        told = ", ".join(f"{one.name} has {one.gpus}" for one in members)
        raise TogetherError(
            f"TensorFlow trains over rigs with the same number of GPUs only: {told}",
            hint="Leave out the odd one, or use --framework torch.",
            reference="unlike-gpus",
        )


def _nothing(lacking: Mapping[str, list[str]], device: str) -> TogetherError:
    told = "; ".join(
        f"{framework}: not on {', '.join(names)}" for framework, names in lacking.items()
    )
    kind = "for GPUs " if device == "gpu" else ""
    return TogetherError(
        f"there is no environment {kind}that every rig has ({told})",
        hint="dlrig up TARGET makes one; dlrig plan TARGET says which.",
        reference="no-common-environment",
    )
