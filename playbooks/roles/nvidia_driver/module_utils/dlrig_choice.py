"""From what is wished and what an archive has to one exact version of every package of a driver."""

# ruff: noqa: INP001 - Ansible puts this file into a package of its own on the rig

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ansible.module_utils.dlrig_apt import Names, sort_key, upstream

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ansible.module_utils.dlrig_apt import Available

NVIDIA_HOST = "developer.download.nvidia.com"
MODULES = re.compile(r"(linux-modules-nvidia-\d+(?:-server)?(?:-open)?)-(.+)")
IMAGE = re.compile(r"linux-image-(?:unsigned-)?(\d.+)")
# Packages that say which driver it is: of one release all of them, or the driver does not work.
CORE = re.compile(r"(?:^|-)(?:dkms|smi|utils|headless|driver|drivers|open|cuda1|compute)(?:-|$)")
# Packages of which a rig has those of one flavour and branch only.
EXCLUSIVE = re.compile(
    r"dkms|kernel-(?:source|open)|headless|nvidia-driver(?:-|$)|nvidia-open|cuda-drivers|pinning"
)

# The driver's names as globs: apt compiles a regular expression anew for each of 60,000 package names, minutes long.
REFUSED = (
    "nvidia-* libnvidia-* linux-modules-nvidia-* linux-objects-nvidia-* linux-signatures-nvidia-* "
    "cuda-drivers* libcuda1 firmware-nvidia-* xserver-xorg-video-nvidia*"
)
# Among them, what has releases of its own.
LET_THROUGH = (
    "nvidia-container* libnvidia-container* nvidia-docker* nvidia-cuda-* nvidia-fs* nvidia-gds* "
    "nvidia-nsight* nvidia-profiler nvidia-visual-profiler libnvidia-egl-* libnvidia-ml-dev "
    "nvidia-opencl-dev"
)


class Wish(NamedTuple):
    """What the role was told; see its variables."""

    source: str
    branch: int
    version: str
    flavour: str
    repository_url: str


class NotOfferedError(Exception):
    """The archive lacks what is wished; ``versions`` it has instead."""

    def __init__(self, message: str, versions: list[str]) -> None:
        super().__init__(message)
        self.versions = versions


def kernel_kind(release: str) -> str:
    """The end of a kernel's name that its metapackages share: ``6.1.0-37-cloud-amd64`` → ``cloud-amd64``."""
    return re.sub(r"^[0-9][^-]*-(?:[0-9]+-)?", "", release)


def host(url: str) -> str:
    """The host of a repository; empty for a local one."""
    found = re.match(r"https?://(?:[^/@]*@)?([^/:]+)", url)
    return found[1] if found else ""


def from_source(
    found: Mapping[str, list[Available]], source: str, url: str
) -> dict[str, list[Available]]:
    """Of each package, the versions that come from the wished source."""
    place = re.sub(r"//[^/@]*@", "//", url).rstrip("/")

    def nvidia(origin: str) -> bool:
        return bool(place and place in origin) or "/compute/cuda/repos/" in origin

    kept = {
        name: [one for one in versions if nvidia(one.origin) == (source == "nvidia")]
        for name, versions in found.items()
    }
    return {name: versions for name, versions in kept.items() if versions}


def offered(
    wanted: Iterable[str], found: Mapping[str, list[Available]], names: Names, branch: int
) -> list[str]:
    """The upstream versions that every wanted package has which says what driver it is; newest first.

    Raises:
        NotOfferedError: one of them is in no archive.
    """
    common: set[str] | None = None
    for name in wanted:
        if name not in names or not CORE.search(name) or "pinning" in name or MODULES.match(name):
            continue
        if name not in found:
            raise NotOfferedError(f"no archive of this rig has the package {name}", [])
        mine = {upstream(one.version) for one in found[name]}
        common = mine if common is None else common & mine
    mine = {v for v in common or set() if not branch or v.split(".")[0] == str(branch)}
    return sorted(mine, key=sort_key, reverse=True)


def exact(found: Mapping[str, list[Available]], names: Names, version: str) -> dict[str, str]:
    """Package → its newest revision of the upstream version, for every package of the set that has it."""
    pins = {}
    for name, versions in found.items():
        mine = [one.version for one in versions if upstream(one.version) == version]
        if name in names and mine:
            pins[name] = max(mine, key=sort_key)
    return pins


def preferences(pins: Mapping[str, str], wish: Wish) -> str:
    """Apt's preferences (apt_preferences(5)): this version, from this source, and no other driver.

    The first record that matches counts, so the names that do not belong to a driver come first.
    """
    by_version: dict[str, list[str]] = {}
    for name, version in sorted(pins.items()):
        by_version.setdefault(version, []).append(name)
    refused = ["release o=NVIDIA"]
    where = host(wish.repository_url)
    if where not in {"", NVIDIA_HOST}:
        refused.append(f"origin {where}")
    if wish.source == "nvidia":
        refused = ["release o=Ubuntu", "release o=Debian"]
    lines = ["# Managed by dlrig; a change made here is undone when the driver changes."]
    records = [(" ".join(n), f"version {v}", 1001) for v, n in by_version.items()]
    records += [(LET_THROUGH, pin, 500) for pin in refused]
    records += [(REFUSED, pin, -1) for pin in refused]
    for package, pin, priority in records:
        lines += [f"Package: {package}", f"Pin: {pin}", f"Pin-Priority: {priority}", ""]
    return "\n".join(lines)


def other_kernels(installs: Iterable[str], kernel: str, present: Iterable[str]) -> list[str]:
    """Images of other kernels than ``kernel`` that are not installed yet.

    Ubuntu's metapackage of modules follows the archive's newest kernel, and brings it in spite of every hold.
    """
    found = {name: image[1] for name in installs if (image := IMAGE.fullmatch(name))}
    return sorted(name for name in found.keys() - set(present) if found[name] != kernel)


def metapackages(names: Iterable[str]) -> set[str]:
    """Those of modules, which have no kernel's release in their names."""
    return {n for n in names if (found := MODULES.match(n)) and not found[2][0].isdigit()}


def leaving(present: Mapping[str, str], new: Iterable[str], branch: str) -> set[str]:
    """Installed packages that cannot stay beside the new set: other flavours', other branches'."""
    kept = set(new)
    prefixes = {found[1] for name in kept if (found := MODULES.match(name))}
    gone = set()
    for name in set(present) - kept:
        modules = MODULES.match(name)
        numbers = re.findall(r"-(\d{3})(?=-|:|$)", name)
        other_branch = bool(numbers) and branch not in numbers
        exclusive = bool(EXCLUSIVE.search(name)) or name.startswith("linux-")
        if modules and modules[1] in prefixes:
            exclusive = other_branch = False
        if exclusive or other_branch:
            gone.add(name)
    return gone


def satisfied(
    look: Mapping[str, Any], record: Mapping[str, Any], wish: Wish, wanted: list[list[str]]
) -> bool:
    """Whether the rig has what is wished, so that no archive need be asked.

    Args:
        look: what look.sh found.
        record: the role's own record.
        wish: what the role was told.
        wanted: the lists of packages that it may have been made of.
    """
    return (
        look["class"] == "managed"
        and record.get("source") == wish.source
        and record.get("wanted") in wanted
        and record.get("flavour") == wish.flavour == look["module_flavour"]
        and (not wish.branch or record.get("branch") == wish.branch)
        and wish.version in ("", record.get("version"))
        and look["version"] == look["module_next"] == record.get("version")
        and look["packages"] == record.get("packages")
        and look["next_kernel"] in record.get("kernels", [])
        and record.get("set") in look["sets"]
    )
