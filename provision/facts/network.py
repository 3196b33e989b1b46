"""Which repositories and channels the rig reaches, asked from the rig itself."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import msgspec

from provision.facts.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Iterable

    from provision.catalogue.places import Place
    from provision.facts.reading import Transcript

# Whatever the rig has, best first: curl and wget know proxies, certificates and HTTP's answer. Without them
# bash proves that the name resolves and the port opens, and the row says that it proves no more.
_PROBE = r"""
probe() {
  if command -v curl >/dev/null; then
    c=$(curl -sS -o /dev/null -I -L --max-time 4 -w '%{http_code}' "$2" 2>&1) && s=yes || s=no
    printf '%s %s http %s\n' "$1" "$s" "$(printf %s "$c" | tr '\n' ' ' | sed "$SCRUB")"
  elif command -v wget >/dev/null; then
    c=$(wget -q --spider -T 4 -t 1 "$2" 2>&1) && s=yes || s=no
    printf '%s %s http %s\n' "$1" "$s" "$(printf %s "$c" | tr '\n' ' ' | sed "$SCRUB")"
  else
    r=${2#*://}; r=${r%%/*}; r=${r##*@}; h=${r%%:*}
    case "$r" in *:*) p=${r##*:};; *) case "$2" in https:*) p=443;; *) p=80;; esac;; esac
    getent hosts "$h" >/dev/null || { echo "$1 no port the name $h is not known"; return; }
    c=$(timeout 4 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$h" "$p" 2>&1) && s=yes || s=no
    printf '%s %s port %s\n' "$1" "$s" "$(printf %s "$c" | tail -n 1 | sed "$SCRUB")"
  fi
}
"""

# The first archive of apt's sources, in either format.
_APT = r"""
u=$(cat /etc/apt/sources.list.d/*.sources 2>/dev/null \
  | sed -n 's/^URIs:[[:space:]]*\([^[:space:]]*\).*/\1/p' | head -n 1)
[ -n "$u" ] || u=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null \
  | sed -n 's/^deb[[:space:]]*\(\[[^]]*\][[:space:]]*\)*\([^[:space:]]*\).*/\2/p' | head -n 1)
[ -n "$u" ] || { echo 'apt no none apt has no sources'; exit 0; }
case "$u" in http*) probe apt "$u/";; *) echo "apt yes local $u" | sed "$SCRUB";; esac
"""

# The index that pip would use: its configuration's, else the default written in the pip that is installed.
_INDEX = r"""
u=${PIP_INDEX_URL:-}
h=${HOME:-/root}
[ -n "$u" ] || u=$(cat /etc/pip.conf /etc/xdg/pip/pip.conf "$h/.config/pip/pip.conf" "$h/.pip/pip.conf" 2>/dev/null \
  | sed -n 's/^[[:space:]]*index[-_]url[[:space:]]*=[[:space:]]*\([^[:space:]]*\).*/\1/p' | head -n 1)
[ -n "$u" ] || u=$(cat /opt/dlrig/uv/lib/python3*/site-packages/pip/_internal/models/index.py \
  /usr/lib/python3/dist-packages/pip/_internal/models/index.py 2>/dev/null \
  | sed -n 's/.*PackageIndex("\(https:[^"]*\)".*/\1simple\//p' | head -n 1)
[ -n "$u" ] || { echo 'index unknown none pip is not installed yet'; exit 0; }
probe index "$u"
"""


# Only rigs with a GPU of NVIDIA's need it, and a place out of reach costs the others its time limit.
_WITH_GPU = r"""
cat /sys/bus/pci/devices/*/vendor 2>/dev/null | grep -q 0x10de || {
  echo "$1 unknown none no GPU of NVIDIA's needs it"; exit 0; }
"""


def readings(places: Iterable[Place]) -> tuple[Reading, ...]:
    """Ask for the rig's own apt archive and package index, and for other places."""
    return (
        Reading(name="reach_apt", command=_PROBE + _APT, limit=8.0),
        Reading(name="reach_index", command=_PROBE + _INDEX, limit=8.0),
        *(
            Reading(
                name=f"reach_{place.name}",
                command=f"set -- {place.name}{_WITH_GPU if place.with_gpu else ''}{_PROBE}\n"
                f"probe {place.name} {shlex.quote(place.url)}",
                limit=8.0,
            )
            for place in places
        ),
    )


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one place is reached.

    Attributes:
        reached: None where it could not be asked.
        how: ``http`` where a server answered, ``port`` where only the port was opened.
        detail: the HTTP status, or what went wrong.
    """

    reached: bool | None
    how: str = ""
    detail: str = ""


def parse(transcript: Transcript) -> dict[str, Reach]:
    """Place (``apt``, ``index``, ``conda``, ``miniforge``, …) → whether it is reached."""
    found = {}
    for name, outcome in transcript.outcomes.items():
        if not name.startswith("reach_"):
            continue
        place = name.removeprefix("reach_")
        words = outcome.out.split(maxsplit=3)
        if len(words) < 3 or words[1] not in {"yes", "no", "unknown"}:  # noqa: PLR2004 - place, answer, how
            found[place] = Reach(reached=None, detail=outcome.trouble or "no answer")
            continue
        detail = words[3].strip() if len(words) > 3 else ""  # noqa: PLR2004 - the rest
        found[place] = Reach(reached=_reached(words[1], detail), how=words[2], detail=detail)
    return found


def _reached(answer: str, detail: str) -> bool | None:
    if answer == "unknown":
        return None
    # A server's error is an answer, but no use: a proxy that refuses says 403, a dead mirror 5xx.
    # 404 and 405 say that the server is there and this page, or asking for its head alone, is not.
    code = detail[-3:]
    status = int(code) if code.isascii() and code.isdigit() else 0
    return answer == "yes" and not (status in {401, 403, 407} or status >= 500)  # noqa: PLR2004 - HTTP's server errors
