"""The rig's facts as rows for people."""

from __future__ import annotations

from facts_of import GTX_1060, facts_of

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
