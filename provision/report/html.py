"""The report as one HTML page that needs nothing else: no network, no script, no second file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from provision import __version__
from provision.bundle import bundled
from provision.report import text
from provision.report.rig import rows
from provision.report.view import page
from provision.report.words import SYMBOLS, TONES, WORDS, counted, page_of

if TYPE_CHECKING:
    from provision.results import Acceptance


def render(acceptance: Acceptance) -> str:
    """The page. Whatever came from a rig is freed of control characters and escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(bundled("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    environment.filters |= {
        "duration": text.duration,
        "moment": text.moment,
        "number": text.number,
        "percent": text.percent,
        "count_of": text.count_of,
    }
    view = page(acceptance)
    return environment.get_template("report.html.j2").render(
        page=view,
        acceptance=view.acceptance,
        rig_rows=rows(view.facts) if view.facts else (),
        tone=TONES[acceptance.verdict],
        symbols=SYMBOLS,
        words=WORDS,
        counted=counted,
        page_of=page_of,
        drawing=Markup,  # for plots alone, which hold none of a rig's text
        version=__version__,
    )


def _harmless(value: Any) -> Any:  # noqa: ANN401 - whatever a template prints
    if isinstance(value, str) and not isinstance(value, Markup):
        return text.clean(value)
    return value
