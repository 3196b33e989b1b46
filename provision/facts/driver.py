"""NVIDIA's driver as it is installed: one look by the script that the role uses too (``look.sh``), typed."""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, TypeVar

import msgspec

from provision import decode
from provision.facts.reading import Reading

if TYPE_CHECKING:
    from provision.facts.reading import Transcript

NAME = "driver"

# A rig without GPU, module, packages or traces of an installer by hand has nothing to look at; the shell's own
# means find that out in milliseconds.
_APPLIES = r"""
for v in /sys/bus/pci/devices/*/vendor; do
  [ -r "$v" ] && read -r x <"$v" && [ "$x" = 0x10de ] && gpu=1 && break
done
for f in /sys/module/nvidia/version /usr/bin/nvidia-uninstall /usr/bin/nvidia-installer \
  /var/lib/dlrig/driver.json /var/lib/dlrig/upgrade.json \
  /var/lib/dpkg/info/*nvidia*.list /var/lib/dpkg/info/libcuda1*.list; do
  [ ! -e "$f" ] || gpu=1
done
[ -n "${gpu:-}" ] || { echo "class: 'missing'"; exit 0; }
"""
_LIMIT = 10.0
"""Seconds; the script takes less than three where nothing hangs."""


def reading(look: str) -> Reading:
    """Ask for the driver; ``look`` is the script's text (see ``provision.catalogue``)."""
    return Reading(name=NAME, command=f"{_APPLIES}\n{look}", limit=_LIMIT)


class State(enum.StrEnum):
    """How the driver is installed.

    ``missing``: not at all. ``managed``: by packages of one version and one source. ``broken``: so, but half of
    it, or without a module for the kernel that boots next. ``mixed``: packages of several versions or sources, or
    beside files that no package owns. ``unmanaged``: by NVIDIA's installer. ``unknown``: nobody could look.
    """

    MISSING = "missing"
    MANAGED = "managed"
    BROKEN = "broken"
    MIXED = "mixed"
    UNMANAGED = "unmanaged"
    UNKNOWN = "unknown"


class DriverRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What the role wrote down as its last act (``/var/lib/dlrig/driver.json``).

    Attributes:
        source: ``ubuntu``, ``nvidia``, ``debian``; empty where it is not known.
        branch: 580.
        version: upstream's: ``535.261.03``.
        flavour: of the kernel modules: ``open`` or ``proprietary``.
        modules: ``dkms`` or ``precompiled``.
        wanted: the packages that were asked for.
        packages: the whole set, name → version.
        set: its folder among the kept sets.
        kernels: releases for which the module was proven to exist.
        how: ``installed``, ``adopted``, ``upgraded``, ``rolled back``.
        plan: id of the run that did it; empty where there was none.
        installed: when; UTC, ISO 8601.
        tool: what did it.
    """

    source: str = ""
    branch: int = 0
    version: str = ""
    flavour: str = ""
    modules: str = ""
    wanted: tuple[str, ...] = ()
    packages: dict[str, str] = {}
    set: str = ""
    kernels: tuple[str, ...] = ()
    how: str = ""
    plan: str = ""
    installed: str = ""
    tool: str = ""


class UpgradeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An upgrade that has begun and not ended (``/var/lib/dlrig/upgrade.json``).

    Attributes:
        baseline: id of the acceptance before it.
        from_set: name of the kept set to go back to.
        wish: the driver that was asked for.
        began: when; UTC, ISO 8601.
    """

    baseline: str = ""
    from_set: str = ""
    wish: str = ""
    began: str = ""


class Driver(msgspec.Struct, frozen=True, kw_only=True):
    """The driver on the rig. Versions are upstream's, but for those of packages; empty where there is none.

    Attributes:
        state: how it is installed.
        why: what makes it broken, mixed or unmanaged, as a sentence.
        packages: its set, name → version.
        half: packages that are unpacked or configured by half.
        version: of the user-space part.
        flavour: ``open``, ``proprietary`` or empty, by the newest module on disk, else by the packages' names.
        loaded: of the module that runs.
        kernel: release that runs.
        next_kernel: release that boots next.
        module_running: of the module on disk for the kernel that runs.
        module_next: the same for the kernel that boots next.
        module_flavour: of the modules on disk.
        headers: the headers of the kernel that boots next are there; None where nobody could look.
        dkms: what DKMS says of it.
        held: packages of the set that are on hold.
        holds_other: kernel packages that are on hold.
        sources: where the rig's apt could take it from: ``ubuntu``, ``nvidia``, ``debian-nonfree``.
        legacy: lists and keys of NVIDIA's repository that would break apt or go unused.
        run_file: files of NVIDIA's installer are there.
        display: what shows pictures with it.
        secure_boot: None where it could not be read.
        sets: kept sets that are complete, newest first.
        nvswitch: the rig has one.
        toolkits: CUDA toolkits, version → path.
        persistence: of the persistence daemon's unit: ``enabled``, ``disabled``, ``absent``; empty where unknown.
        record: what the role wrote down; None where there is nothing that can be read.
        upgrade: an upgrade that was cut; None where there is none.
    """

    state: State = State.MISSING
    why: str = ""
    packages: dict[str, str] = {}
    half: tuple[str, ...] = ()
    version: str = ""
    flavour: str = ""
    loaded: str = ""
    kernel: str = ""
    next_kernel: str = ""
    module_running: str = ""
    module_next: str = ""
    module_flavour: str = ""
    headers: bool | None = None
    dkms: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    holds_other: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    legacy: tuple[str, ...] = ()
    run_file: bool = False
    display: tuple[str, ...] = ()
    secure_boot: bool | None = None
    sets: tuple[str, ...] = ()
    nvswitch: bool = False
    toolkits: dict[str, str] = {}
    persistence: str = ""
    record: DriverRecord | None = None
    upgrade: UpgradeRecord | None = None

    @property
    def present(self) -> bool:
        """Something of it is installed."""
        return self.state not in {State.MISSING, State.UNKNOWN}

    @property
    def precompiled(self) -> bool:
        """Its modules came built and signed with packages, and were not built here."""
        return any(name.startswith("linux-modules-nvidia-") for name in self.packages)

    @property
    def branch(self) -> int | None:
        """The first number of its version."""
        head = self.version.partition(".")[0]
        return int(head) if head else None


