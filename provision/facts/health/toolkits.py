"""The CUDA toolkits that are installed, the default one, and the compilers that nvcc would call."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from provision.facts.reading import Reading, sections, whole

if TYPE_CHECKING:
    from provision.facts.reading import Transcript

NAME = "cuda_toolkits"

_READ = r"""
for c in /usr/local/cuda-[0-9]*/bin/nvcc /usr/bin/nvcc /usr/local/cuda/bin/nvcc; do
  [ -e "$c" ] || continue
  root=${c%/bin/nvcc}
  real=$(readlink -f "$root")
  case " ${seen:-} " in *" $real "*) continue;; esac
  seen="${seen:-} $real"
  version=$(timeout 3 "$c" --version 2>/dev/null | sed -n 's/.*release [0-9.]*, V\([0-9.]*\).*/\1/p' | head -n 1)
  [ -e "$root/include/cuda_runtime.h" ] && headers=yes || headers=no
  printf 'nvcc %s %s %s\n' "${version:--}" "$headers" "$root"
done | head -n 20
if [ -L /usr/local/cuda ] || [ -e /usr/local/cuda ]; then
  printf 'link=%s\n' "$(readlink -f /usr/local/cuda)"
  [ -x /usr/local/cuda/bin/nvcc ] && echo default=yes || echo default=no
fi
printf 'gcc=%s\n' "$(gcc -dumpversion 2>/dev/null | head -n 1)"
printf 'gxx=%s\n' "$(g++ -dumpversion 2>/dev/null | head -n 1)"
for c in /usr/bin/g++-[0-9]*; do [ ! -x "$c" ] || printf 'compiler %s\n' "${c##*-}"; done | head -n 20
exit 0
"""

READINGS: tuple[Reading, ...] = (Reading(name=NAME, command=_READ, limit=10.0),)
MAY_FAIL: frozenset[str] = frozenset()

_NVCC = re.compile(r"nvcc (-|\d{1,3}\.\d{1,3}(?:\.\d{1,5})?) (yes|no) (/\S{1,200})")
_MAJOR = re.compile(r"\d{1,3}")


class Toolkit(msgspec.Struct, frozen=True, kw_only=True):
    """A toolkit with a compiler.

    Attributes:
        version: nvcc's own, ``12.9.86``; empty where it does not start.
        path: ``/usr/local/cuda-12.9``, or ``/usr``.
        headers: those of the runtime lie beside it.
    """

    version: str
    path: str
    headers: bool = False

    @property
    def series(self) -> str:
        """``12.9``."""
        return ".".join(self.version.split(".")[:2])


class Toolkits(msgspec.Struct, frozen=True, kw_only=True):
    """All of them.

    Attributes:
        toolkits: where there is an nvcc.
        link: where /usr/local/cuda leads; empty where it is missing.
        default: an nvcc can be run through it.
        gcc: major version of ``gcc``; None for none.
        gxx: of ``g++``.
        compilers: of every ``g++-N``.
    """

    toolkits: tuple[Toolkit, ...] = ()
    link: str = ""
    default: bool = False
    gcc: int | None = None
    gxx: int | None = None
    compilers: tuple[int, ...] = ()

    def get(self, series: str) -> Toolkit | None:
        """The toolkit of that series, e.g. ``12.9``."""
        return next((one for one in self.toolkits if one.series == series), None)


def parse(transcript: Transcript) -> Toolkits:
    """Make sense of the reading."""
    out = transcript[NAME].out
    keys = sections(out)
    rows = (_NVCC.fullmatch(line) for line in out.splitlines())
    compilers = (
        whole(line.removeprefix("compiler "))
        for line in out.splitlines()
        if line.startswith("compiler ")
    )
    return Toolkits(
        toolkits=tuple(
            Toolkit(version=row[1].strip("-"), headers=row[2] == "yes", path=row[3])
            for row in rows
            if row
        ),
        link=keys.get("link", "")[:300],
        default=keys.get("default") == "yes",
        gcc=_major(keys.get("gcc", "")),
        gxx=_major(keys.get("gxx", "")),
        compilers=tuple(sorted(number for number in compilers if number is not None)),
    )


def _major(version: str) -> int | None:
    match = _MAJOR.match(version)
    return whole(match.group()) if match else None
