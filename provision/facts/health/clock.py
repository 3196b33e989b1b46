"""Whether the system's clock is kept right."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import msgspec

from provision.facts.reading import Reading, sections, whole

if TYPE_CHECKING:
    from provision.facts.reading import Transcript

NAME = "clock"

# adjtimex(2), asked without a change: what every time service tells the kernel. timedatectl would start a service
# for its answer, so it is asked only where perl or the number of the system call is missing.
_READ = r"""
printf 'now=%s\n' "$(date +%s)"
call=
case $(uname -m) in x86_64) call=159;; aarch64) call=171;; esac
if [ -n "$call" ] && perl -e 1 2>/dev/null; then
  perl -e 'my $b = "\0" x 256; my $s = syscall(shift(@ARGV) + 0, $b); exit 1 if $s < 0;
    my (undef, undef, undef, $max, $est, $status) = unpack "L x4 q q q q l", $b;
    print "state=$s\nmaximum=$max\nestimate=$est\nstatus=$status\n"' "$call" 2>/dev/null || echo denied=yes
fi
if [ -d /run/systemd/system ]; then
  set -- systemd-timesyncd chrony chronyd ntp ntpd ntpsec openntpd
  # One answer for each, in this order.
  systemctl is-active "$@" 2>/dev/null | while read -r state; do
    [ "$state" != active ] || printf 'service %s\n' "$1"
    shift
  done
  [ -n "$call" ] || printf 'synchronised=%s\n' "$(timedatectl show -p NTPSynchronized --value 2>/dev/null)"
fi
exit 0
"""

READINGS: tuple[Reading, ...] = (Reading(name=NAME, command=_READ),)
MAY_FAIL: frozenset[str] = frozenset()

_UNSYNCHRONISED = 0x40
"""STA_UNSYNC of adjtimex(2)."""
_ERROR = 5
"""TIME_ERROR: what adjtimex returns where the clock is not synchronised."""


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """The clock.

    Attributes:
        ahead: seconds that it is before the clock of whoever asked, give or take how long the asking took; None
            where not read.
        synchronised: the kernel was told so by a time service; None where it could not be asked.
        error: seconds that it may be wrong at most, as the kernel reckons; None where not read.
        services: time services that run.
    """

    ahead: float | None = None
    synchronised: bool | None = None
    error: float | None = None
    services: tuple[str, ...] = ()


def parse(transcript: Transcript) -> Clock:
    """Make sense of the reading."""
    out = transcript[NAME].out
    keys = sections(out)
    now, state = whole(keys.get("now", "")), whole(keys.get("state", ""))
    status, maximum = whole(keys.get("status", "")), whole(keys.get("maximum", ""))
    synchronised = {"yes": True, "no": False}.get(keys.get("synchronised", ""))
    if state is not None and status is not None:
        synchronised = state != _ERROR and not status & _UNSYNCHRONISED
    return Clock(
        ahead=_ahead(now, transcript.taken),
        synchronised=synchronised,
        error=maximum / 1e6 if maximum is not None and state is not None else None,
        services=tuple(
            line.removeprefix("service ")[:50]
            for line in out.splitlines()
            if line.startswith("service ")
        )[:10],
    )


def _ahead(now: int | None, taken: str) -> float | None:
    try:
        asked = dt.datetime.fromisoformat(taken).timestamp()
    except (ValueError, OverflowError):
        return None
    return now - asked if now is not None else None
