"""The package manager, which drivers come from, and what waits for the next boot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.question import question, require_reading
from provision.results import Status

if TYPE_CHECKING:
    from checks.question import Measure
    from provision.facts import Facts


@question(
    "Is the package manager whole?",
    expected="dpkg --audit finds nothing",
    source="a half-installed package blocks every later installation, security updates too",
    remedy="sudo dpkg --configure -a && sudo apt-get -f install",
)
def test_packages_whole(facts: Facts, measure: Measure) -> None:
    """Interrupted installations."""
    require_reading(facts, "dpkg", "dpkg_audit")
    if not facts.packages.manager:
        pytest.skip("this system has no dpkg")
    measure.found(f"{len(facts.packages.installed)} packages, none half installed")
    assert not facts.packages.broken, "packages are half installed: an installation was interrupted"


@question(
    "Does anything wait for a reboot?",
    expected="no reboot pending",
    source="/run/reboot-required, which packages of Debian and Ubuntu leave",
    remedy="sudo reboot",
    severity=Status.WARN,
)
def test_reboot_pending(facts: Facts, measure: Measure) -> None:
    """What runs is then not what is installed."""
    require_reading(facts, "reboot")
    measure.found("no reboot pending")
    asked = ", ".join(facts.firmware.reboot_for) or "a package that is not named"
    assert not facts.firmware.reboot_pending, f"a reboot is pending, asked for by {asked}"
