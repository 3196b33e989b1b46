"""The environments on the rig, and whether anything in them has changed since they were made."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from provision import decode
from provision.facts.reading import Reading
from provision.layout import ENVIRONMENTS, MINIFORGE, RECORD, UV

if TYPE_CHECKING:
    from provision.facts.reading import Transcript

_LIST = rf"""
[ -d {ENVIRONMENTS} ] || exit 0
cd {ENVIRONMENTS} || exit 1
for e in *; do
  [ -d "$e" ] || continue
  printf '== %s\n' "$e"
  [ -x "$e/bin/python" ] && "$e/bin/python" -S -E -c '' 2>/dev/null && echo '= python runs'
  [ ! -e "$e/conda-meta" ] || echo '= maker conda'
  [ ! -r "$e/{RECORD}" ] || {{ printf '= record '; tr -d '\n' <"$e/{RECORD}"; echo; }}
  for i in "$e"/lib/python3*/site-packages/*.dist-info; do
    [ ! -d "$i" ] || printf -- '- %s\n' "${{i##*/}}"
  done
done
"""

READINGS = (
    Reading(name="environments", command=_LIST, limit=15.0),
    Reading(
        name="makers",
        command=f"[ ! -x {MINIFORGE}/bin/conda ] || echo conda; [ ! -x {UV}/bin/uv ] || echo uv",
    ),
)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What the role ``environments`` wrote when it had made an environment."""

    name: str
    maker: str
    python: str
    requirements: tuple[str, ...]
    wished_python: str = ""
    installed: dict[str, str] = {}


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """One environment as it is now.

    Attributes:
        name: its directory's.
        runs: its interpreter starts.
        record: None where the environment was never finished, or not made by dlrig.
        installed: distribution → version, from the ``*.dist-info`` directories; one that is there twice has
            both versions, joined by `` and ``.
    """

    name: str
    runs: bool
    record: Record | None = None
    installed: dict[str, str] = {}

    @property
    def drift(self) -> tuple[str, ...]:
        """What differs from the record, for people; empty where nothing does, or nothing is recorded."""
        if self.record is None:
            return ()
        was, now = self.record.installed, self.installed
        return (
            *(f"{name} {was[name]} is gone" for name in sorted(was.keys() - now.keys())),
            *(f"{name} {now[name]} was added" for name in sorted(now.keys() - was.keys())),
            *(
                f"{name} {was[name]} became {now[name]}"
                for name in sorted(was.keys() & now.keys())
                if was[name] != now[name]
            ),
        )


class Environments(msgspec.Struct, frozen=True, kw_only=True):
    """Environments by name, and the makers that are installed (``conda``, ``uv``)."""

    present: dict[str, Environment] = {}
    makers: tuple[str, ...] = ()


def parse(transcript: Transcript) -> Environments:
    """Make sense of the listing; a record that cannot be read counts as none."""
    present = {}
    for block in re.split(r"^== ", transcript["environments"].out, flags=re.MULTILINE)[1:]:
        name, _, rest = block.partition("\n")
        lines = rest.splitlines()
        installed: dict[str, str] = {}
        for line in lines:
            if line.startswith("- "):
                distribution, _, version = line[2:].removesuffix(".dist-info").partition("-")
                twice = distribution in installed
                installed[distribution] = (
                    f"{installed[distribution]} and {version}" if twice else version
                )
        present[name] = Environment(
            name=name,
            runs="= python runs" in lines,
            record=_record(lines),
            installed=installed,
        )
    return Environments(present=present, makers=tuple(transcript["makers"].out.split()))


def _record(lines: list[str]) -> Record | None:
    for line in lines:
        if line.startswith("= record "):
            try:
                return decode.json(line.removeprefix("= record "), Record)
            except msgspec.MsgspecError:
                return None
    return None
