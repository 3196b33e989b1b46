"""What a login finds: variables that change how CUDA works, and limits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from provision.facts.reading import Reading, sections, whole

if TYPE_CHECKING:
    from provision.facts.reading import Transcript

ENVIRONMENT = "login_environment"
LIMITS = "login_limits"

PATHS = "LD_LIBRARY_PATH"
VARIABLES = (
    # Those that DCGM's software test refuses.
    *("NSIGHT_CUDA_DEBUGGER", "CUDA_INJECTION32_PATH", "CUDA_INJECTION64_PATH", "CUDA_AUTO_BOOST"),
    *("CUDA_ENABLE_COREDUMP_ON_EXCEPTION", "CUDA_COREDUMP_FILE", "CUDA_DEVICE_WAITS_ON_EXCEPTION"),
    *("CUDA_PROFILE", "COMPUTE_PROFILE", "OPENCL_PROFILE"),
    # For one run they are of use; for every program of every login they are a trap.
    *("CUDA_VISIBLE_DEVICES", "CUDA_LAUNCH_BLOCKING", "NVIDIA_TF32_OVERRIDE", "LD_PRELOAD", PATHS),
)
"""What is looked for. Only names leave the rig, and the value of ``LD_LIBRARY_PATH``, which is no secret."""

_READ = r"""
home=$(getent passwd "$DLRIG_LOGIN" 2>/dev/null | cut -d: -f6)
printf 'home=%s\n' "${home:--}"
set --
for f in /etc/environment /etc/environment.d/*.conf /etc/security/pam_env.conf /etc/profile /etc/profile.d/*.sh \
  /etc/bash.bashrc /etc/zsh/zshenv /etc/zsh/zprofile /etc/systemd/system.conf /etc/systemd/system.conf.d/*.conf \
  ${home:+"$home/.profile" "$home/.bash_profile" "$home/.bash_login" "$home/.bashrc" "$home/.zshenv" "$home/.zprofile" \
  "$home/.zshrc" "$home/.pam_environment" "$home/.ssh/environment" "$home"/.config/environment.d/*.conf}
do
  if [ -f "$f" ] && [ ! -r "$f" ]; then printf 'closed %s\n' "$f"; elif [ -f "$f" ]; then set -- "$@" "$f"; fi
done
[ $# = 0 ] || awk -v names='NAMES' '
  function tell(value) { if (name != "LD_LIBRARY_PATH") value = ""
    print "set " FILENAME ":" FNR " " name " " substr(value, 1, 300) }
  function command(line,   n, i, w, exported, word) {
    sub(/^[ \t]+/, "", line)
    while (sub(/^(export|declare -x|typeset -x)[ \t]+/, "", line)) exported = 1
    n = split(line, word, /[ \t]+/)
    for (i = 1; i <= n && i <= 20; i++) {
      w = word[i]; gsub(/^["\047]+/, "", w)
      if (w !~ /^[A-Za-z_][A-Za-z_0-9]*(=|$)/) return
      name = w; sub(/=.*/, "", name)
      if (name !~ "^(" names ")$") { if (w ~ /=/) continue; return }
      if (w ~ /=/) {
        # NAME=value program: for that program alone.
        if (!exported && word[i + 1] !~ /^(["\047]*[A-Za-z_][A-Za-z_0-9]*=|#|$)/) return
        sub(/^[^=]*=/, "", w); gsub(/["\047]/, "", w); tell(w)
      } else if (word[i + 1] ~ /^(DEFAULT|OVERRIDE)=/) {
        w = word[i + 1]; sub(/^[A-Z]*=/, "", w); gsub(/["\047]/, "", w); tell(w)
      }
    }
  }
  FNR > 20000 { next }
  {
    line = $0; sub(/^[ \t]+/, "", line)
    if (line == "" || line ~ /^#/) next
    sub(/^(DefaultEnvironment|ManagerEnvironment)=/, "", line)
    parts = split(line, part, /;|&&/)
    for (p = 1; p <= parts && p <= 20; p++) command(part[p])
  }' "$@" 2>/dev/null | head -n 200
[ ! -d /run/systemd/system ] || systemctl show-environment 2>/dev/null |
  awk -F= -v names='NAMES' '$1 ~ "^(" names ")$" {
    print "set systemd " $1 " " ($1 == "LD_LIBRARY_PATH" ? substr($0, length($1) + 2, 300) : "") }'
exit 0
""".replace("NAMES", "|".join(VARIABLES))

# The limits that the login really got: those of the nearest process above this one that is the login's own.
_LIMITS = r"""
uid=$(id -u "$DLRIG_LOGIN" 2>/dev/null) || exit 0
p=$$ n=0
while [ "${p:-0}" -gt 1 ] && [ "$n" -lt 40 ]; do
  n=$((n + 1)) parent=0 owner=-
  while read -r key value _; do
    case $key in PPid:) parent=$value;; Uid:) owner=$value;; esac
  done <"/proc/$p/status"
  if [ "$owner" = "$uid" ] && [ -r "/proc/$p/limits" ]; then
    sed -n 's/^Max \(locked memory\|open files\)  *\([a-z0-9]*\)  *\([a-z0-9]*\).*/\1=\2 \3/p' "/proc/$p/limits"
    printf 'within=%s\n' "$(grep -oE '[^/]+\.(service|scope)$' "/proc/$p/cgroup" 2>/dev/null | tail -n 1)"
    exit 0
  fi
  p=$parent
done
"""

READINGS: tuple[Reading, ...] = (
    Reading(name=ENVIRONMENT, command=_READ, limit=6.0),
    Reading(name=LIMITS, command=_LIMITS),
)
MAY_FAIL: frozenset[str] = frozenset()

UNLIMITED = 2**63 - 1
_SET = re.compile(r"set (\S{1,300}) ([A-Z0-9_]{1,60}) ?(.{0,300})")
_LOGINS = re.compile(r"session-.*\.scope|user@.*\.service|sshd?(@.*)?\.service|.*getty@.*\.service")


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """A variable that is set for every login or service.

    Attributes:
        where: file and line, or ``systemd``.
        name: the variable.
        value: that of ``LD_LIBRARY_PATH``; empty for others.
    """

    where: str
    name: str
    value: str = ""


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A login.

    Attributes:
        settings: variables of ``VARIABLES`` that are set.
        closed: files that could not be read.
        read: somebody looked.
        memlock: bytes that it may lock in memory (soft limit); ``UNLIMITED`` for no limit; None where not measured.
        memlock_most: up to which it may raise that by itself (hard limit).
        nofile, nofile_most: the same of files that it may have open.
        within: the service or session that was measured in; empty where systemd has none.
    """

    settings: tuple[Setting, ...] = ()
    closed: tuple[str, ...] = ()
    read: bool = False
    memlock: int | None = None
    memlock_most: int | None = None
    nofile: int | None = None
    nofile_most: int | None = None
    within: str = ""

    @property
    def login(self) -> bool:
        """What was measured is a login's, not a service's."""
        return not self.within.endswith(".service") or bool(_LOGINS.fullmatch(self.within))


def parse(transcript: Transcript) -> User:
    """Make sense of the readings."""
    out = transcript[ENVIRONMENT].out
    lines = out.splitlines()
    rows = (_SET.fullmatch(line.rstrip()) for line in lines)
    limits = sections(transcript[LIMITS].out)
    return User(
        settings=tuple(
            Setting(where=row[1], name=row[2], value=row[3] if row[2] == PATHS else "")
            for row in rows
            if row and row[2] in VARIABLES
        ),
        closed=tuple(
            line.removeprefix("closed ")[:300] for line in lines if line.startswith("closed ")
        ),
        read="home=" in out,
        memlock=_limit(limits.get("locked memory", ""), 0),
        memlock_most=_limit(limits.get("locked memory", ""), 1),
        nofile=_limit(limits.get("open files", ""), 0),
        nofile_most=_limit(limits.get("open files", ""), 1),
        within=limits.get("within", "")[:200],
    )


def _limit(text: str, place: int) -> int | None:
    """Of a pair, the soft one (0) or the hard one (1)."""
    word = text.partition(" ")[2 * place]
    return UNLIMITED if word == "unlimited" else whole(word)
