"""An acceptance's files: the page, JUnit and JSON, side by side in the folder of its run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.report import document, html, junit
from provision.state import write_file

if TYPE_CHECKING:
    from pathlib import Path

    from provision.results import Acceptance

PAGE = "report.html"


def write_reports(acceptance: Acceptance, folder: Path) -> Path:
    """Write all of them; returns the page's path.

    Raises:
        DlrigError: the folder cannot be written to.
    """
    write_file(folder / "junit.xml", junit.render(acceptance))
    write_file(folder / "acceptance.json", document.to_json(acceptance))
    page = folder / PAGE
    write_file(page, html.render(acceptance).encode())
    return page
