"""A machine that does not exist yet: how people name its system and its cards."""

from __future__ import annotations

import pytest

from provision import catalogue
from provision.errors import UsageError
from provision.imagined import imagine

NOW = "2026-11-23T00:00:00+00:00"
KNOWN = catalogue.load()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("ubuntu-24.04", "ubuntu-24.04"),
        ("Ubuntu 24.04", "ubuntu-24.04"),
        ("noble", "ubuntu-24.04"),
        ("Debian 13", "debian-13"),
        ("bookworm", "debian-12"),
        ("Ubuntu 22.04 LTS", "ubuntu-22.04"),
    ],
)
def test_a_system_has_several_names(text: str, key: str) -> None:
    assert imagine(text, (), KNOWN, now=NOW).system.key == key


@pytest.mark.parametrize(
    ("text", "devices"),
    [
        ("10de:1c03", {"1c03"}),
        ("0x1C03", {"1c03"}),
        ("1c03", {"1c03"}),
        ("GeForce GTX 1060 6GB", {"1b83", "1c03", "1c06"}),
        ("rtx-4090", {"2684"}),
        ("RTX 3090", {"2204"}),
        ("Tesla T4", {"1eb8"}),
        ("K20", {"101f"}),
        # The very name goes before a Quadro 4000M of another chip.
        ("Quadro 4000", {"06dd"}),
        # 10de:4090 is no GPU, so this is the name.
        ("4090", {"2684", "2685", "2757"}),
    ],
)
def test_a_gpu_is_an_id_or_a_name(text: str, devices: set[str]) -> None:
    facts = imagine("noble", (text,), KNOWN, now=NOW)
    assert {gpu.device for gpu in facts.gpus} <= devices
    assert len(facts.gpus) == 1


@pytest.mark.parametrize(
    ("system", "gpus", "kernel", "reference", "words"),
    [
        ("ubuntu-24.10", (), "", "unknown-system", "Did you mean ubuntu-24.04?"),
        ("fedora", (), "", "unknown-system", "debian-13"),
        ("noble", ("GTX 1061",), "", "unknown-gpu", "lspci -nn -d 10de:"),
        ("noble", ("1080",), "", "ambiguous-gpu", "10de:1080"),
        ("noble", ("RTX",), "", "ambiguous-gpu", "more"),
        ("noble", ("",), "", "unknown-gpu", "lspci"),
        ("noble", (), "latest", "bad-kernel", "uname -r"),
    ],
)
def test_a_slip_says_what_was_meant(
    system: str, gpus: tuple[str, ...], kernel: str, reference: str, words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        imagine(system, gpus, KNOWN, kernel=kernel, now=NOW)
    assert caught.value.reference == reference
    assert words in str(caught.value)


def test_it_says_what_it_is() -> None:
    facts = imagine(
        "noble",
        ("10de:1c03", "10de:2204", "10de:1c03"),
        KNOWN,
        kernel="6.11.0-29-generic",
        secure_boot=True,
        now=NOW,
    )
    assert facts.target == (
        "a machine with Ubuntu 24.04 LTS (noble), 2 x GeForce GTX 1060 6GB and GeForce RTX 3090"
    )
    assert facts.firmware.secure_boot
    assert facts.system.kernel == "6.11.0-29-generic"
    assert len({gpu.address for gpu in facts.gpus}) == 3
