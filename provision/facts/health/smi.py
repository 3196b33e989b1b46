"""What ``nvidia-smi -q -x`` says of every card: its modes, errors, temperatures, clocks, power and processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from provision.facts.health import smi_document
from provision.facts.health.smi_card import Card
from provision.facts.health.smi_layout import card
from provision.facts.reading import Reading

if TYPE_CHECKING:
    from provision.facts.reading import Transcript

NAME = "smi_query"

# Left out on the rig: serial numbers, the arguments of processes (which may hold secrets), and the list of every
# clock that could be set (most of the output). A range of sed ends on a later line than it begins: hence twice.
_SED = r"""
/<serial>/d
/<chassis_serial_number>/d
/<supported_clocks>.*<\/supported_clocks>/d
/<supported_clocks>/,/<\/supported_clocks>/d
/<accounted_processes>.*<\/accounted_processes>/d
/<accounted_processes>/,/<\/accounted_processes>/d
/<process_name>/{
:a
/<\/process_name>/!{
N
ba
}
s/<process_name>\([^[:space:]<]*\)[^<]*/<process_name>\1/
}
"""

# The exit code is nvidia-smi's, not sed's; nothing is kept in memory, so a flood ends at the limit on output.
_COMMAND = f"""
exec 4>&1
code=$({{ {{ nvidia-smi -q -x; echo $? >&3; }} | sed '{_SED}' >&4; }} 3>&1)
exit "${{code:-1}}"
"""

READINGS: tuple[Reading, ...] = (Reading(name=NAME, command=_COMMAND, limit=20.0),)
MAY_FAIL: frozenset[str] = frozenset({NAME})

_NOT_FOUND = 127
_WARNINGS = 8
"""Lines beside the document that are kept."""


class Smi(msgspec.Struct, frozen=True, kw_only=True):
    """The answer.

    Attributes:
        installed: nvidia-smi is there.
        trouble: why there is nothing to read; empty where there is.
        driver: version of the driver.
        cuda: newest CUDA that the driver runs, e.g. ``13.0``.
        attached: how many cards the driver has.
        cards: one per card, in nvidia-smi's order.
        warnings: what nvidia-smi said beside the document, e.g. that an InfoROM is corrupt.
    """

    installed: bool = False
    trouble: str = "not read"
    driver: str = ""
    cuda: str = ""
    attached: int | None = None
    cards: tuple[Card, ...] = ()
    warnings: tuple[str, ...] = ()

    def at(self, address: str) -> Card | None:
        """The card at an address of the kernel's form; None where nvidia-smi lists none there."""
        return next((one for one in self.cards if one.address == address), None)


def parse(transcript: Transcript) -> Smi:
    """Make sense of the reading."""
    outcome = transcript[NAME]
    installed = outcome.exit_code != _NOT_FOUND and (outcome.hung or outcome.exit_code is not None)
    document = smi_document.read(outcome.out)
    if document.root is None:
        trouble = outcome.trouble or "nvidia-smi's answer is no whole XML document"
        return Smi(installed=installed, trouble=trouble)
    found = document.root.parts("gpu")
    beside = (*document.beside, *(line.strip() for line in outcome.err.splitlines()))
    return Smi(
        installed=True,
        trouble="" if found else outcome.trouble or "nvidia-smi lists no card",
        driver=document.root.text("driver_version"),
        cuda=document.root.text("cuda_version"),
        attached=document.root.whole("attached_gpus"),
        cards=tuple(card(index, one) for index, one in enumerate(found)),
        warnings=tuple(filter(None, beside))[:_WARNINGS],
    )
