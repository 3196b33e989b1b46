#!/usr/bin/python
"""Let apt know NVIDIA's repository exactly once, with a key of its own.

A second entry with another key, or with none, makes every apt command fail: "Conflicting values set for option
Signed-By". So entries of the same repository that others left are removed.

What it fetches, it fetches by the proxies of the rig's /etc/environment, which sudo drops. They are read here, because
they may hold a password, and an environment that Ansible sets is on a command line.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import ConnectionError as AnsibleConnectionError
from ansible.module_utils.urls import open_url

DOCUMENTATION = r"""
module: dlrig_nvidia_repository
short_description: Let apt know NVIDIA's repository exactly once
description:
  - Writes the list of sources where the keyring package's own does not name the URL, and removes others.
  - With O(keyring_file), only removes others, so that apt can work, and fetches the keyring package.
options:
  url: {description: Of the repository., type: str, required: true}
  key: {description: "Its key: URL, path on the rig, or armour; empty for the package's.", type: str, default: ""}
  keyring_url: {description: Of the keyring package., type: str, default: ""}
  keyring_sha256: {description: Of the keyring package; empty does not compare., type: str, default: ""}
  keyring_file: {description: Where to put it., type: path, default: ""}
  root: {description: Folder that stands for /., type: path, default: /}
author: [dlrig]
"""

KEYRING = "/usr/share/keyrings/cuda-archive-keyring.gpg"
"""From the keyring package."""
OWN_KEY = "/usr/share/keyrings/dlrig-nvidia.asc"
"""Of a mirror with a key of its own."""
OURS = "etc/apt/sources.list.d/dlrig-nvidia.sources"
NVIDIA = re.compile(
    r"developer\.download\.nvidia\.com/compute/(cuda|machine-learning)|/compute/cuda/repos/"
)
OLD_KEYS = ("*cuda*", "*nvidia*", "*7fa2af80*", "*3bf863cc*")
"""Below trusted.gpg.d: keys that were trusted for every repository."""
OTHERS_KEYS = re.compile("container|docker")
"""Among them, those of NVIDIA's other repositories."""
PROXY = re.compile(r"""(?im)^(?:export +)?(https?_proxy|no_proxy)=["']?([^"'\n]*)""")


def use_proxies(environment: Path) -> None:
    """What is fetched from now on is fetched by the proxies of this file, where no others are set."""
    if environment.is_file():
        for name, value in PROXY.findall(environment.read_text("utf-8", "replace")):
            os.environ.setdefault(name, value)


def download(url: str) -> bytes:
    """What is there."""
    with open_url(url, timeout=60) as source:
        return bytes(source.read())


def checked(content: bytes, url: str, digest: str) -> bytes:
    """``content``, which must have this SHA-256.

    Raises:
        ValueError: it has another.
    """
    found = hashlib.sha256(content).hexdigest()
    if digest and found != digest.lower():
        place = re.sub(r"//[^/@]*@", "//***@", url)
        message = f"the checksum of {place} is {found}, wished is {digest}"
        raise ValueError(message)
    return content


def fetch(key: str) -> bytes:
    """The key that was named; see the option."""
    if "BEGIN PGP" in key:
        return f"{key}\n".encode()
    if "://" in key:
        return download(key)
    return Path(key).read_bytes()


def source(url: str, keyring: str) -> str:
    """The text of our list of sources: NVIDIA's repositories are flat, so the suite is a path."""
    return (
        "# Managed by dlrig; a change made here is undone by its next run.\n"
        f"Types: deb\nURIs: {url}\nSuites: /\nSigned-By: {keyring}\n"
    )


def plain(url: str) -> str:
    """``url`` in one spelling."""
    return url.rstrip("/")


