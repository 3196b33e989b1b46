"""Write ``docs/checks``: a page for every check, made from the check itself, and an index.

python tools/checks_pages.py            # write them, and remove what no check stands behind
python tools/checks_pages.py --check    # 1 where one is not what would be written
"""  # noqa: INP001 - a script, in no package

from __future__ import annotations

import argparse
import importlib
import inspect
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import msgspec

ROOT = Path(__file__).parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from checks_ways import Ways, ways_of  # noqa: E402 - once the checks can be imported

from checks.collect import MARKERS, reachable  # noqa: E402
from checks.options import CHAPTERS  # noqa: E402
from checks.question import Question, question_of  # noqa: E402
from provision.results import Status  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FunctionType, ModuleType

FOLDER = ROOT / "docs" / "checks"
INDEX = "README.md"
_SLOW = {"performance", "training"}


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What a page says.

    Attributes:
        check: ``hardware/disk_space``.
        file: where the check is.
        note: the check's own docstring.
        markers: by which it is selected.
        environments: it is asked once per environment.
        compares: with the last acceptance, where there is one.
    """

    check: str
    file: str
    asked: Question
    note: str
    markers: tuple[str, ...]
    environments: bool
    compares: bool
    ways: Ways

    @property
    def chapter(self) -> str:
        """The part before the stroke."""
        return self.check.partition("/")[0]

    @property
    def name(self) -> str:
        """The part after it."""
        return self.check.partition("/")[2]

    @property
    def path(self) -> str:
        """Below ``FOLDER``."""
        return f"{self.check}.md"


def pages() -> list[Page]:
    """Every check, in the order in which chapters run."""
    found = [_first()]
    for chapter in CHAPTERS:
        modules = [_module(path) for path in sorted((ROOT / "checks" / chapter).glob("test_*.py"))]
        found += [page for module in modules for page in _pages(chapter, module)]
    return found


def _first() -> Page:
    """What stands in for all checks of a rig that cannot be reached."""
    return Page(
        check="connection/reachable",
        file="checks/collect.py",
        asked=_question(reachable),
        note=inspect.getdoc(reachable) or "",
        markers=(),
        environments=False,
        compares=False,
        ways=Ways(errors=["why there was no connection, or no answer"]),
    )


def _module(path: Path) -> ModuleType:
    return importlib.import_module(f"checks.{path.parent.name}.{path.stem}")


def _pages(chapter: str, module: ModuleType) -> Iterator[Page]:
    for name, check in vars(module).items():
        own = getattr(check, "__module__", "") == module.__name__
        if own and name.startswith("test_") and question_of(check):
            yield _page(chapter, module, check)


def _page(chapter: str, module: ModuleType, check: FunctionType) -> Page:
    parameters = inspect.signature(check).parameters
    own = {mark.name for mark in getattr(check, "pytestmark", ())} & MARKERS.keys()
    marks = {chapter, *own, *(() if chapter in _SLOW else ("quick",))}
    return Page(
        check=f"{chapter}/{check.__name__.removeprefix('test_')}",
        file=f"{module.__name__.replace('.', '/')}.py",
        asked=_question(check),
        note=inspect.getdoc(check) or "",
        markers=tuple(marker for marker in MARKERS if marker in marks),
        environments="environment" in parameters,
        compares="baseline" in parameters,
        ways=ways_of(check),
    )


def _question(check: object) -> Question:
    asked = question_of(check)  # type: ignore[arg-type] # an attribute is all that it looks at
    if asked is None:
        raise LookupError(f"{check} asks nothing")
    return asked


def render() -> dict[str, str]:
    """Path below ``FOLDER`` → the page, in Markdown."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # noqa: S701 - Markdown, from data of our own
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["plain"] = _plain
    every = pages()
    shared = {"Status": Status, "markers": MARKERS}
    page, index = (environment.get_template(f"checks_{name}.md.j2") for name in ("page", "index"))
    texts = {each.path: page.render(page=each, **shared) for each in every}
    chapters = {
        name: [each for each in every if each.chapter == name] for name in ("connection", *CHAPTERS)
    }
    return {INDEX: index.render(chapters=chapters, **shared), **texts}


def _plain(text: str) -> str:
    """Text of a check's as text: Markdown must not take a part of it for its own."""
    joined = " ".join(text.split())
    # Between letters an underscore is one in every dialect of today.
    return re.sub(r"([\\`*<>\[\]|#]|(?<!\w)_|_(?!\w))", r"\\\1", joined)


def stale(texts: dict[str, str]) -> list[str]:
    """The pages that are not what would be written, missing, or of no check."""
    there = {str(path.relative_to(FOLDER)): path.read_text() for path in FOLDER.rglob("*.md")}
    return sorted(name for name in {*there, *texts} if there.get(name) != texts.get(name))


def write(texts: dict[str, str]) -> None:
    """Write what differs; remove the rest."""
    for name in stale(texts):
        path = FOLDER / name
        if name in texts:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(texts[name])
        else:
            path.unlink()
    for folder in sorted(FOLDER.rglob("*/"), reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def main(argv: list[str] | None = None) -> int:
    """Write or compare; the exit code."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0],
        epilog="The pages' words are in tools/checks_*.md.j2, and in the checks.",
    )
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    options = parser.parse_args(argv)
    texts = render()
    if not options.check:
        write(texts)
        return 0
    for name in stale(texts):
        why = f"docs/checks/{name} is not current: python tools/checks_pages.py"
        print(why, file=sys.stderr)  # noqa: T201 - a script
    return 1 if stale(texts) else 0


if __name__ == "__main__":
    sys.exit(main())
