"""Trust in a rig's SSH key: what OpenSSH trusts, this trusts, and nothing else without being told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from paramiko.client import MissingHostKeyPolicy

from provision.errors import UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from paramiko import PKey, SSHClient

    from provision.connection import Settings

_USER_FILES = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_SYSTEM_FILES = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")


class KnownHosts:
    """The files of known hosts that apply to one connection.

    Args:
        user_files: from the SSH config's ``UserKnownHostsFile``; empty for OpenSSH's defaults. A key that
            the user accepts is appended to the first.
        system_files: from ``GlobalKnownHostsFile``.
    """

    def __init__(self, user_files: Iterable[str] = (), system_files: Iterable[str] = ()) -> None:
        self.user_files = [Path(name).expanduser() for name in tuple(user_files) or _USER_FILES]
        self.system_files = [
            Path(name).expanduser() for name in tuple(system_files) or _SYSTEM_FILES
        ]

    def load_into(self, client: SSHClient) -> None:
        """Make the client trust what these files hold."""
        for path in (*self.system_files, *self.user_files):
            if path.is_file():
                # "System" keys are never written back, so the user's comments and order survive.
                client.load_system_host_keys(str(path))

    def remember(self, hostname: str, key: PKey) -> Path:
        """Append a key, in OpenSSH's format; returns the file.

        Raises:
            OSError: the file cannot be written.
        """
        path = self.user_files[0]
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        before = path.read_bytes() if path.exists() else b""
        with path.open("a") as file:
            if before and not before.endswith(b"\n"):
                file.write("\n")
            file.write(f"{hostname} {key.get_name()} {key.get_base64()}\n")
        return path


class AskAboutNewKeys(MissingHostKeyPolicy):
    """On first contact: shows the fingerprint and asks, or accepts where the user said so beforehand."""

    def __init__(self, known: KnownHosts, settings: Settings, rig: str) -> None:
        self._known = known
        self._settings = settings
        self._rig = rig

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None:  # noqa: ARG002 - paramiko's signature
        """Accept and remember the key, or refuse the connection."""
        fingerprint = key.fingerprint
        question = (
            f"{self._rig} has never been seen from here. "
            f"Its {key.get_name()} key has the fingerprint\n  {fingerprint}\nTrust it from now on?"
        )
        if not self._settings.accept_new and self._settings.ask is None:
            raise UnreachableError(
                f"its host key is not known here ({key.get_name()} {fingerprint})",
                where=self._rig,
                hint="Compare the fingerprint with the rig's own (ssh-keygen -lf "
                "/etc/ssh/ssh_host_ed25519_key.pub), then run this in a terminal, or add --accept-new.",
                reference="host-key-unknown",
            )
        if not self._settings.accept_new and not (
            self._settings.ask and self._settings.ask(question)
        ):
            raise UnreachableError(
                "you did not trust its host key; nothing was done",
                where=self._rig,
                reference="host-key-refused",
            )
        try:
            self._known.remember(hostname, key)
        except OSError as error:
            raise UnreachableError(
                f"cannot remember its host key in {error.filename}: {error.strerror}",
                where=self._rig,
                hint="Make the file writable, or name another with UserKnownHostsFile in your SSH config.",
                reference="known-hosts-unwritable",
            ) from error
