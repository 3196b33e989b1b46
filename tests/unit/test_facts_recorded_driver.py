"""Facts of a real rig with NVIDIA's real driver installed and no GPU (see tests/data/transcripts/README.md)."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision import facts
from provision.facts.driver import State
from provision.facts.reading import from_json

RECORDED = Path(__file__).parents[1] / "data" / "transcripts" / "debian12-vm-driver.json"
VERSION = "535.309.01"
KERNEL = "6.1.0-56-cloud-amd64"


@pytest.fixture(scope="module")
def found() -> facts.Facts:
    return facts.parse(from_json(RECORDED.read_bytes()))


def test_an_installed_driver_that_is_not_loaded(found: facts.Facts) -> None:
    driver = found.driver
    assert (driver.state, driver.version, driver.flavour) == (
        State.MANAGED,
        VERSION,
        "proprietary",
    )
    assert (driver.kernel, driver.next_kernel) == (KERNEL, KERNEL)
    assert (driver.module_running, driver.module_next, driver.loaded) == (VERSION, VERSION, "")
    assert driver.packages["nvidia-kernel-dkms"] == f"{VERSION}-0+deb12u1"
    assert driver.headers
    assert not driver.run_file


def test_nvidia_smi_says_why_it_has_no_answer(found: facts.Facts) -> None:
    assert found.nvidia.smi
    assert not found.nvidia.loaded
    assert found.nvidia.trouble.startswith("exit 9: NVIDIA-SMI has failed")
    assert "nvidia_smi" not in found.unread
    assert not found.gpus
