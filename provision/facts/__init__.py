"""What a rig is now: raw readings in, ``Facts`` out. Nothing in this package does any input or output.

A file per subject holds the commands to run on the rig and the pure function that makes sense of what they
printed. A reading that hung or failed is a fact too: it stands in ``Facts.unread`` with the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from provision.facts import (
    disks,
    driver,
    environments,
    files,
    firmware,
    gpus,
    health,
    memory,
    network,
    nvidia,
    packages,
    processor,
    python,
    system,
    watch,
)
from provision.facts.disks import Disks
from provision.facts.driver import Driver, State
from provision.facts.environments import Environments
from provision.facts.firmware import Firmware
from provision.facts.gpus import PciDevice
from provision.facts.health import Health
from provision.facts.memory import Memory
from provision.facts.network import Reach
from provision.facts.nvidia import Nvidia
from provision.facts.packages import Packages
from provision.facts.processor import Processor
from provision.facts.python import Python
from provision.facts.system import System
from provision.facts.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from provision.catalogue.places import Place
    from provision.facts.reading import Reading, Transcript


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """A rig as it is now.

    Attributes:
        target: the rig's name, as the user wrote it.
        taken: UTC, ISO 8601.
        login: the user who connected.
        privilege: how that user becomes root: ``root``, ``sudo`` (without password), ``password`` (given and
            right) or ``none`` (not, or not without a password).
        files: the roles' files that are there → SHA-256.
        health: what only an acceptance asks.
        unread: reading → why there is no answer, for those whose absence is not an answer in itself.
    """

    target: str
    taken: str
    login: str
    privilege: str
    system: System
    processor: Processor
    memory: Memory
    disks: Disks
    pci: tuple[PciDevice, ...]
    nvidia: Nvidia
    driver: Driver = Driver(state=State.UNKNOWN)
    python: Python
    environments: Environments
    packages: Packages
    files: dict[str, str]
    firmware: Firmware
    network: dict[str, Reach]
    watch: Watch = Watch()
    health: Health = Health()
    unread: dict[str, str]

    @property
    def gpus(self) -> tuple[PciDevice, ...]:
        """The GPUs on the PCI bus."""
        return tuple(device for device in self.pci if device.is_gpu)


# Their failure is an ordinary answer: no such driver, no Python yet.
_MAY_FAIL = frozenset({"nvidia_module", "nvidia_proc", "nvidia_smi", "python"}) | health.MAY_FAIL


def readings(
    managed_files: Iterable[str], places: Iterable[Place], look: str
) -> tuple[Reading, ...]:
    """Everything that a plan rests on.

    Args:
        managed_files: paths that the roles put on a rig.
        places: to try to reach from the rig.
        look: the script that looks at the driver.
    """
    return (
        # First, since they wait for others: meanwhile the rest is read.
        *network.readings(places),
        *system.READINGS,
        *processor.READINGS,
        *memory.READINGS,
        *disks.READINGS,
        *gpus.READINGS,
        *nvidia.READINGS,
        driver.reading(look),
        *python.READINGS,
        *environments.READINGS,
        *packages.READINGS,
        files.reading(managed_files),
        *firmware.READINGS,
        *watch.READINGS,
    )


def all_readings(
    managed_files: Iterable[str], places: Iterable[Place], look: str
) -> tuple[Reading, ...]:
    """What an acceptance asks: everything that a plan rests on, and the state of the rig's parts."""
    return (*readings(managed_files, places, look), *health.READINGS)


def parse(transcript: Transcript) -> Facts:
    """Make sense of a transcript. Never raises, whatever the rig printed."""
    return Facts(
        target=transcript.target,
        taken=transcript.taken,
        login=transcript.login,
        privilege=transcript.privilege,
        system=system.parse(transcript),
        processor=processor.parse(transcript),
        memory=memory.parse(transcript),
        disks=disks.parse(transcript),
        pci=gpus.parse(transcript),
        nvidia=nvidia.parse(transcript),
        driver=driver.parse(transcript),
        python=python.parse(transcript),
        environments=environments.parse(transcript),
        packages=packages.parse(transcript),
        files=files.parse(transcript),
        firmware=firmware.parse(transcript),
        network=network.parse(transcript),
        watch=watch.parse(transcript),
        health=health.parse(transcript),
        unread={
            name: outcome.trouble
            for name, outcome in sorted(transcript.outcomes.items())
            if outcome.hung or (not outcome.ok and name not in _MAY_FAIL)
        },
    )
