"""SSH between this machine and a box: keys of its own, and a configuration that trusts nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.box.process import run

if TYPE_CHECKING:
    from pathlib import Path

USERS = {"root": "root", "rigger": "home/rigger", "typist": "home/typist", "guest": "home/guest"}
"""Everyone who may log in, with the home folder below the box's root."""


def create(folder: Path, root: Path, alias: str, address: str, *, first_contact: bool) -> Path:
    """Make the keys, give the box its part, and return this machine's ssh_config(5) file."""
    folder.mkdir(mode=0o700)
    identity = _key(folder / "id_ed25519")
    host_key = root / "etc/ssh/ssh_host_ed25519_key"
    host_public = _key(host_key)
    for user, home in USERS.items():
        _authorize(root, user, home, identity)
    known = folder / "known_hosts"
    kind, blob = host_public.split()[:2]
    known.write_text("" if first_contact else f"{alias},{address} {kind} {blob}\n")
    config = folder / "config"
    config.write_text(_config(folder, alias, address))
    return config


def _key(path: Path) -> str:
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "dlrig-box", "-f", str(path)])
    return path.with_name(f"{path.name}.pub").read_text()


def _authorize(root: Path, user: str, home: str, public: str) -> None:
    folder = root / home / ".ssh"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "authorized_keys").write_text(public)
    script = f"/{home}/.ssh"
    run(["chroot", str(root), "chown", "--recursive", f"{user}:{user}", script])


def _config(folder: Path, alias: str, address: str) -> str:
    return f"""Host {alias}
    HostName {address}
    Port 22
    User root
    IdentityFile "{folder}/id_ed25519"
    IdentitiesOnly yes
    UserKnownHostsFile "{folder}/known_hosts"
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    UpdateHostKeys no
"""