def names(text: str, url: str) -> bool:
    """Whether a list of sources has NVIDIA's repository, or the one at ``url``."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    addresses = [plain(word) for line in lines for word in line.split() if "://" in word]
    return any(NVIDIA.search(f"{address}/") or address == plain(url) for address in addresses)


def good(text: str, url: str, keyring: str) -> bool:
    """Whether a list of sources is the one entry that is wanted, e.g. the keyring package's."""
    addresses = {plain(word) for word in text.split() if "://" in word}
    return (
        addresses == {plain(url)}
        and keyring in text
        and not re.search(r"(?mi)^Enabled:\s*no", text)
    )


def without(path: Path, url: str) -> str:
    """The text of a list of sources without NVIDIA's repository; other entries stay as they are."""
    text = path.read_text("utf-8", "replace")
    if path.suffix == ".sources":
        stanzas = re.split(r"\n\s*\n", text.strip("\n"))
        return "".join(f"{stanza}\n\n" for stanza in stanzas if not names(stanza, url)).replace(
            "\n\n\n", "\n\n"
        )
    return "".join(line for line in text.splitlines(keepends=True) if not names(line, url))


def plan(root: Path, url: str, key: bytes | None) -> dict[Path, bytes | None]:
    """What is to be written, and (None) removed."""
    keyring = KEYRING if key is None else OWN_KEY
    folder = root / "etc/apt/sources.list.d"
    lists = [
        root / "etc/apt/sources.list",
        *sorted(folder.glob("*.list")),
        *sorted(folder.glob("*.sources")),
    ]
    there = [path for path in lists if path.is_file() and path != root / OURS]
    kept = next(
        (path for path in there if good(path.read_text("utf-8", "replace"), url, keyring)), None
    )
    wanted: dict[Path, bytes | None] = {}
    for path in there:
        if path != kept and names(path.read_text("utf-8", "replace"), url):
            left = without(path, url)
            wanted[path] = left.encode() if left.strip() else None
    wanted[root / OURS] = None if kept else source(url, keyring).encode()
    for pattern in OLD_KEYS:
        for old in (root / "etc/apt/trusted.gpg.d").glob(pattern):
            if not OTHERS_KEYS.search(old.name):
                wanted[old] = None
    if key is not None:
        wanted[root / OWN_KEY.lstrip("/")] = key
    return {
        path: content
        for path, content in wanted.items()
        if (path.read_bytes() if path.is_file() else None) != content
    }


def write(path: Path, content: bytes) -> None:
    """Replace ``path`` in one step, readable by all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".dlrig-")
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    Path(temporary).chmod(0o644)
    Path(temporary).replace(path)


def carry_out(changes: dict[Path, bytes | None]) -> None:
    """Write and remove."""
    for path, content in changes.items():
        if content is None:
            path.unlink()
        else:
            write(path, content)


def prepare(module: AnsibleModule) -> dict[Path, bytes | None]:
    """What stands in apt's way while the keyring package is not installed; fetches that."""
    p = module.params
    content = checked(download(p["keyring_url"]), p["keyring_url"], p["keyring_sha256"])
    if not module.check_mode:
        write(Path(p["keyring_file"]), content)
    changes = plan(Path(p["root"]), p["url"], None)
    # Not without its key.
    changes.pop(Path(p["root"]) / OURS, None)
    return changes


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "key": {"type": "str", "default": "", "no_log": False},
            "keyring_url": {"type": "str", "default": ""},
            "keyring_sha256": {"type": "str", "default": ""},
            "keyring_file": {"type": "path", "default": ""},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    p = module.params
    root = Path(p["root"])
    use_proxies(root / "etc/environment")
    try:
        key = fetch(p["key"]) if p["key"] else None
        changes = prepare(module) if p["keyring_file"] else plan(root, p["url"], key)
        if not module.check_mode:
            carry_out(changes)
    except (OSError, ValueError, http.client.HTTPException, AnsibleConnectionError) as error:
        module.fail_json(msg=f"could not set up NVIDIA's repository: {error}")
    module.exit_json(
        changed=bool(changes),
        written=[str(path) for path, content in changes.items() if content is not None],
        removed=[str(path) for path, content in changes.items() if content is None],
    )


if __name__ == "__main__":
    main()
