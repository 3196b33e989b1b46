#!/usr/bin/python
"""Enable components of the system's own archive, in each of apt's two forms of sources."""

from __future__ import annotations

import re
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dlrig_sets import write

DOCUMENTATION = r"""
module: dlrig_apt_components
short_description: Enable components of the system's own archive
description:
  - Adds them to the sources of the archive that are there (sources.list(5)), so mirrors stay as they are.
  - Sources of others, and sources that are switched off, are left alone.
options:
  components: {description: Names such as contrib., type: list, elements: str, required: true}
  distribution: {description: The system's name as in os-release, such as debian., type: str, required: true}
  codename: {description: Of its release, such as bookworm., type: str, required: true}
  root: {description: Folder that stands for /., type: path, default: /}
author: [dlrig]
"""

PARTS = ("", "-security", "-updates")


def ours(text: str, suites: list[str], distribution: str, codename: str) -> bool:
    """Whether a source is the system's own archive, or a mirror of it."""
    known = {codename + part for part in PARTS}
    return distribution in text.lower() and bool(known & {s.rstrip("/") for s in suites})


def with_components(present: list[str], wanted: list[str]) -> list[str]:
    """``present`` and what is missing of ``wanted``; a source without ``main`` is a partial one."""
    if "main" not in present:
        return present
    return present + [name for name in wanted if name not in present]


def one_line(text: str, wanted: list[str], distribution: str, codename: str) -> str:
    """A file of the one-line form."""
    lines = []
    for line in text.splitlines():
        found = re.match(
            r"(\s*deb(?:-src)?\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+)([^#]*)(.*)$", line
        )
        if found and ours(line, [found[3]], distribution, codename):
            old = found[4].split()
            new = with_components(old, wanted)
            if new != old:
                line = f"{found[1]}{' '.join(new)}{' ' if found[5] else ''}{found[5]}"  # noqa: PLW2901 - one line
        lines.append(line)
    return "".join(f"{line}\n" for line in lines)


def stanza(text: str, wanted: list[str], distribution: str, codename: str) -> str:
    """One paragraph of the deb822 form."""

    def field(name: str) -> str:
        found = re.search(rf"(?mi)^{name}:((?:.*\n?)(?:[ \t]+.*\n?)*)", text)
        return found[1] if found else ""

    if re.fullmatch(r"\s*(no|false|0)\s*", field("Enabled"), re.IGNORECASE):
        return text
    where = field("URIs") + field("Signed-By")
    if not ours(where, field("Suites").split(), distribution, codename):
        return text
    old = field("Components").split()
    new = with_components(old, wanted)
    if new == old:
        return text
    return re.sub(r"(?mi)^Components:.*\n?(?:[ \t]+.*\n?)*", f"Components: {' '.join(new)}\n", text)


def deb822(text: str, wanted: list[str], distribution: str, codename: str) -> str:
    """A file of the deb822 form."""
    parts = re.split(r"(\n[ \t]*\n)", text)
    return "".join(
        part if part.isspace() else stanza(part, wanted, distribution, codename) for part in parts
    )


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "components": {"type": "list", "elements": "str", "required": True},
            "distribution": {"type": "str", "required": True},
            "codename": {"type": "str", "required": True},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    p = module.params
    folder = Path(p["root"]) / "etc/apt"
    places = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    changed = []
    for path in places:
        forms = {".list": one_line, ".sources": deb822}
        if path.suffix not in forms or not path.is_file():
            continue
        before = path.read_text("utf-8")
        after = forms[path.suffix](before, p["components"], p["distribution"], p["codename"])
        if after.split() != before.split():
            changed.append(str(path))
            if not module.check_mode:
                write(path, after, path.stat().st_mode & 0o777)
    # No diff: a source may hold a password.
    module.exit_json(changed=bool(changed), files=changed)


if __name__ == "__main__":
    main()
