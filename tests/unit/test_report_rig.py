"""The rig's facts as rows for people."""

from __future__ import annotations

import pytest
from facts_of import GTX_1060, driver, facts_of

from provision.report.rig import rows


def test_nvidias_repository_is_told_where_it_matters() -> None:
    """A rig without a GPU of NVIDIA's is not asked whether it reaches it."""
    unreached = "nvidia no http curl: (6) Could not resolve host 000"
    told = {
        row.label: row.value for row in rows(facts_of(pci_nvidia=GTX_1060, reach_nvidia=unreached))
    }
    assert told["NVIDIA's repository"] == "not reached · curl: (6) Could not resolve host"
    unasked = "nvidia unknown none no GPU of NVIDIA's needs it"
    labels = {row.label for row in rows(facts_of(reach_nvidia=unasked))}
    assert "Apt archive" in labels
    assert "NVIDIA's repository" not in labels


@pytest.mark.parametrize(
    ("look", "value", "notice"),
    [
        (driver(), "535.309.01", False),
        (driver(version="535.400.01"), "535.309.01 · 535.400.01 installed", True),
        (
            driver(**{"class": "broken", "why": "no module for 6.1.0-41-amd64"}),
            "535.309.01 · broken: no module for 6.1.0-41-amd64",
            True,
        ),
        (driver(**{"class": "unmanaged"}), "535.309.01 · unmanaged", True),
    ],
)
def test_the_driver_as_it_runs_and_as_it_is_installed(
    look: str, value: str, *, notice: bool
) -> None:
    """A person sees why a reboot is due, or what stands in the way."""
    found = facts_of(pci_nvidia=GTX_1060, nvidia_module="535.309.01\n", driver=look)
    (row,) = [each for each in rows(found) if each.label == "Driver"]
    assert (row.value, row.notice) == (value, notice)
    assert ("CUDA toolkits", "11.8", False) in rows(found)
