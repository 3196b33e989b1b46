"""A transcript without what names its owner: host, user, serial numbers, UUIDs, addresses, ids. Pure.

The same original always becomes the same replacement, in every outcome and in every transcript that one
``Anonymiser`` has seen; replacements are numbered, so nothing of an original can be worked out from them. Words that
name nobody (``ubuntu`` as a login) and the well-known servers of packages stay, as do PCI addresses, versions and
times: what the checks judge is the same before and after.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from provision.anonymise.forms import MADE, means_nobody, pattern
from provision.anonymise.names import is_neutral, words
from provision.errors import DlrigError
from provision.facts.reading import Outcome, Transcript

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable

_VERSIONS = frozenset({"dpkg", "environments", "driver", "makers", "python", "toolkits"})
"""Readings that list versions."""

_MOST = 500
"""Names in a transcript; some twenty are usual, and every one is searched for everywhere."""


class Anonymiser:
    """Remembers what became of what."""

    def __init__(self) -> None:
        self._new: dict[tuple[str, str], str] = {}
        self._counts: Counter[str] = Counter()

    def transcript(self, original: Transcript) -> Transcript:
        """The same transcript, nameless.

        Raises:
            DlrigError: it names so much that something else than a rig must have written it.
        """
        known = dict(words(original))
        if len(known) > _MOST:
            raise DlrigError(
                f"this transcript holds {len(known)} names: it is no ordinary one",
                where=original.target,
                hint="See what the rig printed: record it without --anonymise.",
                reference="too-many-names",
            )
        texts = {
            name: self._outcome(name, outcome, known) for name, outcome in original.outcomes.items()
        }
        if "machine" in texts:
            texts["machine"] = self._machine(texts["machine"])
        return Transcript(
            target=self._replaced("rig", original.target),
            taken=original.taken,
            outcomes=texts,
            login=self._login(original.login),
            privilege=original.privilege,
        )

    def _login(self, login: str) -> str:
        return login if is_neutral(login) else self._replaced("user", login)

    def _outcome(self, name: str, outcome: Outcome, known: dict[str, str]) -> Outcome:
        find = pattern(known, with_versions=name in _VERSIONS)

        def replace(match: re.Match[str]) -> str:
            kind, text = match.lastgroup or "", match[0]
            if kind == "word":
                kind = known.get(text.lower(), "host")
            return text if means_nobody(kind, text) else self._replaced(kind, text)

        out, err = (find.sub(replace, text) for text in (outcome.out, outcome.err))
        return msgspec.structs.replace(outcome, out=out, err=err)

    def _machine(self, outcome: Outcome) -> Outcome:
        """The keyed hash: who knows the machine's id could work it out."""
        kept = outcome.out.strip()
        new = outcome.out.replace(kept, self._replaced("machine", kept)) if kept else outcome.out
        return msgspec.structs.replace(outcome, out=new)

    def _replaced(self, kind: str, text: str) -> str:
        key = ("uuid" if kind == "card" else kind, text.lower())
        if key not in self._new:
            self._counts[key[0]] += 1
            self._new[key] = MADE[kind](self._counts[key[0]], text)
        return self._new[key]


def anonymise(transcripts: Iterable[Transcript]) -> list[Transcript]:
    """Several transcripts, consistently among each other.

    Raises:
        DlrigError: see ``Anonymiser.transcript``.
    """
    once = Anonymiser()
    return [once.transcript(one) for one in transcripts]
