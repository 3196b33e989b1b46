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

LISTS = {
    "tensorflow": "import tensorflow as tf; print(tf.config.list_physical_devices())",
    "torch": "import torch; print([torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())])",
    "jax": "import jax; print(jax.devices())",
}
"""Framework → a program that prints the devices which it sees, for a person to try."""


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
    # PyTorch names its CUDA behind a plus: 2.7.1+cu126.
    release = answer.version.partition("+")[0]
    assert release == environment.version, f"{found}; planned is {environment.version}"
    fits = f"{answer.python}.".startswith(f"{environment.python}.")
    assert fits, f"{found}; planned is Python {environment.python}"
    same = PurePosixPath(answer.prefix) == PurePosixPath(environment.path)
    assert same, f"its Python belongs to {answer.prefix}, not to {environment.path}"


@question(
    "Does the framework compute on every device that it should see?",
    expected="the CPU, and in a GPU environment as many GPUs as on the bus; a product with the right result",
    source="the plan, and the GPUs on the PCI bus",
    remedy="On the rig: nvidia-smi, and the environment's Python with its framework's list of devices",
)
def test_framework_sees_devices(rig: Rig, environment: EnvironmentPlan, measure: Measure) -> None:
    """A small product really ran there, and its answer was right."""
    answer = ask(rig, environment)
    if answer.error:
        pytest.skip("the framework does not start: see runtime/environment_imports")
    measure.remedy = (
        f"On the rig: {environment.path}/bin/python -c '{LISTS[environment.framework]}'"
    )
    for device in answer.devices:
        where = f"{device.kind} {device.name}"
        assert not device.error, f"{where}: {device.error}"
        assert device.right, f"{where}: a small product has a wrong result"
        assert device.ran_on.endswith(device.name), f"{where}: the product ran on {device.ran_on}"
    kinds = [device.kind for device in answer.devices]
    assert "cpu" in kinds, "the framework sees no CPU"
    wanted = len(rig.facts.gpus) if environment.device == "gpu" else 0
    seen = kinds.count("gpu")
    found = f"{seen} of {wanted} GPUs" if wanted else "the CPU"
    measure.found(f"{found}: a product ran on each, with the right result")
    assert seen == wanted or environment.device == "cpu", f"the framework sees {found}"
