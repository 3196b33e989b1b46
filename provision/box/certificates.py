"""Certificate authorities that this machine trusts beyond its distribution's."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
"""Debian's and Ubuntu's bundle of all trusted authorities (update-ca-certificates(8))."""
LOCAL_FOLDER = Path("/usr/local/share/ca-certificates")
"""Where an administrator adds authorities (update-ca-certificates(8))."""
_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def extra(
    environment: Mapping[str, str] = os.environ,
    local: Path = LOCAL_FOLDER,
    bundle: Path = SYSTEM_BUNDLE,
) -> tuple[str, ...]:
    """PEM texts of the extra authorities, one each, in a stable order.

    They are the ones in ``local``, and those in a file that the environment names instead of ``bundle``.
    """
    files = sorted(local.rglob("*.crt")) if local.is_dir() else []
    named = {Path(environment[name]) for name in _VARIABLES if environment.get(name)}
    same = bundle.resolve()
    files += sorted(path for path in named if path.is_file() and path.resolve() != same)
    known: dict[str, None] = {}
    for path in files:
        for found in _PEM.findall(path.read_text(errors="replace")):
            known.setdefault(found)
    return tuple(known)
