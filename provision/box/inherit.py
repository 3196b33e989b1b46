"""What a box takes over from this machine, so that it reaches what this machine reaches."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import msgspec

from provision.box import archive, certificates, pip_settings
from provision.box.archive import Archive
from provision.box.process import run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from provision.box.systems import Distribution

_APT_OPTIONS = re.compile(
    r'^(Acquire::(?:Check-Valid-Until|Check-Date|Retries|https?::(?:Proxy|Timeout))) "(.*)";$',
    re.MULTILINE,
)
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")
_SECRET = re.compile(r"(?<=://)[^/@\s]+@")


class Inheritance(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of this machine that hold in a box; addresses in it may hold a password.

    Attributes:
        archive: where the distribution's packages come from.
        apt_options: apt.conf(5) option → value.
        authorities: PEM texts.
        pip: pip.conf's global section.
        proxies: environment variable → value.
    """

    archive: Archive = Archive()
    apt_options: dict[str, str] = {}
    authorities: tuple[str, ...] = ()
    pip: dict[str, str] = {}
    proxies: dict[str, str] = {}

    def __repr__(self) -> str:
        return _SECRET.sub("***@", f"Inheritance(archive={self.archive!s}, pip={self.pip})")


def nothing() -> Inheritance:
    """A box that sees the world through its distribution's defaults."""
    return Inheritance()


def from_host(distribution: Distribution) -> Inheritance:
    """Read this machine's settings."""
    return Inheritance(
        archive=archive.find(distribution),
        apt_options=apt_options(run(["apt-config", "dump"]).stdout),
        authorities=certificates.extra(),
        pip=pip_settings.collect(),
        proxies=proxies(os.environ),
    )


def apt_options(dump: str) -> dict[str, str]:
    """Options about reaching an archive, of what ``apt-config dump`` prints."""
    found = dict(_APT_OPTIONS.findall(dump))
    return {
        name: value
        for name, value in found.items()
        if not name.endswith("::Proxy") or value == "DIRECT" or archive.reachable_from_box(value)
    }


def proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """Proxy variables whose proxy a box can reach, in lower and upper case as they were."""
    return {
        name: value
        for name, value in environment.items()
        if name.lower() in _PROXIES
        and value
        and (name.lower() == "no_proxy" or archive.reachable_from_box(value))
    }


def apt_conf(options: Mapping[str, str]) -> str:
    """The text of an apt.conf file."""
    return "".join(f'{name} "{value}";\n' for name, value in sorted(options.items()))


def write(inheritance: Inheritance, root: Path) -> None:
    """Write the settings into a box's root, where an administrator would put them."""
    options = apt_conf(inheritance.apt_options)
    if options:
        (root / "etc/apt/apt.conf.d/90site").write_text(options)
    pip = dict(inheritance.pip)
    if inheritance.authorities:
        pip["cert"] = str(certificates.SYSTEM_BUNDLE)
        _trust(inheritance.authorities, root)
    if pip:
        (root / "etc/pip.conf").write_text(pip_settings.conf(pip))
    if inheritance.proxies:
        lines = [f'{name}="{value}"\n' for name, value in sorted(inheritance.proxies.items())]
        with (root / "etc/environment").open("a") as handle:
            handle.writelines(lines)


def _trust(authorities: tuple[str, ...], root: Path) -> None:
    folder = root / str(certificates.LOCAL_FOLDER).lstrip("/")
    folder.mkdir(parents=True, exist_ok=True)
    for number, pem in enumerate(authorities, start=1):
        (folder / f"site-{number}.crt").write_text(f"{pem}\n")
    run(["chroot", str(root), "update-ca-certificates"])
