"""NVLink: which links are up, their errors, and how the cards are connected with each other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from provision.facts.reading import Reading

if TYPE_CHECKING:
    from provision.facts.reading import Outcome, Transcript

STATUS, ERRORS, TOPOLOGY = "nvlink_status", "nvlink_errors", "smi_topology"

READINGS: tuple[Reading, ...] = (
    Reading(name=STATUS, command="nvidia-smi nvlink -s", limit=20.0),
    Reading(name=ERRORS, command="nvidia-smi nvlink -e", limit=20.0),
    Reading(name=TOPOLOGY, command="nvidia-smi topo -m", limit=20.0),
)
MAY_FAIL: frozenset[str] = frozenset({STATUS, ERRORS, TOPOLOGY})

_CARD = re.compile(r"GPU ([0-9]{1,3}):")
_UUID = re.compile(r"GPU-[0-9A-Za-z-]{8,64}")
_SPEED = re.compile(r"\s*Link ([0-9]{1,3}): (?:([0-9]{1,6}(?:\.[0-9]{1,6})?) GB/s|.*)")
_COUNT = re.compile(r"\s*Link ([0-9]{1,3}): ([A-Za-z][A-Za-z ]{1,60}): ([0-9]{1,18})")
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_PEER = re.compile(r"GPU[0-9]{1,3}")


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """One link of a card.

    Attributes:
        speed: GB/s in one direction; None where it is not active.
        errors: counter → events since the driver was loaded, in nvidia-smi's words.
    """

    number: int
    speed: float | None = None
    errors: dict[str, int] = {}


class Linked(msgspec.Struct, frozen=True, kw_only=True):
    """A card with links."""

    index: int
    uuid: str = ""
    links: tuple[Link, ...] = ()

    @property
    def active(self) -> tuple[Link, ...]:
        """Those that are up."""
        return tuple(link for link in self.links if link.speed)


class NvLink(msgspec.Struct, frozen=True, kw_only=True):
    """What nvidia-smi says of the links.

    Attributes:
        trouble: why the links are not known; empty where they are, also where there are none.
        errors_trouble: the same of the counters.
        cards: by nvidia-smi's order; those without a link have none listed.
        paths: ``GPU0-GPU1`` → ``NV18``, ``PHB``, ``SYS`` …, both ways once.
    """

    trouble: str = ""
    errors_trouble: str = ""
    cards: tuple[Linked, ...] = ()
    paths: dict[str, str] = {}


def parse(transcript: Transcript) -> NvLink:
    """Make sense of the readings."""
    errors = _errors(transcript.lines(ERRORS))
    cards = _cards(transcript.lines(STATUS), errors)
    return NvLink(
        trouble=_trouble(transcript[STATUS], found=bool(cards)),
        errors_trouble=_trouble(transcript[ERRORS], found=bool(errors)),
        cards=cards,
        paths=_topology(transcript.lines(TOPOLOGY)),
    )


def _trouble(outcome: Outcome, *, found: bool) -> str:
    """nvidia-smi leaves with an error where a card has no links: only an answer that is not there is none."""
    return outcome.trouble if outcome.hung or (not found and not outcome.ok) else ""


def _cards(lines: list[str], errors: dict[tuple[int, int], dict[str, int]]) -> tuple[Linked, ...]:
    uuids: dict[int, str] = {}
    links: dict[int, dict[int, Link]] = {}
    index = None
    for line in lines:
        head, link = _CARD.match(line), _SPEED.fullmatch(line)
        if head:
            index = int(head[1])
            uuid = _UUID.search(line)
            uuids[index] = uuid.group() if uuid else ""
            links.setdefault(index, {})
        elif link and index is not None:
            number, speed = int(link[1]), float(link[2]) if link[2] else None
            counted = errors.get((index, number), {})
            links[index][number] = Link(number=number, speed=speed, errors=counted)
    return tuple(
        Linked(index=one, uuid=uuids[one], links=tuple(links[one].values())) for one in links
    )


def _errors(lines: list[str]) -> dict[tuple[int, int], dict[str, int]]:
    found: dict[tuple[int, int], dict[str, int]] = {}
    index = None
    for line in lines:
        head, count = _CARD.match(line), _COUNT.fullmatch(line.rstrip())
        if head:
            index = int(head[1])
        elif count and index is not None:
            found.setdefault((index, int(count[1])), {})[count[2].strip()] = int(count[3])
    return found


def _topology(lines: list[str]) -> dict[str, str]:
    """A table with tabs, its head underlined on a terminal; the legend below it has no tabs."""
    paths: dict[str, str] = {}
    head: list[str] = []
    for line in lines:
        cells = [cell.strip() for cell in _ESCAPES.sub("", line).split("\t")]
        if not head:
            head = cells if "CPU Affinity" in cells else []
        elif _PEER.fullmatch(cells[0]):
            number = _number(cells[0])
            for peer, path in zip(head[1:], cells[1:], strict=False):
                if _PEER.fullmatch(peer) and _number(peer) > number:
                    paths[f"{cells[0]}-{peer}"] = path
    return paths


def _number(peer: str) -> int:
    return int(peer.removeprefix("GPU"))
