"""Find GPUs by what people call them: ``rtx-4090``, ``RTX4090`` and ``GeForce RTX 4090`` are the same."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORD = re.compile(r"[a-z]+|[0-9]+")
_BRANDS = {"nvidia", "geforce", "tesla", "quadro"}
_EXACT, _PART, _SCATTERED = range(3)


class Names:
    """Names, each with the device id that it belongs to; an id may have several names."""

    def __init__(self, names: Iterable[tuple[str, str]]) -> None:
        self._names = tuple((_words(name), device, name) for device, name in names)

    def find(self, text: str) -> tuple[tuple[str, str], ...]:
        """Pairs of device id and name that have the words of ``text``: exact ones first, then by id.

        A word is a run of letters or of digits, so ``L4`` is no part of ``L40``. The words must follow
        each other; only where no name has them so do words in between not matter.
        """
        wanted = _words(text)
        if not wanted:
            return ()
        ranked = sorted(
            (rank, device, name)
            for words, device, name in self._names
            if (rank := _rank(wanted, words)) is not None
        )
        worst = _PART if ranked and ranked[0][0] < _SCATTERED else _SCATTERED
        found: dict[str, str] = {}
        for rank, device, name in ranked:
            if rank <= worst:
                found.setdefault(device, name)
        return tuple(found.items())

    def near(self, text: str) -> tuple[str, ...]:
        """At most three names that ``text`` may have been meant as, the nearest first."""
        shown: dict[str, str] = {}
        for words, _, name in self._names:
            shown.setdefault(" ".join(words), name)
            shown.setdefault(" ".join(_unbranded(words)), name)
        close = difflib.get_close_matches(" ".join(_words(text)), shown, n=6)
        return tuple(dict.fromkeys(shown[key] for key in close))[:3]


def same_name(left: str, right: str) -> bool:
    """Whether two names are one, but for how they are written and the brand's name."""
    return _unbranded(_words(left)) == _unbranded(_words(right))


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.lower()))


def _unbranded(words: tuple[str, ...]) -> tuple[str, ...]:
    """Without the brands at the beginning, unless there is nothing else."""
    kept = words
    while kept and kept[0] in _BRANDS:
        kept = kept[1:]
    return kept or words


def _rank(wanted: tuple[str, ...], words: tuple[str, ...]) -> int | None:
    asked = wanted[1:] if wanted[0] == "nvidia" and len(wanted) > 1 else wanted
    if asked in {words, _unbranded(words)}:
        return _EXACT
    if any(words[at : at + len(asked)] == asked for at in range(len(words) - len(asked) + 1)):
        return _PART
    rest = iter(words)
    return _SCATTERED if all(word in rest for word in asked) else None
