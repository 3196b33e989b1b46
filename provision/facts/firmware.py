"""Secure Boot, the kernels that could boot next, and whether a reboot is pending."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from provision.facts.reading import Reading

if TYPE_CHECKING:
    from provision.facts.reading import Transcript

READINGS = (
    # The variable's value follows four bytes of attributes (kernel: efivarfs).
    Reading(
        name="secure_boot",
        command=r"""
[ -d /sys/firmware/efi ] || { echo no-efi; exit 0; }
od -An -t u1 -j 4 -N 1 /sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c
""",
    ),
    Reading(name="kernels", command="ls -1 /lib/modules 2>/dev/null || true"),
    Reading(
        name="reboot",
        command="[ ! -e /run/reboot-required ] || { echo pending; cat /run/reboot-required.pkgs; } 2>/dev/null",
    ),
)


class Firmware(msgspec.Struct, frozen=True, kw_only=True):
    """What the next boot depends on.

    Attributes:
        secure_boot: None where it could not be read.
        kernels: releases with modules installed.
        reboot_pending: the system asks for a reboot.
        reboot_for: the packages that asked.
    """

    secure_boot: bool | None = None
    kernels: tuple[str, ...] = ()
    reboot_pending: bool = False
    reboot_for: tuple[str, ...] = ()


def parse(transcript: Transcript) -> Firmware:
    """Make sense of the readings."""
    state = transcript.text("secure_boot")
    pending = transcript.lines("reboot")
    return Firmware(
        secure_boot={"no-efi": False, "0": False, "1": True}.get(state),
        kernels=tuple(transcript["kernels"].out.split()),
        reboot_pending=pending[:1] == ["pending"],
        reboot_for=tuple(sorted(set(pending[1:]))),
    )
