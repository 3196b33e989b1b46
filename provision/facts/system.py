"""Which system runs on the rig, on what kind of machine, and since when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from provision.facts.reading import Reading, sections

if TYPE_CHECKING:
    from provision.facts.reading import Transcript

READINGS = (
    Reading(name="os_release", command="cat /etc/os-release"),
    Reading(name="uname", command="uname -srm; cat /proc/sys/kernel/hostname"),
    # The machine's id is confidential (machine-id(5)): only a keyed hash of it leaves the rig.
    Reading(
        name="machine",
        command="{ printf dlrig:; cat /etc/machine-id; } | sha256sum | cut -c1-16",
    ),
    Reading(name="virtualization", command="systemd-detect-virt || true"),
    Reading(
        name="boot",
        command="cat /proc/sys/kernel/random/boot_id; cut -d' ' -f1 /proc/uptime; readlink /proc/1/exe || true",
    ),
)


class System(msgspec.Struct, frozen=True, kw_only=True):
    """The rig's system.

    Attributes:
        id: ``ubuntu``, ``debian``, … as in os-release(5); empty where unknown.
        version: ``24.04``, ``12``.
        name: for people, e.g. ``Debian GNU/Linux 12 (bookworm)``.
        architecture: the kernel's, e.g. ``x86_64``.
        kernel: release, e.g. ``6.8.0-60-generic``.
        hostname: the rig's own.
        machine: hash that stays with the machine.
        virtualization: ``none``, ``kvm``, ``systemd-nspawn``, …
        boot_id: changes at every boot.
        uptime: seconds.
        init: path of process 1.
    """

    id: str = ""
    version: str = ""
    name: str = ""
    architecture: str = ""
    kernel: str = ""
    hostname: str = ""
    machine: str = ""
    virtualization: str = ""
    boot_id: str = ""
    uptime: float = 0.0
    init: str = ""

    @property
    def key(self) -> str:
        """``debian-12``: how the catalogue names it."""
        return f"{self.id}-{self.version}" if self.version else self.id


def parse(transcript: Transcript) -> System:
    """Make sense of the readings; whatever could not be read is left empty."""
    release = sections(transcript["os_release"].out)
    uname = transcript.lines("uname")
    words = uname[0].split() if uname else []
    boot = transcript.lines("boot")
    return System(
        id=release.get("ID", "").lower(),
        version=release.get("VERSION_ID", ""),
        name=release.get("PRETTY_NAME", ""),
        kernel=words[1] if len(words) > 1 else "",
        architecture=words[-1] if len(words) > 2 else "",  # noqa: PLR2004 - name, release, machine
        hostname=uname[1].strip() if len(uname) > 1 else "",
        machine=transcript.text("machine"),
        virtualization=transcript.text("virtualization"),
        boot_id=boot[0].strip() if boot else "",
        uptime=_seconds(boot[1]) if len(boot) > 1 else 0.0,
        init=boot[2].strip() if len(boot) > 2 else "",  # noqa: PLR2004 - the third line
    )


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
