"""What tests assert about a rig's driver."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ubuntu_archive.rig import UbuntuRig


def record(rig: UbuntuRig) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(rig.shell("cat /var/lib/dlrig/driver.json").stdout)
    return found


def works(rig: UbuntuRig, version: str, flavour: str) -> None:
    """What is installed is loaded, and both GPUs answer."""
    seen = rig.look()
    assert seen["why"] == ""
    assert seen["class"] == "managed"
    assert (seen["version"], seen["module_next"], seen["loaded"]) == (version,) * 3
    assert (seen["flavour"], rig.flavour) == (flavour, flavour)
    assert rig.smi().stdout == f"0, {version}\n1, {version}\n"
    found = record(rig)
    assert found["packages"] == dict(word.split("=", 1) for word in seen["packages"].split())
    assert (found["version"], found["flavour"]) == (version, flavour)
