"""What the tables of ``docs/compatibility.md`` are made of: cells, and footnotes that say where a row comes from."""  # noqa: INP001 - a script's part, in no package

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import datetime as dt
    from typing import Protocol

    class Sourced(Protocol):
        """A row of the catalogue."""

        @property
        def source(self) -> str: ...  # noqa: D102 - see provision.catalogue.rows.Row
        @property
        def date(self) -> dt.date: ...  # noqa: D102
        @property
        def confidence(self) -> str: ...  # noqa: D102


NONE = "—"


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table of text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def markdown(self) -> str:
        """As GitHub's dialect has it."""
        lines = [self.columns, ("---",) * len(self.columns), *self.rows]
        return "\n".join(f"| {' | '.join(cell or NONE for cell in line)} |" for line in lines)


class Notes:
    """Footnotes, numbered in the order in which they are first used; equal ones are one."""

    def __init__(self) -> None:
        self._texts: dict[str, int] = {}

    def mark(self, *rows: Sourced) -> str:
        """``[^3] [^5]``: where the rows come from, when they were read and how sure they are."""
        return self.texts(
            *(f"{row.source}; {row.date.isoformat()}, {row.confidence} confidence" for row in rows)
        )

    def texts(self, *texts: str) -> str:
        """The same for notes in words."""
        numbers = [self._texts.setdefault(text, len(self._texts) + 1) for text in texts]
        return " ".join(f"[^{number}]" for number in dict.fromkeys(numbers))

    @property
    def markdown(self) -> str:
        """All of them."""
        return "\n".join(f"[^{number}]: {text}." for text, number in self._texts.items())
