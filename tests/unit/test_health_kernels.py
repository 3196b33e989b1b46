"""Kernels, nouveau and initramfs images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostile_answers import QUICK, answers, outcomes, torture, whole_facts
from hypothesis import given

from provision.facts.health import kernels
from provision.facts.health.kernels import Image, Kernel

if TYPE_CHECKING:
    from provision.facts.reading import Outcome

SAMPLE = """\
kernel 6.8.0-59-generic yes 580.95.05 
kernel 6.8.0-60-generic no 570.211.01 580.95.05 
kernel 6.11.0-1-generic yes 
modinfo no
loaded nova_core
denied /etc/modprobe.d/deny.conf
denied the kernel's command line
"""  # noqa: W291 - as the reading writes it
IMAGES = """\
image 6.8.0-60-generic nouveau deny.conf other.conf
image 6.8.0-59-generic no-permission
image 6.1.0-1 none
"""
STRANGE = (
    "kernel",
    "kernel x",
    "kernel x yes " + "1 " * 500,
    "loaded",
    "denied " + "x" * 5000,
    "image x y z",
)


def test_kernels_and_what_keeps_nouveau_away() -> None:
    found = kernels.parse(answers(kernel_modules=SAMPLE, nouveau_initramfs=IMAGES))
    assert found.kernels == (
        Kernel(release="6.8.0-59-generic", modules=("580.95.05",), nouveau=True),
        Kernel(release="6.8.0-60-generic", modules=("570.211.01", "580.95.05")),
        Kernel(release="6.11.0-1-generic", nouveau=True),
    )
    assert (found.modinfo, found.loaded) == (False, ("nova_core",))
    assert found.denied == ("/etc/modprobe.d/deny.conf", "the kernel's command line")
    assert found.images == (
        Image(release="6.8.0-60-generic", nouveau=True, rules=("deny.conf", "other.conf")),
        Image(release="6.8.0-59-generic", why="no-permission"),
        Image(release="6.1.0-1", nouveau=False),
    )


@QUICK
@given(outcomes(SAMPLE, STRANGE), outcomes(IMAGES, STRANGE))
def test_any_answer_can_be_parsed(modules: Outcome, images: Outcome) -> None:
    whole_facts(answers(kernel_modules=modules, nouveau_initramfs=images))


def test_a_flood_can_be_parsed() -> None:
    torture(kernels.parse, "kernel_modules", SAMPLE, STRANGE)
    torture(kernels.parse, "nouveau_initramfs", IMAGES, STRANGE)
