"""What apt and dpkg know: installed packages, versions in the archive, what a transaction would do."""

# ruff: noqa: INP001 - Ansible puts this file into a package of its own on the rig

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ansible.module_utils.basic import AnsibleModule

QUIET = {"LC_ALL": "C", "LANG": "C", "DEBIAN_FRONTEND": "noninteractive"}
BUSY = r"Could not get lock|Unable to acquire|Failed to lock|frontend lock|is locked by another"
MIRROR = r"unexpected size|Mirror sync|Hash Sum mismatch|Connection timed out|Temporary failure"
POLL = 10
PREFERENCES = Path("/etc/apt/preferences.d")
SYSTEM_CACHES = Path("/var/cache/apt")
ARCHIVES = SYSTEM_CACHES / "archives"
CACHES = ("pkgcache.bin", "srcpkgcache.bin")


class Available(NamedTuple):
    """One version of a package in an archive."""

    version: str
    origin: str


class Simulation(NamedTuple):
    """What apt would do: package → version for what it installs, names of what it removes."""

    installs: dict[str, str]
    removes: set[str]
    error: str


class Names:
    """Which package names belong to a driver.

    Args:
        wanted: regular expressions, each for a whole name.
        never: names that do not belong to it although one of ``wanted`` matches.
    """

    def __init__(self, wanted: Sequence[str], never: Sequence[str]) -> None:
        self._wanted = re.compile("|".join(f"(?:{one})" for one in wanted) or "$^")
        self._never = re.compile("|".join(f"(?:{one})" for one in never) or "$^")

    def __contains__(self, name: object) -> bool:
        """Whether it does; an architecture behind a colon does not matter."""
        bare = str(name).partition(":")[0]
        return bool(self._wanted.fullmatch(bare)) and not self._never.fullmatch(bare)


def upstream(version: str) -> str:
    """The upstream part of a Debian version (deb-version(7)): ``1:535.261.03-1`` → ``535.261.03``."""
    return version.rpartition(":")[2].rpartition("-")[0] or version.rpartition(":")[2]


def sort_key(version: str) -> list[tuple[int, int | str]]:
    """Orders the versions of one archive's driver packages; not for arbitrary Debian versions."""
    parts = re.findall(r"\d+|[^\d.+~-]+", version)
    return [(1, int(part)) if part.isdigit() else (0, part) for part in parts]


def run(module: AnsibleModule, argv: Sequence[str], *, limit: float = 120) -> tuple[int, str, str]:
    """Run a program in the C locale; ended after ``limit`` seconds (exit code 124)."""
    code, out, err = module.run_command(
        ["timeout", str(int(limit)), *argv], environ_update=QUIET, errors="replace"
    )
    return int(code), str(out), str(err)


def patiently(
    module: AnsibleModule, argv: Sequence[str], *, limit: float, patience: float, also: str = "$^"
) -> tuple[int, str, str]:
    """As ``run``, but again while another package manager works, or where ``also`` is complained of.

    Args:
        module: whose commands they are.
        argv: the program.
        limit: seconds for each attempt.
        patience: seconds after which a busy package manager is not waited for any longer.
        also: regular expression of further complaints that pass by themselves.
    """
    end = time.monotonic() + patience
    while True:
        code, out, err = run(module, argv, limit=limit)
        if not code or not re.search(f"{BUSY}|{also}", err) or time.monotonic() > end:
            return code, out, err
        time.sleep(POLL)


def installed(module: AnsibleModule) -> dict[str, str]:
    """Package → version of all that is installed or unpacked; a foreign architecture is in the name."""
    _, native, _ = run(module, ["dpkg", "--print-architecture"])
    form = "${db:Status-Abbrev}|${Package}|${Version}|${Architecture}\\n"
    _, out, _ = run(module, ["dpkg-query", "--show", f"--showformat={form}"])
    found = {}
    for line in out.splitlines():
        status, name, version, architecture = line.split("|")
        if status[1] not in "nc":
            foreign = architecture not in {native.strip(), "all"}
            found[f"{name}:{architecture}" if foreign else name] = version
    return found


