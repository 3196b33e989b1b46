"""Write ``docs/compatibility.md`` from the catalogue and the planner.

    python tools/compatibility_page.py            # write it
    python tools/compatibility_page.py --check    # 1 where it is not what would be written

The page depends on nothing else, not even on today's date: life cycles are judged at the catalogue's newest date.
"""  # noqa: INP001 - a script, in no package

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import jinja2
from compatibility_kinds import month
from compatibility_notes import Notes
from compatibility_plans import cards, plans
from compatibility_software import conda_builds, releases, system_cudnn, toolkits
from compatibility_tables import (
    access,
    branches,
    generations,
    newest_releases,
    repositories,
    systems,
    transitions,
)

from provision import catalogue

PAGE = Path(__file__).parents[1] / "docs" / "compatibility.md"
TEMPLATE = "compatibility.md.j2"
SYSTEM = "ubuntu-24.04"
"""For the table of cards."""
TABLES = (
    access,
    branches,
    cards,
    conda_builds,
    generations,
    newest_releases,
    plans,
    releases,
    repositories,
    system_cudnn,
    systems,
    toolkits,
    transitions,
)
"""What the template calls."""


def render() -> str:
    """The page, in Markdown."""
    known, notes = catalogue.load(), Notes()
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # noqa: S701 - Markdown, from data of our own
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for table in TABLES:
        environment.globals[table.__name__] = table
    return environment.get_template(TEMPLATE).render(
        catalogue=known,
        notes=notes,
        month=month(known),
        system=known.system(SYSTEM),
    )


def main(argv: list[str] | None = None) -> int:
    """Write or compare; the exit code."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0],
        epilog="The page's words are in tools/compatibility.md.j2.",
    )
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    options = parser.parse_args(argv)
    text = render()
    if not options.check:
        PAGE.write_text(text)
        return 0
    if PAGE.exists() and PAGE.read_text() == text:
        return 0
    why = "docs/compatibility.md is not current: python tools/compatibility_page.py"
    print(why, file=sys.stderr)  # noqa: T201 - a script
    return 1


if __name__ == "__main__":
    sys.exit(main())
