"""Whether the driver's libraries can be loaded, from where, and of which version they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from provision.facts.reading import Reading

if TYPE_CHECKING:
    from provision.facts.reading import Transcript

NAME = "driver_libraries"
NVML = "libnvidia-ml.so.1"
CUDA = "libcuda.so.1"

# dlopen itself, by perl, which Debian and Ubuntu call essential (perl-base), and the map of the process then says
# which file it was; elsewhere the dynamic linker, asked to preload. What ldconfig has tells 32 from 64 bit.
_READ = rf"""
for lib in {NVML} {CUDA}; do
  echo "library $lib"
"""
_READ += r"""
  if perl -MDynaLoader -e 1 2>/dev/null; then
    perl -MDynaLoader -e '
      my $h = DynaLoader::dl_load_file($ARGV[0], 0);
      if (!$h) { my $e = DynaLoader::dl_error(); $e =~ s/ at -e line.*//s; print "error $e\n"; exit }
      print "loads yes\n";
      open my $maps, "<", "/proc/self/maps" or exit;
      my ($stem) = $ARGV[0] =~ /^(.*?\.so)/;
      while (<$maps>) { if (m{(/\S*/\Q$stem\E\S*)$}) { print "path $1\n"; last } }' "$lib"
  else
    said=$(LD_PRELOAD=$lib /bin/true 2>&1)
    if [ -n "$said" ]; then printf 'error %s\n' "$said" | head -n 1
    else
      echo "loads yes"
      LD_PRELOAD=$lib LD_TRACE_LOADED_OBJECTS=1 /bin/true 2>/dev/null |
        while read -r name _ file _; do [ "$name" != "$lib" ] || printf 'path %s\n' "$(readlink -f "$file")"; done
    fi
  fi
  { ldconfig -p || /sbin/ldconfig -p; } 2>/dev/null |
    awk -v lib="$lib" '$1 == lib { print "known " (/x86-64|AArch64/ ? "64" : "32") " " $NF }' | head -n 20
done
"""

READINGS: tuple[Reading, ...] = (Reading(name=NAME, command=_READ, limit=10.0),)
MAY_FAIL: frozenset[str] = frozenset()

_VERSION = re.compile(r"\.so\.(\d{3}\.\d{1,4}(?:\.\d{1,4})?)$")
_LONGEST = 300


class Library(msgspec.Struct, frozen=True, kw_only=True):
    """One library.

    Attributes:
        name: ``libcuda.so.1``.
        loads: the dynamic linker loads it; None where nobody asked.
        path: the file that it was loaded from.
        error: the linker's complaint.
        known: files of that name in the linker's cache, for 64 bit.
        other: the same for 32 bit.
    """

    name: str
    loads: bool | None = None
    path: str = ""
    error: str = ""
    known: tuple[str, ...] = ()
    other: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """Of the driver that it belongs to: ``580.95.05``; empty where the file's name has none."""
        match = _VERSION.search(self.path)
        return match[1] if match else ""

    @property
    def stub(self) -> bool:
        """A CUDA toolkit's stand-in to link against: it loads, and every call of it fails."""
        return "/stubs/" in self.path


class Libraries(msgspec.Struct, frozen=True, kw_only=True):
    """Both of them; empty where nobody asked."""

    libraries: tuple[Library, ...] = ()

    def get(self, name: str) -> Library:
        """One of them."""
        return next((one for one in self.libraries if one.name == name), Library(name=name))


def parse(transcript: Transcript) -> Libraries:
    """Make sense of the reading."""
    parts: dict[str, list[tuple[str, str]]] = {}
    rows: list[tuple[str, str]] = []
    for line in transcript.lines(NAME):
        key, _, value = line.partition(" ")
        value = value.strip()[:_LONGEST]
        if key == "library":
            rows = parts.setdefault(value, [])
        else:
            rows.append((key, value))
    return Libraries(
        libraries=tuple(_library(name, parts[name]) for name in (NVML, CUDA) if name in parts)
    )


def _library(name: str, rows: list[tuple[str, str]]) -> Library:
    first: dict[str, str] = {}
    for key, value in rows:
        first.setdefault(key, value)
    known = [value.partition(" ") for key, value in rows if key == "known"]
    return Library(
        name=name,
        loads=True if first.get("loads") == "yes" else False if "error" in first else None,
        path=first.get("path", ""),
        error=first.get("error", ""),
        known=tuple(path for bits, _, path in known if bits == "64"),
        other=tuple(path for bits, _, path in known if bits == "32"),
    )
