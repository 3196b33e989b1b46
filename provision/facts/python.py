"""The rig's own Python, which Ansible and the environments start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from provision.facts.reading import Reading, sections

if TYPE_CHECKING:
    from provision.facts.reading import Transcript

READINGS = (
    # Without starting Python: the version is in the name that /usr/bin/python3 points to.
    Reading(
        name="python",
        command=r"""
p=$(readlink -f /usr/bin/python3) && [ -x "$p" ] || exit 127
echo "path=$p"
v=${p##*/python}
echo "version=$v"
[ -e "/usr/lib/python$v/ensurepip/__init__.py" ] && [ -e "/usr/lib/python$v/venv/__init__.py" ] \
  && echo venv=yes || echo venv=no
""",
    ),
)


class Python(msgspec.Struct, frozen=True, kw_only=True):
    """The system's interpreter.

    Attributes:
        path: empty where the rig has none.
        version: ``3.11``.
        venv: it can make virtual environments (Debian puts that into a package of its own).
    """

    path: str = ""
    version: str = ""
    venv: bool = False


def parse(transcript: Transcript) -> Python:
    """Make sense of the reading."""
    if not transcript["python"].ok:
        return Python()
    rows = sections(transcript["python"].out)
    return Python(
        path=rows.get("path", ""), version=rows.get("version", ""), venv=rows.get("venv") == "yes"
    )
