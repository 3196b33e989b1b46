#!/usr/bin/python
"""Set the proxies of a rig: in /etc/environment for people, in apt's configuration for apt.

sudo does not read /etc/environment on every system, so apt must be told by itself. That happens on the
rig: a proxy with a password in it reaches neither the controller nor a command line.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: dlrig_proxy
short_description: Set the proxies of a rig
description: Writes the given proxies to /etc/environment, and those found there to apt's configuration.
options:
  http: {description: Proxy for http; empty keeps what is there., type: str, default: ""}
  https: {description: Proxy for https; empty keeps what is there., type: str, default: ""}
  no_proxy: {description: Hosts reached directly; empty keeps what is there., type: str, default: ""}
  root: {description: Folder that stands for /., type: path, default: /}
author: [dlrig]
"""

ENVIRONMENT = "etc/environment"
APT_FOLDER = "etc/apt/apt.conf.d"
APT_FILE = "95dlrig-proxy"
HEADER = (
    "// Managed by dlrig from /etc/environment; a change made here is undone by its next run.\n"
)


def assignments(text: str) -> dict[str, str]:
    """The variables that a text in the form of /etc/environment sets."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"\s*(?:export\s+)?(\w+)=(.*)$", line)
        if match:
            found[match[1]] = match[2].strip().strip("\"'")
    return found


def with_proxies(text: str, wanted: dict[str, str]) -> str:
    """``text`` of /etc/environment, with each of ``wanted`` set once and all else as it was."""
    kept = [
        line
        for line in text.splitlines()
        if not re.match(rf"\s*(?:export\s+)?(?:{'|'.join(wanted) or '$^'})=", line)
    ]
    return "".join(f"{line}\n" for line in [*kept, *(f'{k}="{v}"' for k, v in wanted.items())])


def apt_configuration(environment: dict[str, str]) -> str:
    """Apt's lines for the proxies in ``environment``; empty where it sets none."""
    lines = []
    for scheme in ("http", "https"):
        proxy = environment.get(f"{scheme}_proxy") or environment.get(f"{scheme}_proxy".upper())
        if proxy:
            lines.append(f'Acquire::{scheme}::Proxy "{proxy}";\n')
    direct = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    hosts = [host.strip() for host in direct.split(",")] if lines else []
    lines += [
        f'Acquire::{scheme}::Proxy::{host} "DIRECT";\n'
        for host in hosts
        # apt knows no patterns; an entry it cannot parse would break every apt command.
        if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", host)
        for scheme in ("http", "https")
    ]
    return HEADER + "".join(lines) if lines else ""


def apt_has_a_proxy(folder: Path) -> bool:
    """True where somebody else told apt about a proxy already."""
    others = [*folder.glob("*"), folder.parent / "apt.conf"]
    return any(
        re.search(
            r"^\s*Acquire::https?::Proxy\b", other.read_text("utf-8", "replace"), re.MULTILINE
        )
        for other in others
        if other.is_file() and other.name != APT_FILE
    )


def read(path: Path) -> str:
    """Its text; empty where it is missing."""
    return path.read_text("utf-8") if path.is_file() else ""


def write(path: Path, text: str) -> None:
    """Replace ``path`` in one step, readable by all; empty text removes it."""
    if not text:
        path.unlink()
        return
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".dlrig-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.chmod(temporary, 0o644)  # noqa: PTH101 - a str from mkstemp
    os.replace(temporary, path)  # noqa: PTH105 - as above


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "http": {"type": "str", "default": "", "no_log": True},
            "https": {"type": "str", "default": "", "no_log": True},
            "no_proxy": {"type": "str", "default": ""},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    root = Path(module.params["root"])
    wanted = {}
    for name, option in (
        ("http_proxy", "http"),
        ("https_proxy", "https"),
        ("no_proxy", "no_proxy"),
    ):
        if module.params[option]:
            wanted[name] = wanted[name.upper()] = module.params[option]
    environment, apt = root / ENVIRONMENT, root / APT_FOLDER / APT_FILE
    before = {environment: read(environment), apt: read(apt)}
    after = dict(before)
    if any(assignments(before[environment]).get(name) != value for name, value in wanted.items()):
        after[environment] = with_proxies(before[environment], wanted)
    if wanted or not apt_has_a_proxy(apt.parent):
        after[apt] = apt_configuration(assignments(after[environment]))
    changed = [path for path in before if before[path] != after[path]]
    if not module.check_mode:
        for path in changed:
            write(path, after[path])
    # No diff: the lines may hold passwords.
    module.exit_json(changed=bool(changed), files=[str(path) for path in changed])


if __name__ == "__main__":
    main()
