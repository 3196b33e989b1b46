"""The CUDA toolkits that the plan promises, and the compilers that they call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.conditions import require_answers
from checks.question import question
from provision import catalogue
from provision.facts.health import toolkits
from provision.results import Status

if TYPE_CHECKING:
    from checks.question import Measure
    from checks.rigs import Rig
    from provision.facts.health.toolkits import Toolkits
    from provision.plan import Plan


@pytest.fixture
def found(rig: Rig, plan: Plan) -> Toolkits:
    """The toolkits, where some are wanted."""
    if not plan.cuda.toolkits:
        pytest.skip("no CUDA toolkit is planned: frameworks bring the libraries that they need")
    require_answers(rig, toolkits.NAME)
    return rig.facts.health.toolkits


@question(
    "Are the CUDA toolkits there that the plan promises?",
    expected="nvcc of each planned version starts, with the runtime's headers beside it",
    source="the plan",
    remedy="dlrig up",
)
def test_toolkits_present(found: Toolkits, plan: Plan, measure: Measure) -> None:
    """That nvcc compiles is a question of its own."""
    there = {one.series: one for one in found.toolkits if one.version}
    dead = [one.path for one in found.toolkits if not one.version]
    missing = [version for version in plan.cuda.toolkits if version not in there]
    measure.found(", ".join(f"{one.version} in {one.path}" for one in there.values()))
    also = f"; nvcc does not start in {', '.join(dead)}" if dead else ""
    others = f"; there is {', '.join(there)}" if there else ""
    assert not missing, f"CUDA {', '.join(missing)} is missing{others}{also}"
    bare = [there[version].path for version in plan.cuda.toolkits if not there[version].headers]
    assert not bare, f"{', '.join(bare)} has no include/cuda_runtime.h"


@question(
    "Does /usr/local/cuda lead to a toolkit?",
    expected="it is a link to a toolkit whose nvcc can be run",
    source="build systems look there first (CMake's FindCUDAToolkit, PyTorch's CUDA_HOME)",
    remedy="sudo update-alternatives --config cuda; or: sudo ln -sfn /usr/local/cuda-VERSION /usr/local/cuda",
    severity=Status.WARN,
)
def test_toolkit_default(found: Toolkits, measure: Measure) -> None:
    """Only where toolkits lie in /usr/local."""
    places = [one.path for one in found.toolkits if one.path.startswith("/usr/local/")]
    if not places:
        pytest.skip("no toolkit lies in /usr/local")
    measure.found(found.link)
    wanted = f"sudo ln -sfn {places[0]} /usr/local/cuda"
    measure.remedy = wanted
    assert found.link, f"/usr/local/cuda is missing; there is {', '.join(places)}"
    assert found.default, f"/usr/local/cuda leads to {found.link}, which has no nvcc"


@question(
    "Is there a host compiler that nvcc takes?",
    expected="a g++ that is not newer than the toolkit supports",
    source="CUDA installation guide, host compiler support; provision/catalog/cuda.toml",
    remedy="sudo apt-get install g++",
    severity=Status.WARN,
)
def test_toolkit_compiler(found: Toolkits, plan: Plan, measure: Measure) -> None:
    """By default g++ is called, else what -ccbin names."""
    lines, bad, limits = [], [], []
    for version in plan.cuda.toolkits:
        toolkit = found.get(version)
        row = catalogue.load().cuda.toolkit_of(version)
        if toolkit is None or row is None or row.gcc is None or toolkit.path == "/usr":
            # A system's own package brings the compiler that it needs.
            continue
        fitting = [one for one in found.compilers if one <= row.gcc]
        if found.gxx is not None and found.gxx <= row.gcc:
            lines.append(f"CUDA {version} takes g++ {found.gxx}")
        elif fitting:
            lines.append(f"CUDA {version} takes g++-{fitting[-1]}, with -ccbin g++-{fitting[-1]}")
        else:
            limits.append(row.gcc)
            bad.append(
                f"CUDA {version} takes g++ up to {row.gcc}, and there is {found.gxx or 'none'}"
            )
    if not lines and not bad:
        pytest.skip(
            "the planned toolkits bring their compiler, are missing, or ask for none that is known"
        )
    measure.found("; ".join(lines))
    if limits and found.gxx is not None:
        measure.remedy = (
            f"sudo apt-get install g++-{min(limits)}; then: nvcc -ccbin g++-{min(limits)}"
        )
    assert not bad, "; ".join(bad)
