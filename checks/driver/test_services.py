"""Services that the GPUs need, and upgrades that come by themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from checks.conditions import nvswitches, require_answers, require_driver, require_loaded
from checks.question import could_not_measure, question, warn_unless
from provision.facts.health import services
from provision.results import Status

if TYPE_CHECKING:
    from checks.question import Measure
    from checks.rigs import Rig
    from provision.facts import Facts
    from provision.facts.gpus import PciDevice

_SHOWN = 4
_KERNELS = re.compile(
    r"linux-(image|headers|modules-extra)-[a-z][a-z0-9.-]*|linux-(generic|virtual)"
)
"""Metapackages: those of one release have it in their names."""


@question(
    "Does the persistence daemon run?",
    expected="nvidia-persistenced (or, where the driver has none, dlrig-persistence) is enabled and active",
    source="NVIDIA driver persistence: without a client the driver lets a card go, and each start costs seconds",
    remedy="sudo systemctl enable --now nvidia-persistenced; if it fails: journalctl -b -u nvidia-persistenced",
    severity=Status.WARN,
)
def test_persistence_daemon(
    gpus: tuple[PciDevice, ...],  # noqa: ARG001 - skips where there is none
    rig: Rig,
    measure: Measure,
) -> None:
    """The unit; the mode of each card is a question of its own."""
    require_loaded(rig.facts)
    found = _services(rig)
    own, daemon = found.unit(services.OWN_PERSISTENCE), found.unit(services.PERSISTENCE)
    if rig.facts.driver.persistence == "absent" and not daemon.there:
        if not own.there:
            pytest.skip("this driver brings no persistence daemon")
        measure.found(f"{services.OWN_PERSISTENCE} sets the mode: {own.state}")
        assert own.active == "active", f"{services.OWN_PERSISTENCE} is {own.state}"
        return
    measure.found(daemon.state)
    assert daemon.active == "active", f"{services.PERSISTENCE} is {daemon.state}"
    assert rig.facts.driver.persistence != "disabled", (
        f"{services.PERSISTENCE} is {daemon.state}: it does not come back after a restart"
    )


@question(
    "Does the fabric manager run where it is needed, in the driver's version?",
    expected="nvidia-fabricmanager is active, and of exactly the loaded driver's version, where there is an NVSwitch; "
    "elsewhere it does not fail",
    source="NVIDIA Fabric Manager user guide: CUDA fails with error 802 without it",
    remedy="dlrig up installs the version that fits; then: sudo systemctl enable --now nvidia-fabricmanager; "
    "journalctl -b -u nvidia-fabricmanager",
)
def test_fabric_manager(
    gpus: tuple[PciDevice, ...],  # noqa: ARG001 - skips where there is none
    rig: Rig,
    measure: Measure,
) -> None:
    """A unit that fails at every boot on a rig without NVSwitch leaves the system 'degraded'."""
    facts = rig.facts
    loaded, switches = require_loaded(facts), nvswitches(facts)
    found = _services(rig).unit(services.FABRIC)
    if not switches:
        if not found.there or found.active == "inactive":
            pytest.skip("no NVSwitch in this machine, and no fabric manager runs")
        measure.found(f"{found.state}, without an NVSwitch on the PCI bus")
        measure.remedy = "sudo systemctl disable --now nvidia-fabricmanager"
        warn_unless(
            found.active != "failed",
            f"no NVSwitch in this machine, and {services.FABRIC} is {found.state}",
        )
        return
    measure.found(f"{found.state}, {loaded}, with {len(switches)} NVSwitches")
    state = found.state if found.there else "not installed"
    assert found.active == "active", f"{len(switches)} NVSwitches, and {services.FABRIC} is {state}"
    version = _fabric_version(facts)
    assert version in {"", loaded}, f"the fabric manager is {version}, the loaded driver {loaded}"


def _fabric_version(facts: Facts) -> str:
    """Upstream's version of the package; empty where no package has it."""
    for name, version in sorted(facts.packages.installed.items()):
        if re.fullmatch(r"nvidia-fabricmanager(-\d{3})?", name):
            return version.rpartition(":")[2].partition("-")[0]
    return ""


@question(
    "Do automatic upgrades leave the driver alone?",
    expected="no automatic upgrades, or every package of the driver is held or on their blacklist",
    source="unattended-upgrades: it replaces libraries under a loaded module: driver/library version mismatch",
    remedy="dlrig up holds them; by hand: sudo apt-mark hold, with the packages",
    severity=Status.WARN,
)
def test_automatic_upgrades(
    gpus: tuple[PciDevice, ...],  # noqa: ARG001 - skips where there is none
    rig: Rig,
    measure: Measure,
) -> None:
    """With modules that came built, a new kernel without its module is as bad as a new driver."""
    facts = rig.facts
    require_driver(facts)
    require_answers(rig, services.APT)
    require_answers(rig, services.NAME, "driver")
    found, driver = facts.health.services, facts.driver
    if not driver.packages:
        pytest.skip("no package has a part of the driver")
    if not found.upgrades:
        measure.found("there are none")
        return
    packages = set(driver.packages)
    if driver.precompiled:
        packages |= {name for name in facts.packages.installed if _KERNELS.fullmatch(name)}
    held = {*driver.held, *driver.holds_other}
    loose = sorted(name for name in packages - held if not found.spares(name.partition(":")[0]))
    reboots = "; they also restart the rig by themselves" if found.reboots else ""
    measure.found(f"they leave {len(packages)} packages alone{reboots}")
    more = f" and {len(loose) - _SHOWN} more" if len(loose) > _SHOWN else ""
    assert not loose, f"they may replace {', '.join(loose[:_SHOWN])}{more}{reboots}"


def _services(rig: Rig) -> services.Services:
    require_answers(rig, services.NAME)
    found = rig.facts.health.services
    if not found.systemd:
        could_not_measure(
            f"systemd does not run there ({rig.facts.system.init or 'no init known'})"
        )
    return found
