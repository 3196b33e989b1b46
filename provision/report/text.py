"""Text from a rig made harmless, and quantities made readable."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# ECMA-48: CSI sequences, then strings (OSC, DCS, SOS, PM, APC) up to their end or the line's, then the rest.
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?"
)
# Control characters, direction overrides, invisible marks, and what XML 1.0 and UTF-8 cannot hold.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ud800-\udfff\ufffe\uffff]"
)
_KIB = 1024


def clean(text: str, limit: int = 4000) -> str:
    """``text`` without escape sequences and control characters, cut to ``limit`` characters.

    A rig's output can neither drive a terminal nor reorder or hide what stands beside it; newline and tab stay.
    """
    text = text[: 4 * limit].replace("\r\n", "\n").replace("\r", "\n")
    text = _CONTROLS.sub("", _ESCAPES.sub("", text))
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def line(text: str, limit: int = 4000) -> str:
    """``clean`` text on one line."""
    return " ".join(clean(text, limit).split())


def tail(lines: Iterable[str], count: int) -> tuple[tuple[str, ...], int]:
    """The last ``count`` lines, cleaned and cut to 500 characters, and how many were left out before them."""
    every = tuple(lines)
    kept = every[-count:]
    return tuple(line_text(entry) for entry in kept), len(every) - len(kept)


def line_text(text: str) -> str:
    """One line of a log: inner blanks stay."""
    return clean(text, 500).replace("\n", " ").expandtabs(4).rstrip()


def number(value: float) -> str:
    """Four significant digits; whole numbers with separators from ten thousand on."""
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"  # noqa: PLR2004 - see above


def quantity(value: float, unit: str) -> str:
    """A number with its unit, if it has one."""
    return f"{number(value)} {unit}".rstrip()


def percent(fraction: float, digits: int = 2) -> str:
    """``0.023`` as ``2.3 %``; two digits suffice for a spread."""
    # What would be rounded to 100 is not less than it.
    small = abs(fraction * 100) < 100 - 0.5 / 10 ** (digits - 2)
    return f"{fraction * 100:.{digits}g} %" if small else f"{fraction * 100:,.0f} %"


def signed(fraction: float) -> str:
    """``-0.317`` as ``-31.7 %``, ``+0.1 %``, ``0 %``."""
    # What is rounded to nothing has no sign.
    return f"{round(fraction, 3) + 0.0:+.1%}".replace("+0.0%", "0%").replace("%", " %")


def size(count: int | None) -> str:
    """Bytes in binary units; ``unknown`` for None."""
    if count is None:
        return "unknown"
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < _KIB:
            return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"  # noqa: PLR2004 - three digits
        value /= _KIB
    return f"{value:.3g} TiB"


def duration(seconds: float) -> str:
    """``< 0.1 s``, ``0.4 s``, ``2 min 05 s``, ``1 h 03 min``, ``3 d 4 h``."""
    if seconds < 0.05:  # noqa: PLR2004 - would be shown as nothing
        return "< 0.1 s"
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004 - tenths mean little above
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004 - an hour
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:  # noqa: PLR2004 - a day
        return f"{hours} h {minutes:02d} min"
    return f"{hours // 24} d {hours % 24} h"


def moment(iso: str) -> str:
    """An ISO 8601 time in UTC as ``2026-05-01 12:00:00 UTC``; anything else as it is."""
    found = re.match(
        r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:\.\d+)?(?:Z|\+00:00)?$", iso.strip()
    )
    return f"{found[1]} {found[2]} UTC" if found else line(iso, 40)


def count_of(amount: int, one: str, many: str = "") -> str:
    """``1 check``, ``2 checks``."""
    return f"{amount} {one if amount == 1 else many or one + 's'}"
