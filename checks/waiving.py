"""The waivers of a session (``--waivers``); the rules are in ``provision.waivers``."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import msgspec
import pytest

from checks import options
from provision import decode, waivers
from provision.waivers import Waiver

if TYPE_CHECKING:
    from provision.results import Result


class Waivers(msgspec.Struct, frozen=True, kw_only=True):
    """Those that were given, and the day on which they are judged (UTC)."""

    today: dt.date
    given: tuple[Waiver, ...] = ()

    def on(self, result: Result) -> Result:
        """The result, waived where one says so."""
        return waivers.apply(result, self.given, self.today)

    def stale(self, results: list[Result], *, whole: bool) -> tuple[Result, ...]:
        """A warning for each that is over or not needed; see ``provision.waivers.stale``."""
        return waivers.stale(self.given, results, self.today, whole=whole)


WAIVERS = pytest.StashKey[Waivers]()


def read(config: pytest.Config) -> Waivers:
    """The files that the option names.

    Raises:
        UsageError: one is wrong.
    """
    today = dt.datetime.now(dt.UTC).date()
    files = options.given_files(config, "--waivers")
    return Waivers(today=today, given=waivers.read_all(files, today))


def pack(known: Waivers) -> str:
    """As text, for xdist's workers."""
    return msgspec.json.encode(known).decode()


def unpack(text: str) -> Waivers:
    """The waivers, in a worker."""
    return decode.json(text, Waivers)
