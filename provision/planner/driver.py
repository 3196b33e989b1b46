"""With or without NVIDIA GPUs; and, until dlrig installs drivers, the driver as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.plan import Decision, Profile

if TYPE_CHECKING:
    from provision.facts import Facts

_NO_DRIVER = (
    "No NVIDIA driver is loaded, and this version of dlrig does not install one: the GPU environment "
    "will be made, and the acceptance will reject the rig until a driver runs."
)


def choose(facts: Facts) -> tuple[Profile, tuple[Decision, ...], tuple[str, ...]]:
    """The profile, the decisions about the driver, and warnings."""
    gpus = facts.gpus
    if not gpus:
        return (
            Profile.CPU,
            (
                Decision(
                    subject="profile",
                    choice="CPU",
                    reason="no NVIDIA GPU (vendor 10de, class 03) is on the PCI bus",
                ),
            ),
            (),
        )
    ids = ", ".join(sorted({f"10de:{gpu.device}" for gpu in gpus}))
    loaded = facts.nvidia.loaded
    decisions = (
        Decision(
            subject="profile",
            choice="GPU",
            reason=f"{len(gpus)} NVIDIA GPU{'s' if len(gpus) > 1 else ''} on the PCI bus ({ids})",
        ),
        Decision(
            subject="driver",
            choice=f"{loaded}, as it is" if loaded else "none loaded, left so",
            reason="this version of dlrig does not install or change drivers and CUDA",
        ),
    )
    if loaded:
        return Profile.GPU, decisions, ()
    return (
        Profile.GPU,
        decisions,
        (_NO_DRIVER,),
    )