class Apt:
    """Questions to apt that share caches of their own.

    Some systems are told to keep no caches, and then apt reads all package lists anew for each question: seconds.

    Args:
        module: whose commands they are.
        folder: an empty one that is there as long as questions are asked.
        own: name of the file in /etc/apt/preferences.d that simulations imagine anew.
    """

    def __init__(self, module: AnsibleModule, folder: Path, own: str) -> None:
        self._module = module
        self._folder = folder
        self._own = own
        self._begun = False

    def archive(self, names: Iterable[str]) -> dict[str, list[Available]]:
        """Package → its versions in the configured archives, newest first."""
        found: dict[str, list[Available]] = {}
        wanted = sorted(names)
        for begin in range(0, len(wanted), 500):
            for line in self._cache("madison", *wanted[begin : begin + 500]).splitlines():
                name, _, rest = line.partition("|")
                version, _, origin = rest.partition("|")
                if origin.rstrip().endswith("Packages"):
                    found.setdefault(name.strip(), []).append(
                        Available(version.strip(), origin.strip())
                    )
        return found

    def known_names(self) -> list[str]:
        """The names of all packages that apt knows."""
        return self._cache("pkgnames").split()

    def simulate(
        self, arguments: Sequence[str], preferences: str, *, bare: bool = False
    ) -> Simulation:
        """What ``apt-get install`` would do with these arguments.

        Args:
            arguments: as for the real transaction.
            preferences: text that is to be imagined in place of the present one.
            bare: on a machine on which nothing at all is installed.
        """
        parts = self._folder / "preferences"
        shutil.rmtree(parts, ignore_errors=True)
        parts.mkdir()
        for other in PREFERENCES.glob("*"):
            if other.name != self._own and other.is_file():
                (parts / other.name).write_bytes(other.read_bytes())
        (parts / self._own).write_text(preferences, "utf-8")
        options = [f"--option=Dir::Etc::PreferencesParts={parts}", "--option=Debug::NoLocking=true"]
        if bare:
            # Not written twice: apt compares times.
            status = self._folder / "status"
            status.touch(exist_ok=True)
            options.append(f"--option=Dir::State::status={status}")
        options += self._caches("bare.bin" if bare else CACHES[0])
        argv = ["apt-get", "--simulate", "--quiet", *options, *INSTALL, *arguments]
        code, out, err = run(self._module, argv)
        if code:
            return Simulation({}, set(), f"{out}\n{err}".strip())
        installs = dict(re.findall(r"^Inst (\S+) (?:\[\S+\] )?\((\S+)", out, re.MULTILINE))
        removes = set(re.findall(r"^(?:Remv|Purg) (\S+)", out, re.MULTILINE))
        return Simulation(installs, removes, "")

    def _cache(self, *words: str) -> str:
        return run(self._module, ["apt-cache", *self._caches(CACHES[0]), *words])[1]

    def _caches(self, whole: str) -> list[str]:
        """Options: the cache of everything, which knows what is installed, and that of the package lists."""
        for name in () if self._begun else CACHES:
            if (SYSTEM_CACHES / name).is_file():
                # With its time, by which apt tells whether it is still true.
                shutil.copy2(SYSTEM_CACHES / name, self._folder / name)
        self._begun = True
        return [
            f"--option=Dir::Cache::pkgcache={self._folder / whole}",
            f"--option=Dir::Cache::srcpkgcache={self._folder / CACHES[1]}",
        ]


INSTALL = (
    "install",
    "--yes",
    "--no-install-recommends",
    "--allow-downgrades",
    "--allow-change-held-packages",
    "--option=Dpkg::Options::=--force-confold",
    "--option=Dpkg::Options::=--force-confdef",
)
"""The transaction's own words; what to install follows."""
