"""The kernels that could boot: has the driver a module for them, and does nouveau stay away?"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest

from checks.conditions import container, require_answers, require_driver
from checks.question import could_not_measure, question, warn_unless
from provision.facts.health import kernels
from provision.results import Status

if TYPE_CHECKING:
    from checks.question import Measure
    from checks.rigs import Rig
    from provision.facts.gpus import PciDevice
    from provision.facts.health.kernels import Kernels


@pytest.fixture
def found(gpus: tuple[PciDevice, ...], rig: Rig) -> Kernels:  # noqa: ARG001 - skips where there is none
    """Kernels, of a rig with a driver."""
    require_driver(rig.facts)
    require_answers(rig, kernels.NAME)
    return rig.facts.health.kernels


@question(
    "Has the driver a module for every kernel that a restart could choose?",
    expected="one for each installed kernel that is newer than the one that boots next (that one itself: "
    "driver/driver_module); older ones are only named",
    source="modinfo(8) for each kernel in /boot: a kernel chosen by hand or later boots without GPUs",
    remedy="sudo apt-get install linux-headers-RELEASE; sudo dkms autoinstall. Or take the kernel away: "
    "sudo apt-get purge linux-image-RELEASE",
    severity=Status.WARN,
)
def test_kernels_have_module(found: Kernels, rig: Rig, measure: Measure) -> None:
    """All but the next one, which has a check of its own."""
    kind = container(rig.facts)
    if kind and not found.kernels:
        pytest.skip(f"the kernel is the host's: this is a container ({kind})")
    if not found.kernels:
        could_not_measure("/boot has no kernel that has modules in /lib/modules")
    if not found.modinfo:
        could_not_measure("modinfo is missing: sudo apt-get install kmod")
    chosen = rig.facts.driver.next_kernel or rig.facts.system.kernel
    without = [one.release for one in found.kernels if not one.modules and one.release != chosen]
    newer = [release for release in without if _order(release) > _order(chosen)]
    older = [release for release in without if release not in newer]
    note = f"; none for the older {', '.join(older)}" if older else ""
    measure.found(
        f"{len(found.kernels) - len(without)} of {len(found.kernels)} kernels; next is {chosen}{note}"
    )
    measure.remedy = (
        f"sudo apt-get install linux-headers-{newer[0]}; sudo dkms autoinstall. Or take the kernel away: "
        f"sudo apt-get purge linux-image-{newer[0]}"
        if newer
        else ""
    )
    assert not newer, f"no module for {', '.join(newer)}, newer than {chosen}, which boots next"


@question(
    "Does nouveau stay away from the GPUs?",
    expected="not loaded, and denied wherever a kernel brings it; not in an initramfs that does not know that",
    source="the driver cannot take a card that nouveau holds; NVIDIA's installation guide, 'Disabling nouveau'",
    remedy="printf 'blacklist nouveau\\noptions nouveau modeset=0\\n' | sudo tee /etc/modprobe.d/deny-nouveau.conf; "
    "sudo update-initramfs -u -k all; sudo reboot",
)
def test_nouveau(found: Kernels, rig: Rig, measure: Measure) -> None:
    """Also nova, its successor."""
    assert not found.loaded, f"loaded: {', '.join(found.loaded)}"
    brought = [one.release for one in found.kernels if one.nouveau]
    if not brought:
        measure.found("not loaded, and no installed kernel brings it")
        return
    assert found.denied, f"nothing denies nouveau, which {', '.join(brought)} bring along"
    measure.found(f"not loaded; denied by {', '.join(found.denied)}")
    rules = {PurePosixPath(path).name for path in found.denied}
    early = [one.release for one in found.images if one.nouveau and not rules & set(one.rules)]
    measure.remedy = f"sudo update-initramfs -u -k {early[0]}" if early else ""
    warn_unless(
        not early or any("command line" in by for by in found.denied),
        f"the initramfs of {', '.join(early)} has nouveau, and not the rule that denies it",
    )
    unseen = [one for one in found.images if one.why]
    if unseen or kernels.INITRAMFS in rig.facts.unread:
        measure.found(f"{measure.message}; the initramfs could not be looked into")


def _order(release: str) -> list[tuple[int, str]]:
    """6.8.0-100 after 6.8.0-60."""
    return [
        (int(part), "") if part.isdigit() else (-1, part)
        for part in re.split(r"(\d{1,15})", release)
        if part
    ]
