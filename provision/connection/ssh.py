"""A rig over SSH. The only module that imports fabric.

Fabric reads the SSH config, finds keys and agents and goes through jump hosts. Commands use the channel
directly: fabric's own ``run`` copies standard input a byte at a time, and a script goes over it here.
"""

from __future__ import annotations

import logging
import shlex
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fabric
import paramiko

from provision.connection import GRACE, Completed, Connection, LineFeed, limited, was_ended
from provision.connection.hostkeys import AskAboutNewKeys, KnownHosts
from provision.connection.trouble import explain
from provision.errors import UnreachableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from provision.connection import Settings
    from provision.target import Target

_KEEPALIVE = 15
"""Seconds between signs of life, so that a link that died is noticed."""

_CHUNK = 65536

# What paramiko logs it also raises; without a handler, logging would print its tracebacks.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class SshConnection(Connection):
    """Runs commands on a rig over one SSH connection, opened at once.

    Raises:
        UnreachableError: see ``provision.connection.connect``.
    """

    def __init__(self, target: Target, settings: Settings) -> None:
        self._rig = target.name
        self._fabric = _make(target, settings)
        try:
            _trust(self._fabric, settings, self._rig)
            self._fabric.open()
        except UnreachableError:
            self.close()
            raise
        except (OSError, EOFError, paramiko.SSHException, ValueError) as error:
            self.close()
            raise explain(error, target.name, self._fabric.host, self._fabric.port) from error
        self._fabric.transport.set_keepalive(_KEEPALIVE)

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        limit: float,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """See ``Connection.run``."""
        start = time.monotonic()
        out, err = LineFeed(on_line), LineFeed(None)
        try:
            channel = self._fabric.transport.open_session(timeout=limit)
            channel.settimeout(limit + 2 * GRACE)
            channel.exec_command(f"exec {shlex.join(limited(argv, limit))}")
            helpers = [
                threading.Thread(target=_write, args=(channel, stdin), daemon=True),
                threading.Thread(target=_drain, args=(channel.recv_stderr, err), daemon=True),
            ]
            for helper in helpers:
                helper.start()
            while chunk := channel.recv(_CHUNK):
                out.feed(chunk)
            for helper in helpers:
                helper.join(timeout=GRACE)
            exit_code = channel.recv_exit_status()
            channel.close()
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._lost(str(error)) from error
        if exit_code < 0:
            raise self._lost("the rig hung up")
        seconds = time.monotonic() - start
        return Completed(
            exit_code=exit_code,
            stdout=out.end(),
            stderr=err.end(),
            seconds=seconds,
            timed_out=was_ended(exit_code, seconds, limit),
        )

    def put(self, source: Path, destination: str) -> None:
        """See ``Connection.put``."""
        try:
            with self._fabric.client.open_sftp() as sftp:
                sftp.put(str(source), destination)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise UnreachableError(
                f"cannot copy {source} to {destination}: {error}",
                where=self._rig,
                hint="Check the permissions and the free space there.",
                reference="cannot-write",
            ) from error

    def close(self) -> None:
        """Hang up, jump hosts included."""
        self._fabric.close()
        gateway = self._fabric.gateway
        if isinstance(gateway, fabric.Connection):
            gateway.close()

    def _lost(self, why: str) -> UnreachableError:
        return UnreachableError(
            f"the connection was lost{f' ({why})' if why else ''}",
            where=self._rig,
            hint="Nothing is lost on the rig: run the same command again and it goes on from there.",
            reference="connection-lost",
        )


def _make(target: Target, settings: Settings) -> fabric.Connection:
    """A fabric connection, not yet open, as the SSH config and the settings say."""
    if settings.ssh_config and not Path(settings.ssh_config).expanduser().is_file():
        raise UsageError(
            "there is no such SSH config file",
            where=settings.ssh_config,
            hint="Give --ssh-config the path of an OpenSSH configuration file.",
            reference="no-ssh-config",
        )
    try:
        config = fabric.Config(
            runtime_ssh_path=str(Path(settings.ssh_config).expanduser())
            if settings.ssh_config
            else None
        )
        return fabric.Connection(
            target.host,
            user=target.user,
            port=target.port,
            config=config,
            connect_timeout=settings.connect_limit,
            connect_kwargs={
                "banner_timeout": settings.connect_limit,
                "auth_timeout": settings.connect_limit,
                **({"key_filename": list(settings.identity)} if settings.identity else {}),
            },
        )
    except (paramiko.ConfigParseError, ValueError) as error:
        raise UsageError(
            f"your SSH config cannot be read: {error}",
            where=settings.ssh_config or "~/.ssh/config",
            hint="Check it with: ssh -G HOST",
            reference="bad-ssh-config",
        ) from error


def _trust(connection: fabric.Connection, settings: Settings, rig: str) -> None:
    """Replace fabric's default, which accepts every key, along the whole chain of jump hosts."""
    hop: Any = connection
    while isinstance(hop, fabric.Connection):
        options = hop.ssh_config
        known = KnownHosts(
            options.get("userknownhostsfile", "").split(),
            options.get("globalknownhostsfile", "").split(),
        )
        known.load_into(hop.client)
        name = rig if hop is connection else f"jump host {hop.original_host}"
        hop.client.set_missing_host_key_policy(AskAboutNewKeys(known, settings, name))
        hop = hop.gateway


def _write(channel: paramiko.Channel, data: bytes) -> None:
    try:
        channel.sendall(data)
        channel.shutdown_write()
    except (OSError, EOFError):
        # The command ended without reading all of it; or the link died, which the reader notices.
        return


def _drain(receive: Callable[[int], bytes], feed: LineFeed) -> None:
    try:
        while chunk := receive(_CHUNK):
            feed.feed(chunk)
    except (socket.timeout, OSError, EOFError):  # noqa: UP041 - paramiko raises the old name's class
        return
