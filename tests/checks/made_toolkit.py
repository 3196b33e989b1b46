"""Rigs with a compiler that is a script, run on this machine; a plugin of pytest (``-p made_toolkit``).

The check's own shell script runs for real; what its compiler makes is another script, which says what was made for it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import made_rigs
import msgspec
import rig_cases

from provision.connection.local import LocalConnection
from provision.plan import CudaPlan, Plan, Profile

if TYPE_CHECKING:
    from provision.facts.reading import Transcript

_MAKE = """#!/bin/sh
[ "$1" = -o ] && grep -q cudaMalloc "$3" || exit 7
printf '#!/bin/sh\\n%s\\n' "$PROGRAM" >"$2"
chmod +x "$2"
"""
RIGHT = """echo '{"devices": 2, "wrong": 0, "built_with": 12090}'"""

CASES: dict[str, tuple[str, str]] = {
    "right": (_MAKE, RIGHT),
    "wrong": (_MAKE, """echo '{"devices": 2, "wrong": 5, "built_with": 12090}'; exit 1"""),
    "old_driver": (
        _MAKE,
        """echo '{"error": {"what": "no GPU can be used: CUDA driver version is insufficient", "code": 35}}'; exit 3""",
    ),
    "not_ready": (
        _MAKE,
        """echo '{"error": {"what": "no GPU can be used: system not yet initialized", "code": 802}}'; exit 3""",
    ),
    "dies": (_MAKE, "kill -SEGV $$"),
    "no_compiler": ("#!/bin/sh\necho 'gcc: error trying to exec cc1plus' >&2\nexit 1\n", ""),
    "cpu_rig": (_MAKE, "exit 9"),
    "cpu_no_compiler": ("#!/bin/sh\nexit 1\n", ""),
    "unplanned": (_MAKE, RIGHT),
    "absent": (_MAKE, RIGHT),
}
"""Case → the compiler, and what it makes."""


def folder(name: str) -> Path:
    return Path(os.environ["DLRIG_MADE_TOOLKITS"]) / name


def build(root: Path) -> None:
    """Every compiler."""
    for name, (compiler, program) in CASES.items():
        file = root / name / "bin" / "nvcc"
        file.parent.mkdir(parents=True)
        quoted = program.replace("'", "'\\''")
        first, _, rest = compiler.partition("\n")
        file.write_text(f"{first}\nPROGRAM='{quoted}'\n{rest}", encoding="utf-8")
        file.chmod(0o755)


def transcript(name: str) -> Transcript:
    """A rig with two GPUs, or none, and its toolkit."""
    said = rig_cases.said("" if name == "absent" else f"nvcc 12.9.86 yes {folder(name)}\n")
    if name.startswith("cpu"):
        base = rig_cases.transcript("healthy")
        base = msgspec.structs.replace(base, outcomes={**base.outcomes, "cuda_toolkits": said})
    else:
        base = made_rigs.transcript("gtx1060x2", cuda_toolkits=said)
    return msgspec.structs.replace(base, target=name)


def plan(name: str) -> Plan:
    toolkits = () if name == "unplanned" else ("12.9",)
    return Plan(
        target=name,
        profile=Profile.GPU,
        reasons=(),
        environments={},
        actions=(),
        cuda=CudaPlan(toolkits=toolkits),
    )


def pytest_configure() -> None:
    """Put what was made in the place of connections and plans."""
    from checks import rigs  # noqa: PLC0415 - the copy that is under test

    rigs.Rig._ask = lambda self: transcript(self.name)
    rigs._plan = lambda rig: plan(rig.name)
    rigs.connect = lambda _target, _settings: LocalConnection()
