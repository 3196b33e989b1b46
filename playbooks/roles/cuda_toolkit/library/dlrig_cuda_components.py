#!/usr/bin/python
"""Let apt see further components of Debian's archive, from wherever the rig gets the archive now.

The rig may use a mirror, so its own entries of the archive get them; what the role nvidia_driver does too.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: dlrig_cuda_components
short_description: Let apt see further components of Debian's archive
description: Adds them to the rig's own entries of the archive that have main, in both forms of sources.list(5).
options:
  components: {description: Such as non-free., type: list, elements: str, required: true}
  codename: {description: Of the release., type: str, required: true}
  root: {description: Folder that stands for /., type: path, default: /}
author: [dlrig]
"""

LINE = re.compile(r"(\s*deb(?:-src)?\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+)([^#\n]*)(.*)")


def of_debian(where: str, suites: list[str], codename: str) -> bool:
    """Whether an entry at the address (and with the key) ``where`` is Debian's archive, or a mirror of it."""
    release = re.compile(rf"{re.escape(codename)}(-security|-updates)?/?$")
    return "debian" in where.lower() and any(release.match(suite) for suite in suites)


def completed(present: list[str], wanted: list[str]) -> list[str]:
    """``present`` and what it lacks of ``wanted``; an entry without ``main`` is a part of the archive on purpose."""
    return (
        present + [name for name in wanted if name not in present] if "main" in present else present
    )


def lines(text: str, wanted: list[str], codename: str) -> str:
    """The text of a file in the form of one entry a line."""

    def entry(line: str) -> str:
        found = LINE.match(line)
        if not found or not of_debian(line, [found[3]], codename):
            return line
        words = completed(found[4].split(), wanted)
        return (
            line
            if words == found[4].split()
            else f"{found[1]}{' '.join(words)} {found[5]}".rstrip() + "\n"
        )

    return "".join(entry(line) for line in text.splitlines(keepends=True))


def stanza(text: str, wanted: list[str], codename: str) -> str:
    """One paragraph of the form deb822."""

    def field(name: str) -> str:
        found = re.search(rf"(?mi)^{name}:((?:.*\n?)(?:[ \t]+.*\n?)*)", text)
        return found[1] if found else ""

    old = field("Components").split()
    where = field("URIs") + field("Signed-By")
    off = field("Enabled").strip().lower() in {"no", "false", "0"}
    if (
        off
        or not of_debian(where, field("Suites").split(), codename)
        or completed(old, wanted) == old
    ):
        return text
    components = f"Components: {' '.join(completed(old, wanted))}\n"
    return re.sub(r"(?mi)^Components:.*\n?(?:[ \t]+.*\n?)*", components, text, count=1)


def paragraphs(text: str, wanted: list[str], codename: str) -> str:
    """The text of a file in the form deb822."""
    parts = re.split(r"(\n[ \t]*\n)", text)
    return "".join(part if part.isspace() else stanza(part, wanted, codename) for part in parts)


def replace(path: Path, text: str) -> None:
    """Write ``path`` in one step, with the rights that it has."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".dlrig-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    Path(temporary).chmod(path.stat().st_mode & 0o777)
    Path(temporary).replace(path)


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "components": {"type": "list", "elements": "str", "required": True},
            "codename": {"type": "str", "required": True},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    folder = Path(module.params["root"]) / "etc/apt"
    forms = {".list": lines, ".sources": paragraphs}
    changed = []
    for path in [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]:
        if path.suffix in forms and path.is_file():
            before = path.read_text("utf-8")
            after = forms[path.suffix](
                before, module.params["components"], module.params["codename"]
            )
            if after != before:
                changed.append(str(path))
                if not module.check_mode:
                    replace(path, after)
    # No diff: an address may hold a password.
    module.exit_json(changed=bool(changed), files=changed)


if __name__ == "__main__":
    main()
