"""Does every CUDA toolkit of the plan make programs that run?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from checks.question import could_not_measure, question
from provision import decode

if TYPE_CHECKING:
    from checks.question import Measure
    from checks.rigs import Rig
    from provision.connection import Completed
    from provision.facts.health.toolkits import Toolkit
    from provision.plan import Plan

PROGRAM = Path(__file__).parent.parent / "workloads" / "vector_add.cu"
LIMIT = 180.0
"""Seconds: a slow disk, and code for many architectures."""

# The source comes over standard input; what is made goes with the folder.
_SCRIPT = r"""
folder=$(mktemp -d /tmp/dlrig-nvcc.XXXXXXXX) || exit 90
trap 'rm -rf "$folder"' EXIT
trap 'exit 143' TERM INT HUP
cat >"$folder/vector_add.cu"
"$1" -o "$folder/vector_add" "$folder/vector_add.cu" >&2 || exit 91
[ "$2" = run ] || exit 0
"$folder/vector_add"
"""
_NO_FOLDER, _NOT_COMPILED, _UNMEASURED = 90, 91, 3
_OTHER_DRIVER = 35  # cudaErrorInsufficientDriver


@question(
    "Does every CUDA toolkit compile a program that runs and computes rightly?",
    expected="nvcc compiles; on each GPU the sum of two vectors is right. Without a GPU it is compiled, and not run",
    source="NVIDIA, CUDA Installation Guide: verify the installation",
    remedy="dlrig up TARGET; by hand: nvcc --version, and the host's compiler: g++ --version",
)
def test_nvcc_compiles(rig: Rig, plan: Plan, measure: Measure) -> None:
    """Whatever nvcc is there of those that were planned."""
    if not plan.cuda.toolkits:
        pytest.skip("no CUDA toolkit is planned: frameworks bring the libraries that they need")
    toolkits = rig.facts.health.toolkits
    there = [found for series in plan.cuda.toolkits if (found := toolkits.get(series))]
    if not there:
        pytest.skip("none of the planned toolkits is there: see driver/toolkits_present")
    measure.found("; ".join(_tried(rig, toolkit, measure) for toolkit in there))


def _tried(rig: Rig, toolkit: Toolkit, measure: Measure) -> str:
    """What came of one toolkit, in words."""
    __tracebackhide__ = True
    gpus = bool(rig.facts.gpus and rig.facts.nvidia.loaded)
    name = f"CUDA {toolkit.version}"
    argv = ["sh", "-c", _SCRIPT, "sh", f"{toolkit.path}/bin/nvcc", "run" if gpus else "compile"]
    done = rig.run(argv, stdin=PROGRAM.read_bytes(), limit=LIMIT)
    said = done.stderr.decode(errors="replace").strip().splitlines()
    assert not done.timed_out, f"{name}: compiling and running did not end within {LIMIT:g} s"
    if done.exit_code == _NO_FOLDER:
        could_not_measure(f"{name}: nothing can be written in /tmp: {' '.join(said[-1:])}")
    if done.exit_code == _NOT_COMPILED:
        measure.log(said[-20:])
    assert done.exit_code != _NOT_COMPILED, f"{name} does not compile: {' '.join(said[-1:])[:300]}"
    if not gpus:
        assert done.exit_code == 0, f"{name} ended with exit code {done.exit_code}"
        return f"{name} compiles; it could not be run: there is no GPU with a driver"
    return f"{name} compiles, and {_ran(name, done)}"


def _ran(name: str, done: Completed) -> str:
    """What the compiled program did, in words."""
    __tracebackhide__ = True
    lines = done.stdout.decode(errors="replace").strip().splitlines()
    try:
        result = decode.json(lines[-1] if lines else "", dict[str, Any])
    except msgspec.MsgspecError:
        result = {}
    error = result.get("error")
    if error:
        what = f"{name}: {error.get('what')}"
        assert error.get("code") != _OTHER_DRIVER, f"{what}: the driver is older than the toolkit"
        could_not_measure(what)
    if "wrong" not in result:
        could_not_measure(f"{name}: the compiled program ended with exit code {done.exit_code}")
    assert result["wrong"] == 0, f"{name}: {result['wrong']} sums are wrong"
    return f"the sums are right on {result.get('devices')} GPUs"
