"""The GPUs that are plugged in, whatever the driver thinks of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.question import question, require_reading

if TYPE_CHECKING:
    from checks.question import Measure
    from provision.facts import Facts
    from provision.facts.gpus import PciDevice
    from provision.plan import Plan


@question(
    "Are the GPUs on the PCI bus that the plan was made for?",
    expected="at least one for a GPU rig; ids and addresses as found",
    source="the plan's profile",
    remedy="A card that is not on the bus: power off, seat it again, check its power cables and the slot.",
)
def test_gpus_on_bus(
    gpus: tuple[PciDevice, ...], facts: Facts, plan: Plan, measure: Measure
) -> None:
    """Vendor 10de, class 0300 or 0302."""
    require_reading(facts, "pci_nvidia")
    found = ", ".join(f"10de:{gpu.device} at {gpu.address}" for gpu in gpus)
    measure.found(f"{len(gpus)}: {found}")
    assert plan.profile == "gpu", f"{len(gpus)} on the bus ({found}), but the plan is for none"
