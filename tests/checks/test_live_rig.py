"""The checks that run something: this machine as the rig, with fake environments in a private /opt."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import fake_environments
import msgspec
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from acceptance_suite import Ran, Suite

PASS, FAIL, SKIP, ERROR = "pass", "fail", "skip", "error"
IMPORTS = "runtime/environment_imports"
DEVICES = "runtime/framework_sees_devices"
CONSISTENT = "runtime/environment_consistent"
SMOKE = "training/cifar10_smoke"
LIMIT, STEADY = "training/cifar10_limit", "training/cifar10_steady"
SCALING = "training/cifar10_scaling"

EXPECTED = [
    ("tensorflow", "runtime/environment_present", PASS, "1 packages on Python"),
    ("tensorflow", IMPORTS, PASS, "tensorflow 2.21.0 on Python 3."),
    ("tensorflow", DEVICES, PASS, "the CPU: a product ran on each, with the right result"),
    ("tensorflow", CONSISTENT, PASS, "checked with pip"),
    ("tensorflow", SMOKE, PASS, "loss 4.68 → 4.20 in 40 steps, cpu, synthetic images"),
    ("other_version", IMPORTS, FAIL, "tensorflow 2.20.0 on Python"),
    ("broken_import", IMPORTS, FAIL, "ImportError: libstdc++.so.6: version GLIBCXX_3.4.32"),
    ("broken_import", DEVICES, SKIP, "see runtime/environment_imports"),
    ("illegal", IMPORTS, FAIL, "Python ended with 'Illegal instruction'"),
    ("silent", IMPORTS, FAIL, "Python ended with exit code 0"),
    ("chatty", IMPORTS, PASS, "tensorflow 2.21.0"),
    ("wrong_result", DEVICES, FAIL, "a small product has a wrong result"),
    ("no_kernel", DEVICES, FAIL, "RuntimeError: no kernel image is available"),
    ("elsewhere", DEVICES, FAIL, "the product ran on /device:CPU:7"),
    ("no_devices", DEVICES, FAIL, "the framework sees no CPU"),
    ("torch", IMPORTS, PASS, "torch 2.7.1+cu126 on Python 3."),
    ("torch", DEVICES, PASS, "the CPU: a product ran on each, with the right result"),
    ("torch", SMOKE, PASS, "loss 4.68 → 4.20 in 40 steps, cpu, synthetic images"),
    ("torch_wrong", DEVICES, FAIL, "cpu cpu: a small product has a wrong result"),
    ("torch_moved", DEVICES, FAIL, "cpu cpu: the product ran on meta"),
    ("torch_no_kernel", DEVICES, FAIL, "gpu cuda:0: RuntimeError: CUDA error: no kernel image"),
    ("torch_broken", IMPORTS, FAIL, "import torch: OSError: libcudart.so.12"),
    ("jax", IMPORTS, PASS, "jax 0.10.2 on Python 3."),
    ("jax", DEVICES, PASS, "the CPU: a product ran on each, with the right result"),
    ("jax", SMOKE, PASS, "loss 4.68 → 4.20 in 40 steps, cpu, synthetic images"),
    ("jax_wrong", DEVICES, FAIL, "cpu cpu:0: a small product has a wrong result"),
    ("jax_moved", DEVICES, FAIL, "cpu cpu:0: the product ran on cuda:0"),
    ("jax_no_devices", DEVICES, FAIL, "the framework sees no CPU"),
    ("jax_broken", IMPORTS, FAIL, "import jax: RuntimeError: jaxlib is older than jax"),
    ("inconsistent", CONSISTENT, FAIL, "tensorflow-cpu 2.21.0 requires absl-py"),
    ("no_pip", CONSISTENT, SKIP, "has no pip"),
    ("tensorflow", LIMIT, PASS, "CPU compute: the step without input does 350 examples/s"),
    ("tensorflow", STEADY, SKIP, "3 windows are too few to tell"),
    ("tensorflow", SCALING, SKIP, "this environment is for the CPU"),
    ("crashes", LIMIT, ERROR, "there is no training to explain: see training/cifar10_smoke"),
    ("crashes", STEADY, SKIP, "there is nothing to be judged: see training/cifar10_smoke"),
    ("loss_rises", SMOKE, FAIL, "the loss does not fall"),
    ("loss_starts_wrong", SMOKE, FAIL, "the loss starts at 2.30"),
    ("loss_is_nan", SMOKE, FAIL, "The loss is nan at step 20"),
    ("stands_still", SMOKE, FAIL, "nothing was trained"),
    ("busy", SMOKE, ERROR, "The GPU has other work"),
    ("crashes", SMOKE, ERROR, "training ended with exit code 1: MemoryError"),
    ("babbles", SMOKE, ERROR, "training ended with exit code 0"),
]


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    """A command that gives what it runs an /opt of its own and no network; and that folder."""
    opt = tmp_path_factory.mktemp("opt")
    own = [] if os.geteuid() == 0 else ["--map-root-user"]
    script = 'mount --bind "$0" /opt && exec "$@"'
    before = ["unshare", *own, "--mount", "--net", "sh", "-c", script, str(opt)]
    if not shutil.which("unshare") or subprocess.run([*before, "true"], check=False).returncode:
        pytest.skip("this machine gives no private mounts (unshare --mount)")
    return before, opt


@pytest.fixture(scope="module")
def promised(suite: Suite, private: tuple[list[str], Path]) -> str:
    """The fake environments, and the file with the plan that promises them."""
    plan = suite.folder / "live.plan.json"
    plan.write_bytes(msgspec.json.encode(fake_environments.build(private[1])))
    for framework in ("tensorflow", "torch", "jax"):
        workload = suite.checks / "workloads" / f"cifar10_{framework}.py"
        workload.write_text(fake_environments.WORKLOAD)
    return str(plan)


@pytest.fixture(scope="module")
def ran(suite: Suite, private: tuple[list[str], Path], promised: str) -> Ran:
    options = ["--plan", promised, "--steps", "40", "-m", "runtime or training"]
    return suite.run(*options, before=private[0])


@pytest.mark.parametrize(("environment", "check", "status", "message"), EXPECTED)
def test_a_check_concludes(
    ran: Ran, environment: str, check: str, status: str, message: str
) -> None:
    result = ran.results("local")[f"{check}[{environment}]"]
    assert (result.status, message) == (status, message if message in result.message else result)


def test_figures_and_log_are_kept(ran: Ran) -> None:
    result = ran.results("local")[f"{SMOKE}[tensorflow]"]
    figures = {figure.name: figure for figure in result.figures}
    assert figures["throughput"].samples == (316.0, 320.0, 324.0)
    assert figures["throughput"].at == (20, 30, 40)
    assert figures["loss"].samples == (4.68, 4.6, 4.2)
    assert figures["loss"].at == (0, 10, 40)
    assert figures["matrix_product"].samples == (200.0, 190.0)
    assert all("synthetic" in figure.note for figure in result.figures)
    assert result.log[0].startswith("2017-04-02 17:41:33.123456: step 0, loss = 4.68 (274.9")
    assert result.message.startswith("320.0 examples/s (±1%, 3 windows)")


def test_workers_send_the_same_results(
    suite: Suite, private: tuple[list[str], Path], promised: str, ran: Ran
) -> None:
    options = ["--plan", promised, "--steps", "40", "-m", "runtime or training", "-n", "2"]
    parallel = suite.run(*options, before=private[0])
    alone = {check: result.status for check, result in ran.results("local").items()}
    assert {check: result.status for check, result in parallel.results("local").items()} == alone
    assert parallel.code == ran.code == 1


def test_a_missing_data_file_is_not_a_finding_about_the_rig(
    suite: Suite, private: tuple[list[str], Path], promised: str
) -> None:
    options = ["--plan", promised, "--data", "no-such.npz", "-k", "smoke and local-tensorflow"]
    ran = suite.run(*options, before=private[0])
    result = ran.results("local")[f"{SMOKE}[tensorflow]"]
    assert (result.status, ran.found["local"]["verdict"], ran.code) == (ERROR, "incomplete", 1)
    assert "there is no such file here" in result.message


@pytest.mark.parametrize("framework", ["tensorflow", "torch", "jax"])
def test_the_remedy_is_the_frameworks_own(ran: Ran, framework: str) -> None:
    wrong = {"tensorflow": "wrong_result"}.get(framework, f"{framework}_wrong")
    remedy = ran.results("local")[f"{DEVICES}[{wrong}]"].remedy
    assert f"/opt/dlrig/envs/{wrong}/bin/python -c 'import {framework}" in remedy
