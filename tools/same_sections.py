"""Copy the sections that need no framework from a family's TensorFlow program into its other programs.

Each program is sent to a rig alone, so it cannot import what they share; a section stands between two lines:

    # >>> same in all FAMILY programs: NAME
    # <<< NAME

A program that is called after its family (``cifar10_torch.py``) has all of its sections; any other has those it likes.

python tools/same_sections.py            # write them
python tools/same_sections.py --check    # 1 where one differs
"""  # noqa: INP001 - a script, in no package

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "checks" / "workloads"
SOURCE = "cifar10_tensorflow.py"
SOURCES = {"cifar10": SOURCE, "phase": "phase_tensorflow.py"}
"""Family → the program that its sections are copied from."""
SECTION = re.compile(
    r"^# >>> same in all (?P<family>\w+) programs: (?P<name>\w+)\n(?P<text>.*?)^# <<< (?P=name)$",
    re.MULTILINE | re.DOTALL,
)


class SectionError(Exception):
    """A program lacks a section, or has one that is nowhere else."""


def sections(text: str, family: str = "cifar10") -> dict[str, str]:
    """Name → text of each section of a family, in order.

    Raises:
        SectionError: a line that begins or ends a section has no partner, or a name comes twice.
    """
    found = [(match["family"], match["name"], match["text"]) for match in SECTION.finditer(text)]
    names = {(owner, name) for owner, name, _ in found}
    marks = len(re.findall(r"^# (?:>>> same in all|<<<)", text, re.MULTILINE))
    if len(names) * 2 != marks:
        raise SectionError(f"{marks} marks make {len(names)} sections: one is not closed")
    return {name: body for owner, name, body in found if owner == family}


def filled(text: str, source: dict[str, str], family: str = "cifar10", *, whole: bool) -> str:
    """A program with the family's sections of the source in place of its own.

    Raises:
        SectionError: it has one that the source has not, or (whole) not all of them.
    """
    own = sections(text, family)
    odd = own.keys() ^ source.keys() if whole else own.keys() - source.keys()
    if odd:
        raise SectionError(f"sections that only one of both has: {', '.join(sorted(odd))}")

    def new(match: re.Match[str]) -> str:
        if match["family"] != family:
            return match[0]
        return match[0].replace(match["text"], source[match["name"]], 1)

    return SECTION.sub(new, text)


def treated(family: str, folder: Path, *, check: bool) -> list[str]:
    """What is wrong with a family's programs; writes what differs unless it is only to check."""
    origin, wrong = folder / SOURCES[family], []
    if not origin.is_file():
        return []
    try:
        source = sections(origin.read_text(encoding="utf-8"), family)
    except SectionError as error:
        return [f"{origin.name}: {error}"]
    for path in sorted(folder.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        try:
            wanted = filled(text, source, family, whole=path.name.startswith(f"{family}_"))
        except SectionError as error:
            wrong.append(f"{path.name}: {error}")
            continue
        if wanted != text and check:
            wrong.append(f"{path.name} differs from {origin.name}: python tools/same_sections.py")
        elif wanted != text:
            path.write_text(wanted, encoding="utf-8")
    return wrong


def main(argv: list[str] | None = None, folder: Path = FOLDER) -> int:
    """Write or compare; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    options = parser.parse_args(argv)
    found = [treated(family, folder, check=options.check) for family in SOURCES]
    wrong = list(dict.fromkeys(line for lines in found for line in lines))
    for line in wrong:
        print(line, file=sys.stderr)  # noqa: T201 - a script
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
