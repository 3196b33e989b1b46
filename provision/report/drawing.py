"""Inline SVG whose colours and letters the page decides, so that drawings fit light, dark and paper.

Text inside comes from dlrig alone, never from a rig: titles and notes stand in the page, escaped like the rest.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas

if TYPE_CHECKING:
    from collections.abc import Callable

# matplotlib knows no CSS: each stand-in colour becomes a variable of the page.
_COLOURS = {
    "#010203": "var(--ink)",
    "#010204": "var(--muted)",
    "#010205": "var(--rule)",
    "#010206": "var(--series)",
    "#010207": "var(--band)",
    "#010208": "var(--mark)",
    "#010209": "var(--paper)",
    "#01020a": "var(--pass)",
    "#01020b": "var(--error)",
}
INK, MUTED, RULE, SERIES, BAND, MARK, PAPER, THIRD, FOURTH = _COLOURS

_STYLE: dict[str, Any] = {
    "figure.facecolor": "none",
    "svg.fonttype": "none",  # letters stay text: searchable, read aloud, in the page's type
    "font.size": 11,
    "text.color": INK,
    "text.parse_math": False,
    "axes.facecolor": "none",
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.labelcolor": MUTED,
    "xtick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.color": RULE,
    "ytick.labelcolor": MUTED,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
    "xtick.minor.size": 0,
}
WIDTH, HEIGHT = 6.0, 3.6  # inches at 72 points: letters stay readable when a phone shrinks it


def draw(paint: Callable[[Canvas], None], salt: str, height: float = HEIGHT) -> str:
    """An SVG element as wide as its place, in the page's colours and type.

    Args:
        paint: draws on the empty canvas.
        salt: makes the ids inside differ from those of the page's other drawings.
        height: inches; the width is ``WIDTH``.
    """
    style: Any = {**_STYLE, "svg.hashsalt": salt}  # matplotlib lists its 300 keys as literals
    with mpl.rc_context(style):
        canvas = Canvas(figsize=(WIDTH, height), dpi=72, layout="constrained")
        paint(canvas)
        return _svg(canvas)


def _svg(canvas: Canvas) -> str:
    out = io.StringIO()
    canvas.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    drawing = out.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    for extra in (r"<metadata>.*?</metadata>", r"<style.*?</style>", r'(?<=<g) id="[^"]*"'):
        drawing = re.sub(extra, "", drawing, flags=re.DOTALL)
    drawing = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", drawing, count=1)
    drawing = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", drawing, count=1)
    drawing = re.sub(r"font-family: [^;\"]*;?|(?<=px) '[^;\"]*'(?=[;\"])", "", drawing)
    drawing = re.sub(r"-?\d+\.\d{3,}", _shorter, drawing)
    for colour, variable in _COLOURS.items():
        drawing = drawing.replace(colour, variable)
    return drawing.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1).strip()


def _shorter(found: re.Match[str]) -> str:
    """A hundredth of a pixel is more than anybody sees."""
    return f"{float(found[0]):.2f}".rstrip("0").rstrip(".")
