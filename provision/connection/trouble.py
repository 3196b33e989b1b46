"""Why a rig could not be reached, in words, with what to do."""

from __future__ import annotations

import socket

import paramiko
from paramiko.ssh_exception import NoValidConnectionsError

from provision.errors import UnreachableError


def explain(error: Exception, rig: str, host: str, port: int) -> UnreachableError:
    """Turn what paramiko or the system raised into something that a person can act on."""
    match error:
        case paramiko.BadHostKeyException():
            what, hint, reference = _changed_key(error, host, port)
        case socket.gaierror():
            what = f"there is no host called '{host}'"
            hint = "Check the spelling, your SSH config and the name service (getent hosts HOST)."
            reference = "unknown-host"
        case NoValidConnectionsError() | ConnectionRefusedError():
            what = f"nothing listens on port {port} of {host}"
            hint = (
                "Is the machine on, is its SSH server running (sudo apt install openssh-server), "
                "and is this the right port?"
            )
            reference = "refused"
        case TimeoutError():
            what = f"{host} port {port} does not answer"
            hint = "Is the machine on and the network between here and there up? A firewall may drop packets."
            reference = "no-answer"
        case paramiko.PasswordRequiredException():
            what = "your private key has a passphrase and no agent holds it"
            hint = "Load it into your agent: ssh-add"
            reference = "key-locked"
        case paramiko.AuthenticationException():
            what = "it refuses every key that you have"
            hint = f"Put your key there (ssh-copy-id), name it with --identity, or check the user's name: {error}"
            reference = "wrong-key"
        case paramiko.SSHException() | EOFError():
            what = f"port {port} of {host} does not speak SSH as expected: {error or 'it hung up'}"
            hint = f"See more with: ssh -v -p {port} {host}"
            reference = "not-ssh"
        case _:
            reason = getattr(error, "strerror", None) or error
            what = f"cannot connect to {host} port {port}: {reason}"
            hint = f"See more with: ssh -v -p {port} {host}"
            reference = "unreachable"
    return UnreachableError(what, where=rig, hint=hint, reference=reference)


def _changed_key(error: paramiko.BadHostKeyException, host: str, port: int) -> tuple[str, str, str]:
    name = host if port == 22 else f"[{host}]:{port}"  # noqa: PLR2004 - SSH's port
    what = (
        "its host key has CHANGED: somebody may be in between, or the machine was installed anew "
        f"(now {error.key.get_name()} {error.key.fingerprint})"
    )
    hint = f"If you know why it changed, remove the old key: ssh-keygen -R '{name}'"
    return what, hint, "host-key-changed"
