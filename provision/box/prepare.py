"""What is written into a box's root before its first boot."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from provision.box import archive, inherit, subnet
from provision.box.process import run
from provision.box.systems import table

if TYPE_CHECKING:
    from pathlib import Path

    from provision.box.inherit import Inheritance
    from provision.box.settings import Settings
    from provision.box.systems import System


def prepare(
    root: Path, name: str, system: System, settings: Settings, inheritance: Inheritance
) -> None:
    """Give the root its name, identity, resolver, sources and site settings."""
    (root / "etc/hostname").write_text(f"{name}\n")
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {name}\n")
    (root / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n")
    resolver = root / "etc/resolv.conf"
    resolver.unlink(missing_ok=True)
    resolver.write_text("" if settings.network == "none" else subnet.resolv_conf())
    distribution = table().distributions[system.distribution]
    sources = archive.deb822_sources(system, distribution, inheritance.archive)
    if sources:
        (root / "etc/apt/sources.list").unlink(missing_ok=True)
        (root / f"etc/apt/sources.list.d/{system.distribution}.sources").write_text(sources)
    inherit.write(inheritance, root)
    if system.os_release:
        release = root / "etc/os-release"
        release.unlink(missing_ok=True)
        release.write_text("".join(f'{k}="{v}"\n' for k, v in system.os_release.items()))


def set_password(root: Path, user: str, password: str) -> None:
    """Set a user's password; it goes over standard input, which other users cannot see."""
    run(["chroot", str(root), "chpasswd"], stdin=f"{user}:{password}\n")
