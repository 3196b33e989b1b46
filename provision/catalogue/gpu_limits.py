"""What a GPU's counters and states mean: limits, and words of nvidia-smi, from ``catalog/gpu_limits.toml``."""

from __future__ import annotations

from typing import Literal

import msgspec

from provision.catalogue.rows import Row, read_toml


class Limit(Row, frozen=True, kw_only=True):
    """A number that a counter must not pass.

    Attributes:
        id: what is counted.
        most: the greatest that is well; ``least``: the least. One of them is given.
        unit: what it is a number of.
    """

    id: str
    most: float | None = None
    least: float | None = None
    unit: str

    @property
    def bound(self) -> float:
        """The number itself."""
        return (self.most if self.least is None else self.least) or 0.0


class Word(Row, frozen=True, kw_only=True):
    """A word of nvidia-smi.

    Attributes:
        word: as it stands there.
        means: in plain words.
        verdict: what it makes of a check.
        remedy: what to do; empty where the check says it.
    """

    word: str
    means: str
    verdict: Literal["pass", "warn", "fail"] = "fail"
    remedy: str = ""


class GpuLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of ``gpu_limits.toml``; see there."""

    limit: tuple[Limit, ...]
    reason: tuple[Word, ...]
    spent: tuple[Word, ...]
    compute_mode: tuple[Word, ...]
    recovery: tuple[Word, ...]
    link_error: tuple[Word, ...]

    def bound(self, name: str) -> float:
        """The number of a limit.

        Raises:
            KeyError: there is none of that name.
        """
        return {row.id: row.bound for row in self.limit}[name]


def word_of(rows: tuple[Word, ...], word: str) -> Word | None:
    """The row of a word, whatever its case and whether its parts are joined by blanks or ``_``."""
    wanted = _plain(word)
    return next((row for row in rows if _plain(row.word) == wanted), None)


def _plain(word: str) -> str:
    return word.lower().replace("_", " ").strip()


def read_gpu_limits() -> GpuLimits:
    """``gpu_limits.toml``.

    Raises:
        msgspec.ValidationError: the file is wrong.
    """
    return read_toml("gpu_limits.toml", GpuLimits)
