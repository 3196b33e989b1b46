"""System services that GPUs need, and what may change packages behind the owner's back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from provision.facts.reading import Reading

if TYPE_CHECKING:
    from provision.facts.reading import Transcript

NAME = "services"
APT = "automatic_upgrades"

PERSISTENCE = "nvidia-persistenced.service"
OWN_PERSISTENCE = "dlrig-persistence.service"
FABRIC = "nvidia-fabricmanager.service"
UPGRADES = "apt-daily-upgrade.timer"

_UNITS = (PERSISTENCE, OWN_PERSISTENCE, FABRIC, UPGRADES)
_PROPERTIES = "Id,LoadState,ActiveState,SubState,UnitFileState,Result"

READINGS: tuple[Reading, ...] = (
    Reading(
        name=NAME,
        command=f"""
[ -d /run/systemd/system ] || {{ echo none; exit 0; }}
systemctl show --no-pager -p {_PROPERTIES} {" ".join(_UNITS)}
""",
        limit=8.0,
    ),
    # Only these keys: others hold proxies with their passwords.
    Reading(
        name=APT,
        command=r"""
command -v apt-config >/dev/null 2>&1 || exit 0
apt-config dump 2>/dev/null | head -n 5000 | grep -E \
  '^(Unattended-Upgrade::(Package-Blacklist::|Automatic-Reboot )|APT::Periodic::(Enable|Unattended-Upgrade) )'
exit 0
""",
    ),
)
MAY_FAIL: frozenset[str] = frozenset()

_SETTING = re.compile(r'(\S{1,100}) "([^"]{0,200})";')
_PLAIN = re.compile(r"\^?[A-Za-z0-9_.|()\\-]{1,120}?(\.\*)?\$?")
_GROUPS = 3


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """A unit of systemd; its words are systemctl(1)'s.

    Attributes:
        there: systemd knows it.
        active: ``active``, ``inactive``, ``failed`` …
        enabled: ``enabled``, ``disabled``, ``static``, ``masked`` …; empty for none.
        result: why it ended: ``success``, ``exit-code`` …
    """

    there: bool = False
    active: str = ""
    enabled: str = ""
    result: str = ""

    @property
    def state(self) -> str:
        """In words: ``failed (exit-code), enabled``."""
        why = f" ({self.result})" if self.result not in {"", "success"} else ""
        return f"{self.active or 'unknown'}{why}, {self.enabled or 'not installed as a unit'}"


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """Services.

    Attributes:
        systemd: it runs here.
        units: by name; one that systemd does not know is there too, with ``there`` false.
        periodic: apt's settings for automatic upgrades, by their last word: ``Enable``, ``Unattended-Upgrade``.
        blacklist: patterns of packages that unattended-upgrades leaves alone.
        reboots: unattended-upgrades restarts the rig by itself.
    """

    systemd: bool = False
    units: dict[str, Unit] = {}
    periodic: dict[str, str] = {}
    blacklist: tuple[str, ...] = ()
    reboots: bool = False

    def unit(self, name: str) -> Unit:
        """One of them."""
        return self.units.get(name, Unit())

    @property
    def upgrades(self) -> bool:
        """Packages are upgraded by themselves, every day or so."""
        every = self.periodic.get("Unattended-Upgrade", "0")
        timer = self.unit(UPGRADES)
        return (
            every not in {"", "0"}
            and self.periodic.get("Enable", "1") != "0"
            and (timer.active == "active" or not self.systemd)
        )

    def spares(self, package: str) -> bool:
        """The blacklist has the package."""
        return any(_begins(pattern, package) for pattern in self.blacklist)


def _begins(pattern: str, package: str) -> bool:
    """Whether a pattern fits the beginning of a name, as unattended-upgrades asks.

    A pattern comes from the rig, and some expressions take for ever: of those with repetitions or many groups it is
    not known whether they fit, which counts as no.
    """
    if not _PLAIN.fullmatch(pattern) or pattern.count("(") > _GROUPS:
        return False
    try:
        return re.match(pattern, package[:200]) is not None
    except (re.error, RecursionError):
        return False


def parse(transcript: Transcript) -> Services:
    """Make sense of the readings."""
    rows = [match for line in transcript.lines(APT) if (match := _SETTING.fullmatch(line.strip()))]
    return Services(
        systemd="Id=" in transcript[NAME].out,
        units=_units(transcript[NAME].out),
        periodic={
            row[1].rpartition("::")[2]: row[2] for row in rows if row[1].startswith("APT::Periodic")
        },
        blacklist=tuple(row[2] for row in rows if "Package-Blacklist" in row[1] and row[2]),
        reboots=any(
            row[1].endswith("Automatic-Reboot") and row[2].lower() in {"true", "yes", "1", "on"}
            for row in rows
        ),
    )


def _units(out: str) -> dict[str, Unit]:
    found = {}
    for block in out.split("\n\n"):
        rows = {key: value for key, _, value in (row.partition("=") for row in block.splitlines())}
        if rows.get("Id") in _UNITS:
            found[rows["Id"]] = Unit(
                there=rows.get("LoadState", "not-found") != "not-found",
                active=rows.get("ActiveState", "")[:50],
                enabled=rows.get("UnitFileState", "")[:50],
                result=rows.get("Result", "")[:50],
            )
    return found
