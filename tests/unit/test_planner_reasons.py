"""Every choice says why, and truly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from situations import (
    CATALOGUE,
    CMP_50HX,
    GTX_1060,
    JAMMY,
    NVIDIA_UNREACHED,
    RTX_3090,
    RTX_5090,
    T4,
    solved,
)

from provision.planner import reasons

if TYPE_CHECKING:
    from provision.plan import Decision


def why(subject: str, *devices: str, **changes: Any) -> Decision:  # noqa: ANN401 - as a Situation has them
    found = reasons.choices(solved(*devices, **changes), CATALOGUE)
    return next(decision for decision in found if decision.subject == subject)


@pytest.mark.parametrize(
    ("cards", "changes", "words"),
    [
        ((T4,), {}, "a long-term support branch, supported until 2028-06"),
        ((T4,), {"driver": "595"}, "you asked for 595; a production branch"),
        ((T4,), {"loaded": "595.71.05"}, "it runs already (595.71.05)"),
        ((GTX_1060,), {}, "580 is the last for Pascal"),
        (
            (T4,),
            {"driver": "615"},
            "a branch whose type is not known, with no known end of support",
        ),
        ((T4,), {"system": JAMMY, "driver": "535"}, "no longer supported"),
    ],
)
def test_a_branch(cards: tuple[str, ...], changes: dict[str, Any], words: str) -> None:
    assert words in why("driver", *cards, **changes).reason


@pytest.mark.parametrize(
    ("cards", "changes", "words"),
    [
        ((T4,), {}, "NVIDIA's choice from 560 on"),
        ((T4,), {"modules": "proprietary"}, "you asked for them"),
        ((GTX_1060,), {}, "Pascal has no GSP"),
        ((RTX_5090,), {}, "Blackwell runs with them only"),
        ((CMP_50HX,), {}, "NVIDIA's list does not have the CMP 50HX"),
        ((T4,), {"system": JAMMY, "driver": "535"}, "NVIDIA's choice before branch 560"),
        # Not NVIDIA's choice for 580: but it is there and works.
        ((RTX_3090,), {"loaded": "580.95.05", "loaded_open": False}, "they run already"),
    ],
)
def test_the_flavour(cards: tuple[str, ...], changes: dict[str, Any], words: str) -> None:
    assert words in why("kernel modules", *cards, **changes).reason


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "built for its kernels and signed; others"),
        ({"secure_boot": True}, "as Secure Boot wants"),
        ({"driver_source": "nvidia"}, "you asked for it"),
        ({"system": "debian-12"}, "modules are built by DKMS"),
        ({"kernel": "6.12.9-xanmod1"}, "modules are built by DKMS"),
    ],
)
def test_a_source(changes: dict[str, Any], words: str) -> None:
    assert words in why("driver source", T4, **changes).reason


@pytest.mark.parametrize(
    ("card", "changes", "choice", "words"),
    [
        (T4, {}, "13.0", "the newest to be had here that fits driver 580 and GCC 13"),
        (GTX_1060, {}, "12.9", "12.9 is the last that compiles for GeForce GTX 1060"),
        (T4, {"cuda": "12.6"}, "12.6", "you asked for 12.6"),
        (T4, {"cuda": "none"}, "none", "you asked for none"),
        (
            GTX_1060,
            {"system": "ubuntu-26.04"},
            "none",
            "no repository of this system has a toolkit",
        ),
        (T4, {"unreached": NVIDIA_UNREACHED}, "none", "no repository in reach has a toolkit"),
    ],
)
def test_a_toolkit(card: str, changes: dict[str, Any], choice: str, words: str) -> None:
    found = why("CUDA toolkit", card, **changes)
    assert found.choice == choice
    assert words in found.reason


def test_an_environment() -> None:
    pascal = why("tensorflow_gpu", GTX_1060)
    assert pascal.choice == "TensorFlow 2.21.0"
    assert "nvidia-cudnn-cu12>=9.3.0.75,<9.11, because newer ones have no code" in pascal.reason
    assert pascal.source
    assert "because newer ones" not in why("tensorflow_gpu", T4).reason
    beside = why("tensorflow", T4, tensorflow="2.19.1")
    assert "you asked for 2.19.1" in beside.reason
    own = why("tensorflow", T4, maker="venv", pythons=("3.12",))
    assert "Python 3.12, the rig's own" in own.reason


def test_a_cpu_environment_alone_is_compared_with_nothing() -> None:
    """On a rig without GPUs, an older release is there because of its Python."""
    jax = why("jax", pythons=("3.11",), maker="venv", env=("jax",))
    assert jax.choice == "JAX 0.10.2"
    assert jax.reason.startswith("the newest release that fits; Python 3.11")
