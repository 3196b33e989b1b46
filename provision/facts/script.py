"""One script asks a rig everything in one round trip; this composes it and takes its answer apart.

The script is POSIX shell and needs nothing but the packages that Debian and Ubuntu call essential: the rig
may have no Python yet. All readings run side by side, each under ``timeout`` and a limit on its output; the
script never waits for one that cannot be killed (a process stuck in the kernel), so a hung reading costs its
own limit and nothing else. Answers come back as one tar stream behind a token that nothing else prints, so
login banners and hostile output cannot be mistaken for an answer.
"""

from __future__ import annotations

import io
import math
import shlex
import tarfile
from typing import TYPE_CHECKING

from provision.facts.reading import Outcome, as_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from provision.facts.reading import Reading

MAX_OUTPUT_KIB = 4096
"""What one reading may print; dpkg's list of a full desktop is about 300 KiB."""

_KILLED = {124, 137}
"""Exit codes of ``timeout`` when the limit ended the command, softly or by force."""

_HEAD = r"""set -u
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; LC_ALL=C; export PATH LC_ALL
[ ! -r /etc/environment ] || { set -a; . /etc/environment 2>/dev/null; set +a; }
SCRUB='s#//[^/@[:space:]]*@#//***@#g'; export SCRUB
umask 077
d=$(mktemp -d /dev/shm/dlrig.XXXXXXXX 2>/dev/null || mktemp -d /tmp/dlrig.XXXXXXXX) || exit 70
trap 'rm -rf "$d"' EXIT
trap 'exit 75' HUP INT TERM PIPE
cd "$d" || exit 70
n=0
: >codes
r() {
  n=$((n + 1))
  ( ulimit -f LIMIT 2>/dev/null
    timeout -k 1 "$2" sh -c "$3" >"$1.out" 2>"$1.err" </dev/null
    echo "$1 $?" >>codes ) &
}
"""

# By the clock, since on a slow rig a round takes many times its sleep; rounds end it where there is no clock.
_TAIL = r"""
clock() { read -r up _ 2>/dev/null </proc/uptime || up=0; up=${up%%.*}; }
clock; end=$((up + SECONDS)); i=0
while [ "$i" -lt ROUNDS ] && [ "$up" -lt "$end" ]; do
  m=0; while read -r _; do m=$((m + 1)); done <codes
  [ "$m" -lt "$n" ] || break
  i=$((i + 1)); sleep 0.02; clock
done
printf '\n%s %s %s\n' 'TOKEN' "${DLRIG_HOW:-none}" "${DLRIG_LOGIN:-unknown}"
tar -cf - -- *
"""


def compose(readings: Iterable[Reading], token: str) -> bytes:
    """The script that takes all ``readings``; ``token`` is a random word that marks where the answer begins."""
    asked = tuple(readings)
    # A little longer than the slowest reading may take, its kill included; then whatever is there is sent.
    patience = max(reading.limit for reading in asked) + 2.0
    calls = "\n".join(
        f"r {reading.name} {reading.limit:g} {shlex.quote(reading.command)}" for reading in asked
    )
    # `ulimit -f` counts blocks of 512 bytes in dash, of 1024 in bash.
    head = _HEAD.replace("LIMIT", str(MAX_OUTPUT_KIB * 2))
    tail = _TAIL.replace("ROUNDS", str(int(patience / 0.02)))
    tail = tail.replace("SECONDS", str(math.ceil(patience))).replace("TOKEN", token)
    return (head + calls + tail).encode()


def take_apart(stream: bytes, token: str) -> tuple[str, str, dict[str, Outcome]]:
    """The script's answer as (how it became root, login name, outcomes by name).

    Raises:
        ValueError: the stream does not hold a whole answer.
    """
    mark = f"\n{token} ".encode()
    start = stream.find(mark)
    if start < 0:
        raise ValueError("the rig's answer lacks its beginning")
    head, newline, body = stream[start + 1 :].partition(b"\n")
    words = as_text(head).split()
    if not newline or len(words) != 3:  # noqa: PLR2004 - token, how, login
        raise ValueError("the rig's answer has a broken first line")
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(body), mode="r:") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                if content is not None:
                    files[member.name] = content.read(MAX_OUTPUT_KIB * 1024)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ValueError(f"the rig's answer is cut or broken: {error}") from error
    return words[1], words[2], _outcomes(files)


def _outcomes(files: dict[str, bytes]) -> dict[str, Outcome]:
    codes = _codes(as_text(files.get("codes", b"")))
    outcomes: dict[str, Outcome] = {}
    for name in sorted(name.removesuffix(".out") for name in files if name.endswith(".out")):
        exit_code = codes.get(name)
        outcomes[name] = Outcome(
            exit_code=exit_code,
            out=as_text(files.get(f"{name}.out", b"")),
            err=as_text(files.get(f"{name}.err", b"")),
            hung=exit_code is None or exit_code in _KILLED,
        )
    return outcomes


def _codes(text: str) -> dict[str, int]:
    """Exit codes by reading, from lines ``name code``; others are passed over."""
    codes = {}
    for line in text.splitlines():
        name, _, code = line.partition(" ")
        if code.isascii() and code.isdigit() and len(code) < 4:  # noqa: PLR2004 - 0 to 255
            codes[name] = int(code)
    return codes
