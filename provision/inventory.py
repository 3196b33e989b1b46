"""Rigs from an Ansible inventory, of any form that Ansible itself reads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from provision.errors import UsageError
from provision.target import Target

_LIMIT = 120.0
"""Seconds for Ansible to read the inventory; a dynamic one may ask a cloud."""


def tool(name: str) -> str:
    """The path of one of Ansible's commands, beside the Python that runs dlrig."""
    return str(Path(sys.executable).with_name(name))


def tool_environment() -> dict[str, str]:
    """Environment variables for Ansible's commands: its tools found, UTF-8, no colours."""
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        # Ansible refuses to start without a UTF-8 locale; this one is in every libc.
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_DEPRECATION_WARNINGS": "0",
    }


def read_inventory(path: str, pattern: str = "all") -> tuple[Target, ...]:
    """The hosts of an inventory that match ``pattern``, with their variables.

    Raises:
        UsageError: it is missing, Ansible cannot read it, or no host matches.
    """
    if not Path(path).exists():
        raise _bad(path, "there is no such inventory", "Give -i a file, a folder or a script.")
    environment = {
        **os.environ,
        **tool_environment(),
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",
    }
    try:
        completed = subprocess.run(  # noqa: S603 - our own argv
            [tool("ansible-inventory"), "-i", path, "--list", "--limit", pattern],
            capture_output=True,
            env=environment,
            timeout=_LIMIT,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise _bad(
            path, f"reading it took more than {_LIMIT:g} s", "Is it a script that hangs?"
        ) from error
    complaint = completed.stderr.decode(errors="replace").strip()
    if completed.returncode:
        raise _bad(
            path,
            "Ansible cannot read it: " + _short(complaint),
            f"Check it with: ansible-inventory -i {path} --list",
        )
    try:
        listing = json.loads(completed.stdout)
    except ValueError as error:
        raise _bad(
            path, "Ansible's listing of it is not JSON", "Check it with: ansible-inventory --list"
        ) from error
    variables = listing.pop("_meta", {}).get("hostvars", {})
    names = list(dict.fromkeys([*_hosts(listing, "all"), *variables]))
    if not names:
        raise _bad(path, f"no host in it matches '{pattern}'", "Name hosts or groups with --limit.")
    return tuple(_target(name, variables.get(name, {})) for name in names)


def _hosts(listing: dict[str, Any], group: str) -> list[str]:
    """The hosts below a group, in the inventory's order."""
    entry = listing.get(group, {})
    below = [name for child in entry.get("children", ()) for name in _hosts(listing, child)]
    return [*entry.get("hosts", ()), *below]


def _target(name: str, variables: dict[str, Any]) -> Target:
    if variables.get("ansible_connection") == "local":
        return Target(name=name, variables=variables)
    # The older names are still in use.
    user = variables.get("ansible_user") or variables.get("ansible_ssh_user")
    port = str(variables.get("ansible_port") or variables.get("ansible_ssh_port") or "")
    return Target(
        name=name,
        host=str(variables.get("ansible_host", name)),
        user=str(user) if user else None,
        port=int(port) if port.isascii() and port.isdigit() else None,
        variables=variables,
    )


def _short(complaint: str) -> str:
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    told = [line for line in lines if "ERROR" in line or "Unable to parse" in line] or lines
    return told[0].removeprefix("[ERROR]:").strip()[:300] if told else "it gives no reason"


def _bad(path: str, what: str, hint: str) -> UsageError:
    return UsageError(what, where=f"inventory {path}", hint=hint, reference="bad-inventory")
