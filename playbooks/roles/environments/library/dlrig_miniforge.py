#!/usr/bin/python
"""Install Miniforge from a verified installer, or finish an installation that was cut off."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
import urllib.error
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dlrig_indexes import SYSTEM_BUNDLE, login_environment
from ansible.module_utils.dlrig_processes import CommandFailedError, locked, run, scrub
from ansible.module_utils.urls import open_url

DOCUMENTATION = r"""
module: dlrig_miniforge
short_description: Install Miniforge from a verified installer
description:
  - Makes PREFIX/miniforge. A mark inside it, written last, tells a complete installation from one that was cut off.
options:
  url: {description: Of the installer., type: str, required: true}
  checksum: {description: "sha256:DIGEST; empty reads URL.sha256.", type: str, default: ""}
  version: {description: Release of the installer., type: str, required: true}
  prefix: {description: Folder above it., type: path, required: true}
  ca_bundle: {description: Certificate authorities; empty for the system's., type: str, default: ""}
  timeout: {description: Seconds for the installer., type: int, default: 1800}
author: [dlrig]
"""

MARK = ".dlrig-complete"
ATTEMPTS = 3
BLOCK = 1 << 20


def complete_version(path: Path) -> str:
    """The release at ``path``; empty where there is none, or an unfinished one."""
    mark = path / MARK
    if not mark.is_file() or not os.access(path / "bin" / "conda", os.X_OK):
        return ""
    return mark.read_text("utf-8").strip()


def fetch(url: str, bundle: str, file: Path) -> str:
    """Download ``url`` to ``file`` and return its SHA-256 in hexadecimal.

    Raises:
        CommandFailedError: it could not be fetched, after several attempts.
    """
    for attempt in range(ATTEMPTS):
        digest = hashlib.sha256()
        try:
            with (
                file.open("wb") as sink,
                open_url(url, timeout=60, ca_path=bundle or None) as source,
            ):
                for block in iter(lambda: source.read(BLOCK), b""):
                    digest.update(block)
                    sink.write(block)
        except (OSError, urllib.error.URLError, ValueError) as error:
            if attempt + 1 == ATTEMPTS:
                raise CommandFailedError(f"fetch {scrub(url)}", str(error)) from error
            time.sleep(5)
        else:
            return digest.hexdigest()
    raise AssertionError


def expected_digest(checksum: str, url: str, bundle: str, folder: Path) -> str:
    """The digest that the installer must have: the given one, or the one published beside it."""
    if checksum:
        return checksum.partition(":")[2] or checksum
    published = folder / "published"
    fetch(f"{url}.sha256", bundle, published)
    return (published.read_text("utf-8").split() or [""])[0]


def install(module: AnsibleModule, path: Path, environment: dict[str, str]) -> None:
    """Fetch, verify, run.

    Raises:
        CommandFailedError: one of these failed; nothing is left that looks complete.
    """
    parameters = module.params
    bundle = parameters["ca_bundle"] or environment.get("SSL_CERT_FILE", "")
    if not bundle and (Path("/") / SYSTEM_BUNDLE).is_file():
        bundle = f"/{SYSTEM_BUNDLE}"
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".miniforge-") as name:
        folder = Path(name)
        installer = folder / "installer.sh"
        expected = expected_digest(parameters["checksum"], parameters["url"], bundle, folder)
        actual = fetch(parameters["url"], bundle, installer)
        if actual != expected:
            raise CommandFailedError(
                "verify the Miniforge installer",
                f"{scrub(parameters['url'])} has the SHA-256 {actual}, expected is {expected or 'one'}. "
                "Set environments_miniforge_checksum to that of the release you want.",
            )
        # A conda prefix cannot be moved, and the installer refuses an existing one.
        shutil.rmtree(path, ignore_errors=True)
        run(
            ["bash", installer, "-b", "-p", path],
            doing="run the Miniforge installer",
            environment=environment,
            limit=parameters["timeout"],
        )
    (path / MARK).write_text(parameters["version"] + "\n", "utf-8")


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "checksum": {"type": "str", "default": ""},
            "version": {"type": "str", "required": True},
            "prefix": {"type": "path", "required": True},
            "ca_bundle": {"type": "str", "default": ""},
            "timeout": {"type": "int", "default": 1800},
        },
        supports_check_mode=True,
    )
    prefix = Path(module.params["prefix"])
    path = prefix / "miniforge"
    before = complete_version(path)
    wanted = module.params["version"]
    if before == wanted:
        module.exit_json(changed=False, version=before)
    diff = {"before": f"Miniforge {before}\n" if before else "", "after": f"Miniforge {wanted}\n"}
    if module.check_mode:
        module.exit_json(changed=True, version=wanted, diff=diff)
    environment = login_environment()
    os.environ.update(environment)
    prefix.mkdir(parents=True, exist_ok=True)
    try:
        with locked(prefix / ".conda.lock"):
            install(module, path, environment)
    except (CommandFailedError, OSError) as error:
        module.fail_json(msg=scrub(str(error)))
    module.exit_json(changed=True, version=wanted, diff=diff)


if __name__ == "__main__":
    main()
