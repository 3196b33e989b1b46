"""A program of checks/workloads as one text for standard input: nothing has to be copied first, and nothing stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from provision.bundle import bundled

if TYPE_CHECKING:
    from collections.abc import Sequence

_FUTURE = "from __future__ import annotations\n"


def program(name: str, sent: dict[str, Any]) -> bytes:
    """The program, below a line that sets ``SENT``."""
    text = workload(name)
    # A future statement must stay the first one.
    first, statement, rest = text.partition(_FUTURE)
    line = f"import json as _json; SENT = _json.loads({msgspec.json.encode(sent).decode()!r})\n"
    return f"{first}{statement}{line}{rest}".encode()


def workload(name: str) -> str:
    """The text of a file of checks/workloads."""
    return (bundled("checks") / "workloads" / name).read_text(encoding="utf-8")


def files(names: Sequence[str]) -> dict[str, str]:
    """Those files by name, and what keeps two measurements on one rig apart."""
    launch = bundled("checks") / "performance" / "launch.py"
    return {
        **{name: workload(name) for name in names},
        "launch.py": launch.read_text(encoding="utf-8"),
    }
