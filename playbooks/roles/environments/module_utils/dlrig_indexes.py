"""Where packages come from: the rig's own settings for pip, told to uv in uv's words.

uv does not read pip's configuration. Translating it here, on the rig, keeps credentials in index URLs
off the controller, off every command line and out of every file.
"""

# ruff: noqa: INP001 - Ansible puts this file into a package of its own on the rig

from __future__ import annotations

import configparser
import os
import re
from pathlib import Path

# https://pip.pypa.io/en/stable/topics/configuration: a later file wins over an earlier one, and the
# section of the command over [global].
PIP_SITES = ("etc/xdg/pip/pip.conf", "etc/pip.conf")
PIP_USERS = (".pip/pip.conf", ".config/pip/pip.conf")
PIP_SECTIONS = ("global", "install")

SYSTEM_BUNDLE = "etc/ssl/certs/ca-certificates.crt"

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def login_environment(root: Path = Path("/")) -> dict[str, str]:
    """This process's variables, and those proxies of /etc/environment that sudo left out."""
    environment = dict(os.environ)
    path = root / "etc/environment"
    text = path.read_text("utf-8", "replace") if path.is_file() else ""
    for line in text.splitlines():
        match = re.match(r"\s*(?:export\s+)?(\w+)=(.*)$", line)
        if match and match[1].lower() in PROXIES:
            environment.setdefault(match[1], match[2].strip().strip("\"'"))
    # A locale that the rig lacks makes pip and apt complain.
    environment.update(LC_ALL="C.UTF-8")
    return environment


def pip_settings(environment: dict[str, str], root: Path = Path("/")) -> dict[str, str]:
    """The rig's settings for ``pip install``, by their long names: ``{"index-url": …}``."""
    home = Path(environment.get("HOME", "/root"))
    files = [root / site for site in PIP_SITES]
    files += [root / home.relative_to("/") / user for user in PIP_USERS]
    if environment.get("PIP_CONFIG_FILE"):
        files.append(Path(environment["PIP_CONFIG_FILE"]))
    settings: dict[str, str] = {}
    by_section: dict[str, dict[str, str]] = {section: {} for section in PIP_SECTIONS}
    for file in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (OSError, configparser.Error, UnicodeDecodeError):
            # pip itself complains about such a file; here it only says nothing.
            continue
        for section in PIP_SECTIONS:
            if parser.has_section(section):
                pairs = parser.items(section)
                by_section[section].update({k.replace("_", "-"): v for k, v in pairs})
    for section in PIP_SECTIONS:
        settings.update(by_section[section])
    for name, value in environment.items():
        if name.startswith("PIP_") and name != "PIP_CONFIG_FILE" and value:
            settings[name[4:].lower().replace("_", "-")] = value
    return settings


def _words(value: str) -> list[str]:
    return value.split()


def uv_environment(pip: dict[str, str]) -> dict[str, str]:
    """Pip's settings as uv's environment variables (https://docs.astral.sh/uv/reference/environment)."""
    uv: dict[str, str] = {}
    extra = _words(pip.get("extra-index-url", ""))
    if pip.get("index-url"):
        uv["UV_DEFAULT_INDEX"] = pip["index-url"]
    if extra:
        uv["UV_INDEX"] = " ".join(extra)
        # pip takes the best version that any of its indexes has; uv by default stops at the first index
        # that knows the name.
        uv["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if pip.get("find-links"):
        uv["UV_FIND_LINKS"] = ",".join(_words(pip["find-links"]))
    if pip.get("trusted-host"):
        uv["UV_INSECURE_HOST"] = " ".join(_words(pip["trusted-host"]))
    timeout = pip.get("timeout") or pip.get("default-timeout")
    if timeout and timeout.isdigit():
        uv["UV_HTTP_TIMEOUT"] = timeout
    if pip.get("constraint"):
        uv["UV_CONSTRAINT"] = " ".join(_words(pip["constraint"]))
    if pip.get("client-cert"):
        uv["SSL_CLIENT_CERT"] = pip["client-cert"]
    if pip.get("cert"):
        uv["SSL_CERT_FILE"] = pip["cert"]
    if pip.get("proxy"):
        proxy = pip["proxy"] if "//" in pip["proxy"] else f"http://{pip['proxy']}"
        uv.update(HTTP_PROXY=proxy, HTTPS_PROXY=proxy, ALL_PROXY=proxy)
    return uv


def installer_environment(
    *,
    index_url: str = "",
    extra_index_urls: tuple[str, ...] = (),
    ca_bundle: str = "",
    root: Path = Path("/"),
) -> dict[str, str]:
    """Every variable that pip and uv need on this rig.

    Args:
        index_url: wins over the rig's own; empty keeps that.
        extra_index_urls: as ``index_url``.
        ca_bundle: certificate authorities; empty means pip's setting, otherwise the system's.
        root: stands for ``/``.
    """
    environment = login_environment(root)
    if index_url:
        environment["PIP_INDEX_URL"] = index_url
        # Whoever names an index wants no other one to be asked.
        environment["PIP_EXTRA_INDEX_URL"] = ""
        environment["PIP_FIND_LINKS"] = ""
    if extra_index_urls:
        environment["PIP_EXTRA_INDEX_URL"] = " ".join(extra_index_urls)
    pip = pip_settings(environment, root)
    if index_url:
        pip["index-url"] = index_url
        pip["extra-index-url"] = " ".join(extra_index_urls)
        pip.pop("find-links", None)
    system = root / SYSTEM_BUNDLE
    bundle = ca_bundle or pip.get("cert") or environment.get("SSL_CERT_FILE") or ""
    if not bundle and system.is_file():
        bundle = str(system)
    if bundle:
        pip["cert"] = environment["PIP_CERT"] = bundle
    environment.update(uv_environment(pip))
    environment.update(
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        PIP_NO_INPUT="1",
        PIP_ROOT_USER_ACTION="ignore",
        UV_NO_PROGRESS="1",
    )
    return environment


def flags(pip: dict[str, str]) -> list[str]:
    """Pip's settings that uv takes on its command line only; none of them is a secret."""
    return ["--no-index"] if pip.get("no-index", "").lower() in {"1", "true", "yes", "on"} else []
