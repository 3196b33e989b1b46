"""Does each environment's framework start, and does it compute where it should?"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest

from checks.question import question
from checks.runtime.asking import ask

if TYPE_CHECKING:
    from checks.question import Measure
    from checks.rigs import Rig
    from provision.plan import EnvironmentPlan


@question(
    "Does the environment's framework start, in the version that was planned?",
    expected="the planned framework and Python, from this environment",
    source="the plan",
    remedy="dlrig up TARGET",
)
def test_environment_imports(rig: Rig, environment: EnvironmentPlan, measure: Measure) -> None:
    """What a user of the environment gets."""
    answer = ask(rig, environment)
    framework = environment.framework
    assert not answer.error, f"import {framework}: {answer.error}"
    found = f"{framework} {answer.version} on Python {answer.python}"
    measure.found(f"{found}, {answer.seconds:.1f} s with the probe of its devices")
    assert answer.version == environment.version, f"{found}; planned is {environment.version}"
    fits = f"{answer.python}.".startswith(f"{environment.python}.")
    assert fits, f"{found}; planned is Python {environment.python}"
    same = PurePosixPath(answer.prefix) == PurePosixPath(environment.path)
    assert same, f"its Python belongs to {answer.prefix}, not to {environment.path}"


@question(
    "Does the framework compute on every device that it should see?",
    expected="the CPU, and in a GPU environment as many GPUs as on the bus; a product with the right result",
    source="the plan, and the GPUs on the PCI bus",
    remedy="On the rig: ENVIRONMENT/bin/python -c "
    "'import tensorflow as tf; print(tf.config.list_physical_devices())'",
)
def test_framework_sees_devices(rig: Rig, environment: EnvironmentPlan, measure: Measure) -> None:
    """A small product really ran there, and its answer was right."""
    answer = ask(rig, environment)
    if answer.error:
        pytest.skip("the framework does not start: see runtime/environment_imports")
    for device in answer.devices:
        where = f"{device.kind} {device.name}"
        assert not device.error, f"{where}: {device.error}"
        assert device.right, f"{where}: a small product has a wrong result"
        assert device.name in device.ran_on, f"{where}: the product ran on {device.ran_on}"
    kinds = [device.kind for device in answer.devices]
    assert "cpu" in kinds, "the framework sees no CPU"
    wanted = len(rig.facts.gpus) if environment.device == "gpu" else 0
    seen = kinds.count("gpu")
    found = f"{seen} of {wanted} GPUs" if wanted else "the CPU"
    measure.found(f"{found}: a product ran on each, with the right result")
    assert seen == wanted or environment.device == "cpu", f"the framework sees {found}"
