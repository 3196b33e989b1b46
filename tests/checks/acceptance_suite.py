"""Runs the acceptance as a user does: pytest in a process of its own, outside this repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import rig_cases

from provision.facts.reading import to_json
from provision.results import Result

if TYPE_CHECKING:
    from collections.abc import Iterable

CHECKS = Path(__file__).parents[2] / "checks"
LIMIT = 600
"""Seconds; a hundred rigs take a minute on an idle machine, and several on a busy one."""


class Ran(msgspec.Struct):
    """A run of the acceptance, and what it left."""

    code: int
    out: str
    found: dict[str, dict[str, object]]

    def results(self, rig: str) -> dict[str, Result]:
        """One rig's results by check."""
        results = msgspec.convert(self.found[rig]["results"], list[Result])
        return {result.check: result for result in results}


class Suite:
    """The folder ``checks`` as a wheel has it: copied away from this repository's configuration."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checks = folder / "bundled" / "checks"
        shutil.copytree(CHECKS, self.checks, ignore=shutil.ignore_patterns("__pycache__"))

    def run(self, *options: str, before: Iterable[str] = (), select: str = "") -> Ran:
        """Run it; ``before`` is put in front of the command."""
        found = self.folder / "results.json"
        found.unlink(missing_ok=True)
        argv = [*before, sys.executable, "-m", "pytest", f"{self.checks}{select}", *options]
        argv += ["--results", str(found), f"--rootdir={self.folder}"]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
        done = subprocess.run(
            argv,
            cwd=self.folder,
            env={**environment, "COLUMNS": "120", "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        kept = msgspec.json.decode(found.read_bytes()) if found.exists() else {}
        return Ran(done.returncode, done.stdout + done.stderr, kept)

    def record(self, case: str) -> list[str]:
        """The options that judge a case of ``rig_cases``."""
        transcript = self.folder / f"{case}.transcript.json"
        transcript.write_bytes(to_json(rig_cases.transcript(case)))
        return ["--transcript", str(transcript), *self.plan(case)]

    def plan(self, case: str, path: str = "/opt/dlrig/envs/tensorflow") -> list[str]:
        """The option that holds a rig against a plan."""
        plan = self.folder / f"{case}.plan.json"
        plan.write_bytes(msgspec.json.encode(rig_cases.plan(case, path=path)))
        return ["--plan", str(plan)]
