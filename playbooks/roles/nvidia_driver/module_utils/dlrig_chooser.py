"""The one choice of a driver: candidates asked of apt, proven by simulation, with the reason where nothing fits."""

# ruff: noqa: INP001 - Ansible puts this file into a package of its own on the rig

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.module_utils.dlrig_apt import Apt, Names, Simulation, installed
from ansible.module_utils.dlrig_choice import (
    MODULES,
    NotOfferedError,
    Wish,
    exact,
    from_source,
    kernel_kind,
    leaving,
    metapackages,
    offered,
    other_kernels,
    preferences,
    satisfied,
)
from ansible.module_utils.dlrig_sets import PIN, SETS, every, read

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

SHOWN_LINES = 12


class ChoiceError(Exception):
    """There is no way to the wished driver; the text says why and what to do."""


class Chooser:
    """One choice; asks apt at most once for each thing.

    Args:
        module: with the parameters above.
        apt: what is asked.
        root: of the file system.
    """

    def __init__(self, module: AnsibleModule, apt: Apt, root: Path = Path("/")) -> None:
        self.module = module
        self.apt = apt
        self.root = root
        self.look = module.params["look"]
        self.options = p = module.params["wish"]
        self.names = Names(p["set_patterns"], p["never_patterns"])
        self.kernels = list(dict.fromkeys([self.look["next_kernel"], self.look["kernel"]]))
        self.lists = [self.named(p["packages"]), self.named(p["dkms_packages"])]
        self.wish = Wish(p["source"], p["branch"], p["version"], p["flavour"], p["repository_url"])

    def named(self, packages: list[str]) -> list[str]:
        """With the running kernel's kind, and the chosen headers, put in."""
        kind, headers = kernel_kind(self.look["kernel"]), self.options["headers_package"]
        return [
            headers if headers and name == "linux-headers-{kernel}" else name.format(kernel=kind)
            for name in packages
        ]

    def satisfied(self) -> bool:
        """Whether the rig is as wished already."""
        wish = self.wish
        if self.options["upgrade"] and not wish.version:
            return False
        same: bool = satisfied(self.look, self.look["record"], wish, self.lists)
        return PIN.is_file() and same

    def choose(self) -> dict[str, Any]:
        """What is to be done.

        Raises:
            ChoiceError: nothing fits.
        """
        everything = self.apt.archive([n for n in self.apt.known_names() if n in self.names])
        found = from_source(everything, self.wish.source, self.wish.repository_url)
        reasons = []
        for wanted in [one for one in self.lists if one]:
            try:
                version = self.version(wanted, found)
            except NotOfferedError as error:
                reasons.append((str(error), error.versions))
                continue
            try:
                return self.transaction(wanted, version, exact(found, self.names, version))
            except ChoiceError as error:
                reasons.append((str(error), []))
        kept = self.kept()
        if kept:
            return {**read(SETS / kept / "set.json"), "action": "kept", "kept": kept}
        raise ChoiceError(self.explained(reasons))

    def version(self, wanted: list[str], found: dict[str, Any]) -> str:
        """The upstream version to install, which all of ``wanted`` have."""
        versions = offered(wanted, found, self.names, self.wish.branch)
        look, wish = self.look, self.wish
        stays = (
            not self.options["upgrade"]
            and look["version"] in versions
            and look["flavour"] == wish.flavour
        )
        version = wish.version or (look["version"] if stays else next(iter(versions), ""))
        if version not in versions:
            branch = f"branch {wish.branch}" if wish.branch else "a driver"
            raise NotOfferedError(
                f"the archive no longer has {version}" if version else f"no archive has {branch}",
                versions,
            )
        for name in wanted:
            self.check_modules(name)
        return version

    def check_modules(self, name: str) -> None:
        """Precompiled modules belong to one kernel each: they must be there for the one that boots next."""
        found = MODULES.match(name)
        exact_name = f"{found[1]}-{self.look['next_kernel']}" if found else ""
        if exact_name and not self.apt.archive([exact_name]):
            raise NotOfferedError(
                f"no archive has modules for the kernel {self.look['next_kernel']} yet ({exact_name})",
                [],
            )

    def beside(self, wanted: list[str]) -> list[str]:
        """What else the modules need: those of this very kernel, or its headers and its compiler."""
        modules = [found[1] for name in wanted if (found := MODULES.match(name))]
        if modules:
            return [f"{prefix}-{self.look['next_kernel']}" for prefix in modules]
        headers = [f"linux-headers-{kernel}" for kernel in self.kernels]
        compilers = [f"gcc-{number}" for number in self.compilers()]
        return sorted(self.apt.archive([*headers, *compilers]))

    def compilers(self) -> set[str]:
        """The releases of gcc that the kernels were built with, where that can be read."""
        found = set()
        texts = [self.root / "boot" / f"config-{kernel}" for kernel in self.kernels]
        texts += [self.root / "lib/modules" / kernel / "build/.config" for kernel in self.kernels]
        for path in texts:
            if path.is_file():
                text = path.read_text("utf-8", "replace")
                found |= set(
                    re.findall(r'^CONFIG_CC_VERSION_TEXT=".*?gcc-(\d+)\b', text, re.MULTILINE)
                )
        proc = self.root / "proc"
        running = (proc / "sys/kernel/osrelease").read_text("utf-8").strip()
        if running in self.kernels:
            found |= set(re.findall(r"gcc-(\d+)\b", (proc / "version").read_text("utf-8")))
        return found

    def transaction(self, wanted: list[str], version: str, pins: dict[str, str]) -> dict[str, Any]:
        """The arguments of one apt-get install, proven by simulation."""
        pin, everything = preferences(pins, self.wish), installed(self.module)
        asked, fresh = self.bare(wanted, pins, pin, everything)
        new = {name: v for name, v in fresh.installs.items() if name in self.names}
        present = {n: v for n, v in everything.items() if n in self.names}
        gone = leaving(present, new, version.split(".", maxsplit=1)[0])
        staying = set(present) - set(new) - gone
        followers = {n: pins[n] for n in staying if n in pins}
        driver = {n for n in staying if re.fullmatch(r"\d{3}(\.\d+)+", version_of(present[n]))}
        # An older metapackage of modules may depend on the older modules.
        less = gone | metapackages(staying)
        others = [name for name in asked if name not in new]
        outcome = Simulation({}, set(), "")
        attempts = [(followers, gone), (followers, less), ({}, less | driver)]
        for extra, leave in attempts if less != gone else [attempts[0], attempts[2]]:
            arguments = [*others, *(f"{n}={v}" for n, v in sorted({**new, **extra}.items()))]
            arguments += [f"{name}-" for name in sorted(leave)]
            outcome = self.same_kernel(self.apt.simulate(arguments, pin), wanted, everything)
            if not outcome.error:
                return self.result(wanted, version, pin, arguments, outcome, present)
        raise ChoiceError(shown(outcome.error))

    def bare(
        self, wanted: list[str], pins: dict[str, str], pin: str, everything: dict[str, str]
    ) -> tuple[list[str], Simulation]:
        """What to ask apt for, and what a machine without any package would get.

        Raises:
            ChoiceError: nothing, in any way.
        """
        asked = [*wanted, *self.beside(wanted)]
        exactly = [name for name in asked if name not in metapackages(asked)]
        outcome = Simulation({}, set(), "")
        for several in (asked, exactly) if exactly != asked else (asked,):
            named = [f"{n}={pins[n]}" if n in pins else n for n in several]
            simulated = self.apt.simulate(named, pin, bare=True)
            outcome = self.same_kernel(simulated, wanted, everything)
            if not outcome.error:
                return several, outcome
        raise ChoiceError(shown(outcome.error))

    def same_kernel(
        self, outcome: Simulation, wanted: list[str], everything: dict[str, str]
    ) -> Simulation:
        """A change of precompiled modules that brings another kernel is none: an older driver has no modules for it."""
        kernels = other_kernels(outcome.installs, self.look["next_kernel"], everything)
        if not kernels or not any(MODULES.match(name) for name in wanted):
            return outcome
        return Simulation({}, set(), f"E: another kernel would be installed: {' '.join(kernels)}")

    def result(
        self,
        wanted: list[str],
        version: str,
        pin: str,
        arguments: list[str],
        outcome: Simulation,
        present: dict[str, str],
    ) -> dict[str, Any]:
        """As the module returns it."""
        strangers = sorted(n for n in outcome.removes if n not in self.names)
        if strangers:
            raise ChoiceError(
                f"apt would also remove {' '.join(strangers)}, which depends on the present driver. "
                "Remove it yourself, or keep this driver"
            )
        installs = {n: v for n, v in outcome.installs.items() if n in self.names}
        final = {n: v for n, v in {**present, **installs}.items() if n not in outcome.removes}
        changes = bool(outcome.installs or outcome.removes)
        precompiled = any(MODULES.match(name) for name in wanted)
        return {
            "action": "install" if changes or self.look["class"] != "managed" else "record",
            "version": version,
            "branch": int(version.split(".", maxsplit=1)[0]),
            "packages": final,
            "wanted": wanted,
            "arguments": arguments,
            "preferences": pin,
            "modules": "precompiled" if precompiled else "dkms",
            "installs": [f"{n}={v}" for n, v in sorted(outcome.installs.items())],
            "removes": sorted(outcome.removes),
        }

    def kept(self) -> str:
        """A kept set that is exactly what is wished; empty where there is none."""
        wish = self.wish
        for folder in every() if wish.version else []:
            record = read(folder / "set.json")
            if (record.get("version"), record.get("source"), record.get("flavour")) == (
                wish.version,
                wish.source,
                wish.flavour,
            ):
                return str(folder.name)
        return ""

    def explained(self, reasons: list[tuple[str, list[str]]]) -> str:
        """All that stood in the way, and what there is instead."""
        versions = list(dict.fromkeys(v for _, several in reasons for v in several))
        text = "; ".join(dict.fromkeys(reason for reason, _ in reasons)) or "no packages are wished"
        if versions:
            text += f"; it has {', '.join(versions)}"
        sets = [folder.name for folder in every()]
        return f"{text}; kept sets: {', '.join(sets) or 'none'}"


def version_of(version: str) -> str:
    """Upstream part of a package's version."""
    return version.rpartition(":")[2].rpartition("-")[0]


def shown(error: str) -> str:
    """The lines of apt's complaint that tell something."""
    lines = [line.strip() for line in error.splitlines() if re.match(r"\s|E:|W:", line)]
    lines = lines or error.splitlines()
    return "apt finds no way: " + " ".join(lines[-SHOWN_LINES:])