_Document = TypeVar("_Document", DriverRecord, UpgradeRecord)
_LINE = re.compile(r"([a-z_]+): '(.*)'")
_VERSION = re.compile(r"[0-9]{2,4}(?:\.[0-9]{1,4}){1,3}")
_SERIES = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}")
_FLAVOUR = re.compile(r"open|proprietary")
_UNIT = re.compile(r"enabled|disabled|absent")
_MAYBE = {"yes": True, "on": True, "no": False, "off": False}


def parse(transcript: Transcript) -> Driver:
    """Make sense of the look; whatever is not in its form is left empty."""
    rows = _Rows(transcript[NAME].out)
    if not rows.text("class") or transcript[NAME].hung:
        return Driver(state=State.UNKNOWN)
    return Driver(
        state=_state(rows.text("class")),
        why=rows.text("why"),
        packages=_pairs(rows.words("packages")),
        half=rows.words("half"),
        version=rows.match("version", _VERSION),
        flavour=rows.match("flavour", _FLAVOUR),
        loaded=rows.match("loaded", _VERSION),
        kernel=rows.text("kernel"),
        next_kernel=rows.text("next_kernel"),
        module_running=rows.match("module_running", _VERSION),
        module_next=rows.match("module_next", _VERSION),
        module_flavour=rows.match("module_flavour", _FLAVOUR),
        headers=_MAYBE.get(rows.text("headers")),
        dkms=tuple(filter(None, (each.strip() for each in rows.text("dkms").split(";")))),
        held=rows.words("held"),
        holds_other=rows.words("holds_other"),
        sources=rows.words("sources"),
        legacy=rows.words("legacy"),
        run_file=rows.text("run_file") == "yes",
        display=rows.words("display"),
        secure_boot=_MAYBE.get(rows.text("secure_boot")),
        sets=rows.words("sets"),
        nvswitch=rows.text("nvswitch") == "yes",
        toolkits=_toolkits(rows.words("toolkits")),
        persistence=rows.match("persistence", _UNIT),
        record=_document(rows.text("record"), DriverRecord),
        upgrade=_document(rows.text("upgrade"), UpgradeRecord),
    )


class _Rows:
    """Lines ``key: 'value'``; the first of a key wins, others are passed over."""

    def __init__(self, out: str) -> None:
        self._values: dict[str, str] = {}
        for line in out.splitlines():
            row = _LINE.fullmatch(line)
            if row:
                self._values.setdefault(row[1], row[2].replace("''", "'").strip())

    def text(self, key: str) -> str:
        """A value as it is; empty where there is none."""
        return self._values.get(key, "")

    def words(self, key: str) -> tuple[str, ...]:
        """A value's words."""
        return tuple(self.text(key).split())

    def match(self, key: str, form: re.Pattern[str]) -> str:
        """A value of that form, else empty."""
        return self.text(key) if form.fullmatch(self.text(key)) else ""


def _state(word: str) -> State:
    return State(word) if word in set(State) else State.UNKNOWN


def _pairs(words: tuple[str, ...]) -> dict[str, str]:
    """``name=value`` words; others are passed over."""
    pairs = (word.partition("=") for word in words)
    return {name: value for name, _, value in pairs if name and value}


def _toolkits(words: tuple[str, ...]) -> dict[str, str]:
    """By major and minor version: ``12.4``."""
    found = {}
    for version, path in _pairs(words).items():
        series = _SERIES.match(version)
        if series:
            found[series.group()] = path
    return found


def _document(text: str, form: type[_Document]) -> _Document | None:
    try:
        return decode.json(text, form) if text else None
    except (msgspec.MsgspecError, RecursionError):
        return None
