"""An upgrade of the driver: what is noted of it on the rig and here, so that a cut one is gone on with.

On the rig, ``/var/lib/dlrig/upgrade.json`` says that an upgrade has begun, what the rig was before (the acceptance's
id) and which kept set leads back. It is written before anything changes and removed when the upgrade ends. That it was
decided to go back is noted here, beside the acceptance it was measured against.
"""

from __future__ import annotations

import dataclasses
import shlex
from typing import TYPE_CHECKING

import msgspec

from provision import decode
from provision.become import as_root
from provision.connection import connect
from provision.errors import ApplyError, DlrigError, Exit
from provision.facts.reading import as_text
from provision.state import write_file

if TYPE_CHECKING:
    from pathlib import Path

    from provision.connection import Settings
    from provision.facts.driver import Driver, UpgradeRecord
    from provision.results import Acceptance
    from provision.target import Target
    from provision.upgrade.verdict import Judgement

NOTE = "/var/lib/dlrig/upgrade.json"
_LIMIT = 60.0
_DECISION = "going-back.json"
_CUT = {"connection-lost", "did-not-come-back", "reboot-needed", "reboot-refused", "no-root"}
"""Errors after which the same command goes on where it was."""


class RolledBackError(DlrigError):
    """The rig was worse with the new driver, and has the old one again."""

    exit_code = Exit.REJECTED


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """That it goes back.

    Attributes:
        back_to: the kept set; empty for the one before the present one.
        reasons: what got worse, or what failed.
    """

    back_to: str
    reasons: tuple[str, ...]


@dataclasses.dataclass(kw_only=True)
class Upgrade:
    """One rig's upgrade on its way.

    Attributes:
        note: as it stands on the rig.
        resumed: it began in an earlier run.
        before: driver and flavour before, for people.
        baseline: the acceptance before; None where it is kept on another control machine.
        judgement: after against before.
        after: the acceptance with the new driver.
        trouble: why the new driver could not even be checked.
        decision: set where it goes back.
        outcome: ``kept``, ``rolled back``, ``nothing to do``; empty while it is open.
    """

    note: UpgradeRecord
    before: str
    resumed: bool = False
    baseline: Acceptance | None = None
    after: Acceptance | None = None
    judgement: Judgement | None = None
    trouble: DlrigError | None = None
    decision: Decision | None = None
    outcome: str = ""


def said(driver: Driver) -> str:
    """``580.95.05 (open, ubuntu)``."""
    source = driver.record.source if driver.record else ""
    about = ", ".join(filter(None, (driver.flavour, source)))
    return (driver.version or "none") + (f" ({about})" if about else "")


def way_back(driver: Driver) -> str:
    """The kept set of the present driver; empty where it is not kept yet: then it will be the one before."""
    name = driver.record.set if driver.record else ""
    return name if name in driver.sets else ""


def write_note(
    target: Target, settings: Settings, note: UpgradeRecord, password: str | None
) -> None:
    """Note on the rig that an upgrade has begun; once it returns, a power cut does not lose it.

    Raises:
        UnreachableError: the connection was lost.
        ApplyError: it could not be written.
    """
    text = msgspec.json.encode(note).decode()
    draft = f"{NOTE}.new"
    _as_root(
        target,
        settings,
        f"set -e; umask 022; mkdir -p {shlex.quote(NOTE.rpartition('/')[0])}\n"
        f"printf '%s\\n' {shlex.quote(text)} >{draft}\nsync -f {draft}\nmv {draft} {NOTE}\n"
        f"sync -f {NOTE}\n",
        password,
    )


def remove_note(target: Target, settings: Settings, password: str | None) -> None:
    """Note that the upgrade has ended.

    Raises:
        UnreachableError: the connection was lost.
        ApplyError: it could not be removed.
    """
    _as_root(target, settings, f"rm -f {NOTE} {NOTE}.new\n", password)


def _as_root(target: Target, settings: Settings, script: str, password: str | None) -> None:
    with connect(target, settings) as connection:
        done = as_root(connection, target.name, script, password=password, limit=_LIMIT)
    if done.exit_code != 0:
        why = as_text(done.stderr).strip().splitlines()
        raise ApplyError(
            f"{NOTE} cannot be changed: {why[-1] if why else f'exit {done.exit_code}'}",
            where=target.name,
            hint="Is the disk full, or mounted read-only? Then run the same command again.",
            reference="note-unwritable",
        )


def keep_decision(folder: Path, decision: Decision) -> None:
    """Note here that it goes back; ``folder`` is the baseline's."""
    write_file(folder / _DECISION, msgspec.json.encode(decision))


def kept_decision(folder: Path) -> Decision | None:
    """What was decided in a run that was cut."""
    try:
        return decode.json((folder / _DECISION).read_bytes(), Decision)
    except (OSError, msgspec.DecodeError):
        return None


def forget_decision(folder: Path) -> None:
    """It went back."""
    (folder / _DECISION).unlink(missing_ok=True)


def lasting(error: DlrigError) -> bool:
    """Whether an error says that the new driver does not do, not that the way to it was cut."""
    return isinstance(error, ApplyError) and error.reference not in _CUT
