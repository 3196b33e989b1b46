"""Where the playbooks, checks and templates are: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).resolve().parent


def bundled(name: Literal["playbooks", "checks", "templates"]) -> Path:
    """The folder of that name.

    Raises:
        FileNotFoundError: the installation is broken.
    """
    for folder in (_PACKAGE / "bundled" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(
        f"dlrig's installation is broken: '{name}' is missing; install it again"
    )
