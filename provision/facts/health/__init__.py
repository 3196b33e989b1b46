"""What only an acceptance asks of a rig: the state of cards, links, kernel log, nodes, limits. No plan rests on it.

A file per subject, like those beside this package: the readings, and the pure function that makes sense of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from provision.facts.health import (
    clock,
    journal,
    kernels,
    libraries,
    nodes,
    nvlink,
    pcie,
    services,
    smi,
    toolkits,
    user,
)

if TYPE_CHECKING:
    from provision.facts.reading import Reading, Transcript

_SUBJECTS = (
    smi,
    nvlink,
    pcie,
    journal,
    nodes,
    libraries,
    kernels,
    services,
    toolkits,
    user,
    clock,
)

# What no check asks of a rig without an NVIDIA GPU, and what costs much there: the shell's own means find that out.
_WITH_GPU = r"""
for v in /sys/bus/pci/devices/*/vendor; do
  [ -r "$v" ] && read -r x <"$v" && [ "$x" = 0x10de ] && gpu=1 && break
done
[ -n "${gpu:-}" ] || exit 0
"""
_FOR_GPUS = {
    *(nodes.NAME, libraries.NAME, services.NAME, services.APT, toolkits.NAME),
    *(user.ENVIRONMENT, pcie.NAME),
}


def _guarded(reading: Reading) -> Reading:
    if reading.name not in _FOR_GPUS:
        return reading
    return msgspec.structs.replace(reading, command=_WITH_GPU + reading.command)


READINGS: tuple[Reading, ...] = tuple(
    _guarded(reading) for subject in _SUBJECTS for reading in subject.READINGS
)
MAY_FAIL: frozenset[str] = frozenset().union(*(subject.MAY_FAIL for subject in _SUBJECTS))
"""Readings whose failure is an ordinary answer: no such program, no such card."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a rig's parts; every subject is empty where the transcript has no such reading."""

    smi: smi.Smi = smi.Smi()
    nvlink: nvlink.NvLink = nvlink.NvLink()
    pcie: pcie.Pcie = pcie.Pcie()
    journal: journal.Journal = journal.Journal()
    nodes: nodes.Nodes = nodes.Nodes()
    libraries: libraries.Libraries = libraries.Libraries()
    kernels: kernels.Kernels = kernels.Kernels()
    services: services.Services = services.Services()
    toolkits: toolkits.Toolkits = toolkits.Toolkits()
    user: user.User = user.User()
    clock: clock.Clock = clock.Clock()


def parse(transcript: Transcript) -> Health:
    """Make sense of a transcript. Never raises, whatever the rig printed."""
    return Health(
        smi=smi.parse(transcript),
        nvlink=nvlink.parse(transcript),
        pcie=pcie.parse(transcript),
        journal=journal.parse(transcript),
        nodes=nodes.parse(transcript),
        libraries=libraries.parse(transcript),
        kernels=kernels.parse(transcript),
        services=services.parse(transcript),
        toolkits=toolkits.parse(transcript),
        user=user.parse(transcript),
        clock=clock.parse(transcript),
    )
