"""Everything that the choice of versions depends on, and nothing else: rigs that agree in it share one answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from provision.planner import present
from provision.wishes import Wishes

if TYPE_CHECKING:
    from provision.catalogue.drivers import Architecture
    from provision.catalogue.systems import System
    from provision.catalogue.whole import Catalogue
    from provision.facts import Facts


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """GPUs of one kind.

    Attributes:
        device: PCI device id, ``1c03``.
        name: ``GeForce GTX 1060 6GB``.
        chip: ``GP106``; empty where unknown.
        architecture: the catalogue's id; empty where unknown.
        compute_capability: ``6.1``; empty where unknown.
        open: whether the open kernel modules drive it, by NVIDIA's list; None where that does not say.
        count: how many of them.
        uncertain: why it is not sure what this is; empty where it is.
    """

    device: str
    name: str
    chip: str = ""
    architecture: str = ""
    compute_capability: str = ""
    open: bool | None = None
    count: int = 1
    uncertain: str = ""


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """A rig and its wishes, as the choice of versions sees them.

    Attributes:
        system: the catalogue's id.
        kernel: release that boots next; empty for the system's usual one.
        secure_boot: it is on; what could not be read counts as off.
        loaded: version of the driver that runs; empty for none.
        loaded_open: its modules are the open ones; None where unknown.
        loaded_signed: its modules came signed, so that they run says nothing of the key of modules built here.
        installed: version of the driver that is installed; empty for none.
        installed_flavour: of its kernel modules; empty where unknown.
        installed_source: the repository that it came from; empty where unknown.
        stays: it was chosen by hand, and stays also where it is no longer supported.
        adopted: it is taken as it is, wherever it came from.
        newest: the newest release of a branch is wanted, where no other was asked for.
        cards: the GPUs by kind, sorted.
        nvswitch: the rig has one, which needs the fabric manager.
        unreached: repository → why it is not reached.
        maker: what makes the environments.
        pythons: those that it can give, best first.
        month: ``2026-11``, for life cycles.
        wishes: what was asked for.
    """

    system: str
    kernel: str = ""
    secure_boot: bool = False
    loaded: str = ""
    loaded_open: bool | None = None
    loaded_signed: bool = False
    installed: str = ""
    installed_flavour: str = ""
    installed_source: str = ""
    stays: bool = False
    adopted: bool = False
    newest: bool = False
    cards: tuple[Card, ...] = ()
    nvswitch: bool = False
    unreached: tuple[tuple[str, str], ...] = ()
    maker: str = "conda"
    pythons: tuple[str, ...] = ()
    month: str
    wishes: Wishes = Wishes()

    @property
    def present(self) -> str:
        """Version of the driver that the rig has: the installed one, which runs after the next boot."""
        return self.installed or self.loaded

    @property
    def present_flavour(self) -> str:
        """Of its kernel modules; empty where unknown."""
        if self.installed:
            return self.installed_flavour
        return {True: "open", False: "proprietary", None: ""}[self.loaded_open]

    def has_branch(self, branch: int) -> bool:
        """Whether the driver that the rig has is of this branch."""
        return self.present.partition(".")[0] == str(branch)


def of(  # noqa: PLR0913 - a rig, what is known, and what was chosen before
    facts: Facts,
    wishes: Wishes,
    catalogue: Catalogue,
    system: System,
    *,
    maker: str,
    pythons: tuple[str, ...],
    newest: bool = False,
) -> Situation:
    """The situation that facts and wishes describe."""
    there = present.of(facts.driver, wishes, system.id, newest=newest)
    mirrored = {"nvidia"} if wishes.nvidia_repository else set()
    return Situation(
        system=system.id,
        kernel=facts.driver.next_kernel or facts.system.kernel,
        secure_boot=bool(facts.firmware.secure_boot),
        loaded=facts.nvidia.loaded,
        loaded_open=facts.nvidia.open,
        loaded_signed=facts.driver.precompiled,
        installed=there.version,
        installed_flavour=there.flavour,
        installed_source=there.source,
        stays=there.stays,
        adopted=there.adopted,
        newest=newest,
        cards=cards([gpu.device for gpu in facts.gpus], catalogue),
        nvswitch=any(device.cls.startswith("0680") for device in facts.pci),
        unreached=tuple(
            (row.id, reach.detail or "no answer")
            for row in catalogue.repositories.of(system.id)
            if row.id not in mirrored
            and (reach := facts.network.get(row.id)) is not None
            and reach.reached is False
        ),
        maker=maker,
        pythons=pythons,
        month=facts.taken[:7],
        wishes=wishes,
    )


def cards(devices: list[str], catalogue: Catalogue) -> tuple[Card, ...]:
    """GPUs by kind; their order on the bus does not matter."""
    counts = {device: devices.count(device) for device in devices}
    return tuple(_card(device, count, catalogue) for device, count in sorted(counts.items()))


def _card(device: str, count: int, catalogue: Catalogue) -> Card:
    known = catalogue.gpus.guess(device)
    return Card(
        device=device,
        name=known.name or f"10de:{device}",
        chip=known.chip,
        architecture=known.architecture,
        compute_capability=known.compute_capability,
        open=known.open,
        count=count,
        uncertain=known.why_uncertain,
    )


def architecture(card: Card, catalogue: Catalogue) -> Architecture | None:
    """The card's generation; None where it is not known."""
    return catalogue.architectures.get(card.architecture)


def named(card: Card, catalogue: Catalogue) -> str:
    """``GeForce GTX 1060 6GB (GP106, Pascal)``."""
    row = architecture(card, catalogue)
    words = ", ".join(filter(None, (card.chip, row.name if row else "")))
    return f"{card.name} ({words})" if words else card.name
