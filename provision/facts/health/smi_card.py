"""One card of ``nvidia-smi -q -x``, typed."""

from __future__ import annotations

import msgspec


class Errors(msgspec.Struct, frozen=True, kw_only=True):
    """Memory errors of one span of time; None where the card does not count them.

    Attributes:
        corrected: by ECC.
        uncorrected: of all memory.
        sram: uncorrected ones of registers and caches.
        dram: uncorrected ones of device memory.
    """

    corrected: int | None = None
    uncorrected: int | None = None
    sram: int | None = None
    dram: int | None = None


class Ecc(msgspec.Struct, frozen=True, kw_only=True):
    """Error correction.

    Attributes:
        current, pending: on now, and after the next restart; None where the card has none.
        volatile: since the driver was loaded.
        aggregate: since the card was made.
        threshold: the card itself says that it has had too many uncorrected errors in SRAM.
        repair_pending: a repair of memory waits for a reset.
        unrepairable: there is memory that can't be repaired.
    """

    current: bool | None = None
    pending: bool | None = None
    volatile: Errors = Errors()
    aggregate: Errors = Errors()
    threshold: bool | None = None
    repair_pending: bool | None = None
    unrepairable: bool | None = None


class Pages(msgspec.Struct, frozen=True, kw_only=True):
    """Retired pages of memory (cards before Ampere); None where the card retires none.

    Attributes:
        single, double: retired for repeated single-bit errors, and for a double-bit error.
        pending: more will be retired at the next reset.
    """

    single: int | None = None
    double: int | None = None
    pending: bool | None = None


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """Remapped rows of memory (Ampere and later); None where the card remaps none.

    Attributes:
        corrected, uncorrected: remapped for such errors.
        pending: more will be remapped at the next reset.
        failure: a row could not be remapped.
        exhausted: banks without a spare row.
    """

    corrected: int | None = None
    uncorrected: int | None = None
    pending: bool | None = None
    failure: bool | None = None
    exhausted: int | None = None


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """PCI Express as the driver has it: generations, widths in lanes, and the counters of replays.

    ``max_generation`` and ``max_width`` are what card and slot can do together.
    """

    generation: int | None = None
    width: int | None = None
    max_generation: int | None = None
    max_width: int | None = None
    card_generation: int | None = None
    host_generation: int | None = None
    replays: int | None = None
    rollovers: int | None = None


class Temperature(msgspec.Struct, frozen=True, kw_only=True):
    """Degrees Celsius.

    Attributes:
        now: of the chip.
        slowdown, shutdown: where the hardware slows and stops it; None on cards that state margins instead.
        margin: degrees left (Hopper and later, "T.Limit"); ``slowdown_margin``, ``shutdown_margin``: the margins
            at which the hardware acts.
        memory: of the memory.
    """

    now: float | None = None
    slowdown: float | None = None
    shutdown: float | None = None
    margin: float | None = None
    slowdown_margin: float | None = None
    shutdown_margin: float | None = None
    memory: float | None = None

    @property
    def headroom(self) -> float | None:
        """Degrees to the hardware's slowdown; None where the card does not say."""
        if self.margin is not None and self.slowdown_margin is not None:
            return self.margin - self.slowdown_margin
        if self.now is not None and self.slowdown is not None:
            return self.slowdown - self.now
        return None


class Power(msgspec.Struct, frozen=True, kw_only=True):
    """Watts: what it draws, the limit that holds, the maker's, and the least and greatest that can be set."""

    draw: float | None = None
    limit: float | None = None
    default: float | None = None
    least: float | None = None
    most: float | None = None


class Clocks(msgspec.Struct, frozen=True, kw_only=True):
    """MHz, of the multiprocessors and of the memory; now and at most."""

    sm: int | None = None
    memory: int | None = None
    max_sm: int | None = None
    max_memory: int | None = None


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """A process on the card.

    Attributes:
        name: of its program, without arguments; may be empty in a container.
        kind: ``C`` computes, ``G`` draws, ``C+G`` does both, ``M`` is of MPS.
        memory: MiB.
    """

    pid: int
    name: str = ""
    kind: str = ""
    memory: int | None = None

    @property
    def computes(self) -> bool:
        """It does not only draw."""
        return self.kind != "G"


class Fabric(msgspec.Struct, frozen=True, kw_only=True):
    """NVLink's fabric of switches; empty where the card is in none.

    Attributes:
        state: ``Not Started``, ``In Progress``, ``Completed``.
        status: ``Success`` or an error.
        health: what is not well → how, e.g. ``bandwidth`` → ``Degraded``.
    """

    state: str = ""
    status: str = ""
    health: dict[str, str] = {}


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A card. Words are nvidia-smi's; empty or None where it has no such thing.

    Attributes:
        index: nvidia-smi's.
        address: in the kernel's form, ``0000:01:00.0``.
        inforom: object → version: ``image``, ``oem``, ``ecc``, ``power``.
        persistence: the driver stays loaded for it.
        mig, mig_pending: it is divided; None where it can't be. ``mig_devices``: its parts.
        display: something is shown on it.
        recovery: what the driver asks for: ``Reset``, ``Reboot`` …; empty for nothing.
        reasons: why its clocks are lower than they could be, by nvidia-smi's names without their prefix.
        throttled: seconds spent so since the driver was loaded, by short names (``hw_therm_slowdown``).
        gsp: version of the firmware that runs on it.
        memory, memory_used: MiB.
        utilisation: percent of time in which something ran.
        troubles: what it did not answer → with which words.
    """

    index: int
    name: str = ""
    brand: str = ""
    architecture: str = ""
    address: str = ""
    uuid: str = ""
    vbios: str = ""
    inforom: dict[str, str] = {}
    persistence: bool | None = None
    compute_mode: str = ""
    mig: bool | None = None
    mig_pending: bool | None = None
    mig_devices: int = 0
    display: bool | None = None
    virtualization: str = ""
    recovery: str = ""
    ecc: Ecc = Ecc()
    pages: Pages = Pages()
    rows: Rows = Rows()
    link: Link = Link()
    temperature: Temperature = Temperature()
    power: Power = Power()
    clocks: Clocks = Clocks()
    state: str = ""
    reasons: tuple[str, ...] = ()
    throttled: dict[str, float] = {}
    memory: int | None = None
    memory_used: int | None = None
    utilisation: int | None = None
    processes: tuple[Process, ...] = ()
    fabric: Fabric = Fabric()
    gsp: str = ""
    troubles: dict[str, str] = {}

    @property
    def title(self) -> str:
        """How a message names it."""
        return f"GPU {self.index} ({self.name or 'unnamed'}, {self.address or 'no address'})"
