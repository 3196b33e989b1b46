"""The cards' own memory of what they are (InfoROM), their firmware, and whether like cards are alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.hardware.cards import alike, told
from checks.question import question
from provision.results import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from checks.question import Measure
    from provision.facts import Facts
    from provision.facts.health.smi_card import Card


@question(
    "Is the GPUs' InfoROM valid?",
    expected="nvidia-smi does not call an InfoROM corrupt",
    source="nvidia-smi(1), return value 14, and its warning below the table",
    remedy="Counters of errors and of retired memory can't be kept by such a card: return it to its maker.",
    severity=Status.WARN,
)
def test_inforom_valid(cards: tuple[Card, ...], facts: Facts, measure: Measure) -> None:
    """The card keeps there what it was, and which of its memory is broken."""
    measure.found(
        told(cards, lambda card: f"InfoROM {card.inforom.get('image', 'without version')}")
    )
    said = [line for line in facts.health.smi.warnings if "inforom" in line.lower()]
    assert not said, "; ".join(said)


@question(
    "Have like GPUs the same firmware?",
    expected="one VBIOS and one InfoROM version among cards of one model",
    source="Azure/azurehpc-health-checks; gpud",
    remedy="Their maker has the update; a card with other firmware may be another board, or have been repaired.",
    severity=Status.WARN,
)
def test_gpu_firmware(cards: tuple[Card, ...], measure: Measure) -> None:
    """Other firmware is other clocks, fans and limits."""
    groups = alike(cards)
    measure.found("; ".join(told(group, _firmware) for group in groups))
    bad = _differing(groups, _firmware)
    assert not bad, bad


@question(
    "Are like GPUs set up alike?",
    expected="the same memory, ECC and MIG modes and firmware of the system processor (GSP) among cards of one model",
    source="a program that uses several cards runs as the weakest does",
    remedy="Compare them: nvidia-smi --query-gpu=index,memory.total,ecc.mode.current,mig.mode.current --format=csv",
    severity=Status.WARN,
)
def test_gpus_alike(cards: tuple[Card, ...], measure: Measure) -> None:
    """Beyond what other checks judge card by card."""
    groups = alike(cards)
    measure.found("; ".join(told(group, _setting) for group in groups))
    bad = _differing(groups, _setting)
    assert not bad, bad


def _firmware(card: Card) -> str:
    inforom = card.inforom.get("image", "unknown")
    return f"VBIOS {card.vbios or 'unknown'}, InfoROM {inforom}"


def _setting(card: Card) -> str:
    parts = [f"{card.memory} MiB"]
    parts += [f"ECC {_on(card.ecc.current)}"] if card.ecc.current is not None else []
    parts += [f"MIG {_on(card.mig)}"] if card.mig is not None else []
    parts += [f"GSP {card.gsp}"] if card.gsp else ["no GSP firmware"]
    return ", ".join(parts)


def _on(flag: bool | None) -> str:  # noqa: FBT001 - as nvidia-smi states it
    return "on" if flag else "off"


def _differing(groups: list[tuple[Card, ...]], words: Callable[[Card], str]) -> str:
    return "; ".join(
        f"{group[0].name}: {told(group, words)}"
        for group in groups
        if len({words(card) for card in group}) > 1
    )
