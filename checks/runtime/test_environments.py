"""Are the environments there as the plan promised, and as they were made?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.question import question, require_reading
from checks.runtime.asking import require_present
from provision.layout import UV

if TYPE_CHECKING:
    from checks.question import Measure
    from checks.rigs import Rig
    from provision.facts import Facts
    from provision.plan import EnvironmentPlan

_SHOWN = 5


@question(
    "Is there a plan for this rig?",
    expected="decisions that satisfy the wishes",
    source="provision/planner",
    remedy="dlrig plan TARGET",
)
def test_plan_possible(rig: Rig, measure: Measure) -> None:
    """What everything below is held against."""
    trouble, plan = rig.known.unplanned, rig.known.plan
    if trouble:
        measure.remedy = trouble.hint
    assert plan is not None, trouble.what if trouble else "there is none"
    promised = ", ".join(
        f"{one.name}: {one.framework} {one.version} on Python {one.python} ({one.maker})"
        for one in plan.environments.values()
    )
    measure.found(promised or "no environments")


@question(
    "Is the environment there, finished, and as it was made?",
    expected="the record of its making, and the packages that stand in it",
    source="the plan, and dlrig-environment.json in the environment",
    remedy="dlrig up TARGET: it finishes or repairs what differs and leaves the rest alone",
)
def test_environment_present(environment: EnvironmentPlan, facts: Facts, measure: Measure) -> None:
    """From the facts: nothing is run."""
    require_reading(facts, "environments")
    present = facts.environments.present.get(environment.name)
    assert present is not None, f"{environment.path} is not there"
    assert present.runs, f"the Python in {environment.path} does not start"
    assert present.record is not None, f"{environment.path} was never finished"
    drift = present.drift
    more = f" and {len(drift) - _SHOWN} more" if len(drift) > _SHOWN else ""
    assert not drift, f"{environment.name} has changed: {'; '.join(drift[:_SHOWN])}{more}"
    missing = set(environment.pins) - set(present.record.requirements)
    assert not missing, f"{environment.name} was made without {', '.join(sorted(missing))}"
    measure.found(
        f"{len(present.installed)} packages on Python {present.record.python}, nothing changed"
    )


@question(
    "Do the environment's packages fit each other?",
    expected="no package misses another or has a version that another refuses",
    source="pip check, or uv's form of it",
    remedy="dlrig up TARGET",
)
def test_environment_consistent(rig: Rig, environment: EnvironmentPlan, measure: Measure) -> None:
    """With the tool that is there."""
    require_present(rig, environment)
    python = f"{environment.path}/bin/python"
    if environment.maker == "venv" and "uv" in rig.facts.environments.makers:
        argv = [f"{UV}/bin/uv", "--no-cache", "--no-config", "pip", "check", "--python", python]
    else:
        argv = [python, "-I", "-m", "pip", "--no-input", "check"]
    done = rig.run(argv, limit=60.0)
    said = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()
    if any("No module named pip" in line for line in said):
        pytest.skip("the environment has no pip, and the rig no uv")
    measure.log(said)
    measure.found(f"checked with {'uv' if 'uv' in argv[0] else 'pip'}")
    shown = "; ".join(said[-_SHOWN:]) or f"exit code {done.exit_code}"
    assert done.exit_code == 0, shown
