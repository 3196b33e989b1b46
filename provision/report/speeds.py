"""How fast a rig trains on its CPU, on one GPU and on all, and what limits it: gathered from an acceptance's figures.

The training checks say in a figure's note where it was taken and how: ``cifar-10 images, 2 gpu (NAME), reference
mode, float32, batch 128, tensorflow 2.21.0``. What says it otherwise is left out here, and stays in the report's table.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from provision.report.figures import THROUGHPUT, drawable, finite, measure
from provision.report.training import Scaling, Speed, Training
from provision.results import Result, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from provision.results import Acceptance, Figure

_DEVICE = re.compile(r"(?:^|[,;] )(\d{1,4}) (cpu|gpu|all) \((.*?)\)(?=[,;] |$)")
_FRAMEWORKS = {"tensorflow": "TensorFlow", "torch": "PyTorch", "jax": "JAX"}
_FRAMEWORK = re.compile(rf"\b({'|'.join(_FRAMEWORKS)}) \d")
_MODE = re.compile(r"\b(\w{1,20}) mode, (\w{1,20})")
_ON_DEVICE = re.compile(r"\Aon [^:\n]{1,40}: ")
"""``on one GPU: input pipeline: alone it makes …``: the device stands beside it anyway."""
_TOGETHER = "_together"
_ALONE = re.compile(r"alone_(\d{1,4})")
"""A figure of a check of several machines: one of them by itself."""
_CHECK = re.compile(r"([^\[]*)(?:\[(.*)\])?")


class _Key(msgspec.Struct, frozen=True, kw_only=True):
    """What two figures have in common that may be compared."""

    workload: str
    framework: str
    mode: str
    unit: str


def trainings(acceptance: Acceptance) -> tuple[Training, ...]:
    """Every training, that with the most kinds of device first, of those alike the fastest."""
    results = finite(acceptance).results
    groups: dict[_Key, list[Speed]] = {}
    for result in results:
        for key, speed in _speeds(result):
            groups.setdefault(key, []).append(speed)
    found = [_training(key, speeds, results) for key, speeds in groups.items()]
    return tuple(sorted(found, key=lambda one: (-len(one.speeds), -one.best.figure.median)))


def where(note: str) -> tuple[int, str] | None:
    """How many GPUs (0: the CPU) a figure's note says, and their model; None where it does not."""
    found = _DEVICE.search(note)
    return (0 if found[2] == "cpu" else int(found[1]), found[3]) if found else None


def _speeds(result: Result) -> Iterable[tuple[_Key, Speed]]:
    base, instance = _parts(result.check)
    together = base.endswith(_TOGETHER)
    for figure in result.figures:
        place = _machine(figure) if together else _devices(figure)
        if not place or not figure.samples or not drawable(figure.samples):
            continue
        mode = _MODE.search(figure.note)
        yield (
            _Key(
                workload=base if together else base.rpartition("_")[0] or base,
                framework=_framework(figure.note, instance),
                mode=f"{mode[1]} mode, {mode[2]}" if mode else "",
                unit=figure.unit,
            ),
            Speed(
                gpus=0 if together else place[0],
                machine=place[0] if together else None,
                hardware=place[1],
                figure=measure(result, figure),
                instance=instance,
            ),
        )


def _devices(figure: Figure) -> tuple[int, str] | None:
    """See ``where``; None for what is no throughput."""
    return where(figure.note) if figure.name == THROUGHPUT else None


def _machine(figure: Figure) -> tuple[int, str] | None:
    """Its number and its name; 0 for all machines together; None for what is no throughput."""
    alone = _ALONE.fullmatch(figure.name)
    if alone:
        return int(alone[1]), figure.note.partition(" alone; ")[0]
    return (0, "") if figure.name == THROUGHPUT else None


def _training(key: _Key, speeds: Iterable[Speed], results: Iterable[Result]) -> Training:
    kept: dict[tuple[bool, int, int], Speed] = {}
    # Of two on the same devices the one that nothing disturbed stands, then the faster one.
    for speed in sorted(speeds, key=lambda one: (not one.disturbed, one.figure.median)):
        kept[speed.machine == 0, speed.machine or 0, speed.gpus] = speed
    limits = {
        _parts(one.check)[1]: _ON_DEVICE.sub("", one.message)
        for one in results
        if _parts(one.check)[0] == f"{key.workload}_limit"
        and one.status in {Status.PASS, Status.WARN}
    }
    return Training(
        workload=key.workload,
        framework=key.framework,
        mode=key.mode,
        unit=key.unit,
        speeds=tuple(
            msgspec.structs.replace(speed, limit=limits.get(speed.instance, ""))
            for _, speed in sorted(kept.items(), key=lambda item: item[0])
        ),
        scaling=_scaling(results, key),
    )


def _scaling(results: Iterable[Result], key: _Key) -> Scaling | None:
    for result in results:
        base, instance = _parts(result.check)
        notes = "; ".join(figure.note for figure in result.figures)
        if base not in {key.workload, f"{key.workload}_scaling"}:
            continue
        if _framework(notes, instance) != key.framework:
            continue
        found = {figure.name: figure.median for figure in result.figures if figure.samples}
        if "speed_up" in found:
            return Scaling(
                speed_up=found["speed_up"],
                efficiency=found.get("scaling_efficiency"),
                serial=found.get("serial_share"),
            )
    return None


def _framework(note: str, instance: str) -> str:
    """From the note, else from the environment's name."""
    said = _FRAMEWORK.search(note)
    name = said[1] if said else re.split(r"[_-](?:gpu|all|cpu)\b", instance)[0]
    return _FRAMEWORKS.get(name, name)


def _parts(check: str) -> tuple[str, str]:
    """``training/cifar10_smoke[tensorflow]`` as its name and what stands in brackets."""
    found = _CHECK.fullmatch(check.replace("\n", " "))
    return (found[1], found[2] or "") if found else (check, "")
