"""nvidia-smi's XML, whatever the release: elements with the words for "nothing there" taken out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_ROOT = re.compile(r"<nvidia_smi_log\b.*</nvidia_smi_log>", re.DOTALL)

_NOTHING = {
    "",
    "n/a",
    "not supported",
    "not available",
    "not found",
    "requested functionality has been deprecated",
    "insufficient permissions",
    "function not found",
}
"""In lower case and without brackets: the card or the driver has no such thing."""

_TROUBLE = {
    "unknown error",
    "gpu is lost",
    "gpu requires reset",
    "err!",
}
"""The driver asked the card, and the card did not answer."""

_YES = {"yes", "enabled", "active", "on"}
_NO = {"no", "disabled", "not active", "off"}
_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,6})?")


class Part:
    """An element. What is not there, or is no value, reads as None or as an empty text."""

    def __init__(self, element: Element | None) -> None:
        self._element = element

    def part(self, path: str) -> Part:
        """The element at a path of tags."""
        return Part(None if self._element is None else self._element.find(path))

    def first(self, *paths: str) -> Part:
        """The first of several elements that is there: releases name things differently."""
        parts = [self.part(path) for path in paths]
        return next((part for part in parts if part.there), parts[0])

    def parts(self, tag: str) -> tuple[Part, ...]:
        """All elements of a tag that lie directly below."""
        found = [] if self._element is None else self._element.findall(tag)
        return tuple(Part(one) for one in found)

    @property
    def there(self) -> bool:
        """The element exists."""
        return self._element is not None

    def attribute(self, name: str) -> str:
        """An attribute; empty where there is none."""
        return "" if self._element is None else self._element.get(name, "")

    def raw(self, path: str = ".") -> str:
        """The text as it stands there, without the brackets that some words have."""
        element = None if self._element is None else self._element.find(path)
        text = "" if element is None else (element.text or "")
        return text.strip().removeprefix("[").removesuffix("]").strip()

    def text(self, path: str = ".") -> str:
        """A value; empty where there is none."""
        text = self.raw(path)
        return "" if text.lower() in _NOTHING | _TROUBLE else text

    def number(self, path: str = ".") -> float | None:
        """A value without its unit."""
        words = self.text(path).split()
        return float(words[0]) if words and _NUMBER.fullmatch(words[0]) else None

    def whole(self, path: str = ".") -> int | None:
        """A whole number without its unit; the ``x`` of a link's width is one too."""
        words = self.text(path).removesuffix("x").split()
        return int(words[0]) if words and re.fullmatch(r"-?[0-9]{1,18}", words[0]) else None

    def sum(self, *paths: str) -> int | None:
        """The sum of those whole numbers that are there; None where none is."""
        there = [number for number in map(self.whole, paths) if number is not None]
        return sum(there) if there else None

    def flag(self, path: str = ".") -> bool | None:
        """Yes or no, in any of nvidia-smi's words; None for neither."""
        word = self.text(path).lower()
        return True if word in _YES else False if word in _NO else None

    def children(self) -> dict[str, Part]:
        """What lies directly below, by tag; the last of a tag wins."""
        return {} if self._element is None else {one.tag: Part(one) for one in self._element}

    def troubles(self) -> dict[str, str]:
        """Tag → words, of whatever lies below that the card should have answered and did not."""
        if self._element is None:
            return {}
        leaves = ((one.tag, Part(one).raw()) for one in self._element.iter())
        return {tag: text for tag, text in leaves if text.lower() in _TROUBLE}


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """An answer taken apart.

    Attributes:
        root: None where there is no whole document.
        beside: lines before and after it, without those of XML itself.
    """

    root: Part | None = None
    beside: tuple[str, ...] = ()


def read(text: str) -> Document:
    """Take an answer apart; never raises.

    What stands before the root goes away with its declarations: no entity can be defined.
    """
    match = _ROOT.search(text)
    if match is None:
        return Document()
    lines = (text[: match.start()] + "\n" + text[match.end() :]).splitlines()
    beside = (line.strip() for line in lines)
    try:
        root = fromstring(match.group())
    except (ParseError, DefusedXmlException, ValueError, RecursionError):
        return Document()
    return Document(
        root=Part(root),
        beside=tuple(line for line in beside if line and not line.startswith(("<?", "<!"))),
    )
