"""Restart a rig and wait until it is really back: another boot, its services started.

A restart is due where the driver that is loaded is not the one that is installed. Before it, the module must
exist for the kernel that boots next, or the rig would come back without a driver.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from provision import decode
from provision.become import as_root
from provision.connection import connect
from provision.errors import ApplyError, UnreachableError
from provision.facts.reading import as_text
from provision.facts.watch import MARK
from provision.state import state_folder, write_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from provision.connection import Settings
    from provision.facts import Facts
    from provision.target import Target

LIMIT = 900.0
"""Seconds that a rig may take to come back; servers with much memory test it for minutes."""

_POLL = 2.0
_KNOCK = 10.0
"""Seconds for one attempt to connect."""

_SETTLE = 180.0
"""Seconds that services may go on starting once SSH answers; then it goes on, and the checks see what is missing."""

_ASK = "cat /proc/sys/kernel/random/boot_id; systemctl is-system-running 2>/dev/null || true"
_STARTING = {"initializing", "starting"}
_NEVER = {"host-key-changed", "host-key-unknown"}
"""Obstacles that waiting does not remove."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """That a restart was due: for which driver, and in which boot."""

    boot_id: str
    installed: str


def due(facts: Facts) -> bool:
    """Whether another driver is installed than is loaded."""
    driver = facts.driver
    return bool(facts.gpus and driver.version and driver.version != driver.loaded)


def in_vain(facts: Facts) -> bool:
    """Whether it was restarted for this very reason already: another time would change nothing."""
    try:
        asked = decode.json(_note(facts).read_bytes(), Asked)
    except (OSError, msgspec.DecodeError):
        return False
    return asked.installed == facts.driver.version and asked.boot_id != facts.system.boot_id


def remember(facts: Facts) -> None:
    """Note that a restart is due; forgotten once it is not."""
    asked = Asked(boot_id=facts.system.boot_id, installed=facts.driver.version)
    write_file(_note(facts), msgspec.json.encode(asked))


def forget(facts: Facts) -> None:
    """The loaded driver is the installed one."""
    _note(facts).unlink(missing_ok=True)


def _note(facts: Facts) -> Path:
    return state_folder() / f"restart-{facts.system.machine or 'unknown'}.json"


def require_module(facts: Facts) -> None:
    """Prove that the driver has its module for the kernel that boots next.

    Raises:
        ApplyError: it has not.
    """
    driver = facts.driver
    if driver.module_next == driver.version:
        return
    kernel = driver.next_kernel or "the next kernel"
    there = f"only {driver.module_next}" if driver.module_next else "none"
    dkms = f" DKMS says: {'; '.join(driver.dkms)}." if driver.dkms else ""
    headers = (
        f"Install that kernel's headers (sudo apt install linux-headers-{driver.next_kernel}) and run "
        if driver.headers is False
        else "See /var/lib/dkms/nvidia*/*/build/make.log there, then run "
    )
    raise ApplyError(
        f"it was not restarted: driver {driver.version} is installed, and for {kernel}, which boots next, "
        f"there is {there} of its kernel modules",
        where=facts.target,
        hint=f"{headers}the same command again.{dkms}",
        reference="module-missing",
    )


def is_here(facts: Facts) -> bool:
    """Whether it is this very machine, by whatever name: it cannot wait for its own restart."""
    try:
        own = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return False
    return bool(own) and own == facts.system.boot_id


def restart(
    target: Target,
    settings: Settings,
    *,
    boot_id: str,
    password: str | None = None,
    limit: float = LIMIT,
    on_state: Callable[[str], None] = lambda _: None,
) -> float:
    """Restart a rig; returns the seconds until it was back.

    Args:
        target: which.
        settings: how to connect; nobody is asked, and host keys must be known by now.
        boot_id: of the boot that is to end.
        password: sudo's, where one is needed.
        limit: seconds.
        on_state: sees what it is doing, as it changes.

    Raises:
        ApplyError: it refused, or did not come back in time.
        UnreachableError: it could not be reached before, or came back with another host key.
    """
    begin = time.monotonic()
    quiet = msgspec.structs.replace(settings, ask=None, accept_new=False)
    on_state("going down")
    _go_down(target, quiet, password)
    _come_back(target, quiet, boot_id, limit, on_state)
    return time.monotonic() - begin


def _go_down(target: Target, settings: Settings, password: str | None) -> None:
    with connect(target, settings) as connection:
        try:
            # systemd takes the order and carries it out itself: it does not depend on this connection.
            done = as_root(
                connection, target.name, f"{MARK}\nsystemctl reboot\n", password=password, limit=60
            )
        except UnreachableError:
            # It can be quicker than its answer; whether it restarts is seen by its boot id.
            return
    if done.exit_code != 0 and not done.timed_out:
        said = as_text(done.stderr).strip().splitlines()
        raise ApplyError(
            f"it refused to restart: {said[-1] if said else f'systemctl exited with {done.exit_code}'}",
            where=target.name,
            hint="Restart it by hand (sudo reboot), then run the same command again: it goes on from there.",
            reference="reboot-refused",
        )


def _come_back(
    target: Target,
    settings: Settings,
    boot_id: str,
    limit: float,
    on_state: Callable[[str], None],
) -> None:
    knock = msgspec.structs.replace(settings, connect_limit=min(_KNOCK, settings.connect_limit))
    deadline = time.monotonic() + limit
    settled = deadline
    went_down, answered, last = False, False, ""
    while time.monotonic() < min(deadline, settled):
        time.sleep(_POLL)
        try:
            now, services = _look(target, knock)
        except UnreachableError as error:
            if error.reference in _NEVER:
                raise
            went_down, last = True, error.what
            on_state("not answering yet")
            continue
        if not now or now == boot_id:
            on_state("going down")
            continue
        if services not in _STARTING:
            return
        if not answered:
            answered, settled = True, min(deadline, time.monotonic() + _SETTLE)
        on_state("starting its services")
    if not answered:
        raise _did_not_come_back(target, limit, last if went_down else "")


def _look(target: Target, settings: Settings) -> tuple[str, str]:
    """The identity of its boot, and systemd's own word for how far it is."""
    with connect(target, settings) as connection:
        told = connection.run(["sh", "-c", _ASK], limit=_KNOCK)
    lines = [*as_text(told.stdout).split(), "", ""]
    return lines[0], lines[1]


def _did_not_come_back(target: Target, limit: float, why: str) -> ApplyError:
    what = (
        f"it was restarted and did not come back within {limit:.0f} s: {why}"
        if why
        else f"it was told to restart, and {limit:.0f} s later it still runs as before"
    )
    return ApplyError(
        what,
        where=target.name,
        hint="Look at its console (a monitor, the BMC, the hoster's page): it may wait for a passphrase or a disk "
        "check, or hang in a new kernel; then choose the former one in the boot menu. When it answers, run the "
        "same command again: it goes on from there. A slow machine needs a larger --reboot-limit.",
        reference="did-not-come-back",
    )
