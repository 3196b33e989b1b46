"""What the runtime checks conclude from an environment's answer, GPUs included."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from facts_of import GTX_1060, environment, facts_of

from checks.question import CouldNotMeasure, Measure
from checks.runtime import asking, probe, test_frameworks
from provision import catalogue
from provision.connection import Completed
from provision.plan import EnvironmentPlan

if TYPE_CHECKING:
    from collections.abc import Callable

Stub = Any
TWO = GTX_1060 + GTX_1060.replace("01:00.0", "02:00.0")


def planned(device: str = "gpu", framework: str = "tensorflow") -> EnvironmentPlan:
    return EnvironmentPlan(
        name="tensorflow_gpu",
        maker="venv",
        python="3.11",
        pins=("tensorflow[and-cuda]==2.21.0",),
        framework=framework,
        version="2.21.0",
        device=device,
        path="/opt/dlrig/envs/tensorflow_gpu",
    )


def rig(run: Callable[..., Completed] | None = None) -> Stub:
    facts = facts_of(pci_nvidia=TWO, environments=environment("tensorflow_gpu", ["x"]))
    return SimpleNamespace(facts=facts, cache={}, run=run)


def device(kind: str, number: int = 0, **changes: object) -> asking.Device:
    name = f"/device:{kind.upper()}:{number}"
    values: dict[str, Any] = {"name": name, "kind": kind, "ran_on": name, "right": True, **changes}
    return asking.Device(**values)


def sees(*devices: asking.Device, on: str = "gpu") -> str:
    here, measure = rig(), Measure()
    here.cache["probe tensorflow_gpu"] = asking.Answer(version="2.21.0", devices=devices)
    test_frameworks.test_framework_sees_devices(here, planned(on), measure)
    return measure.message


def test_every_gpu_is_seen() -> None:
    message = sees(device("cpu"), device("gpu"), device("gpu", 1))
    assert message == "2 of 2 GPUs: a product ran on each, with the right result"
    with pytest.raises(AssertionError, match="the framework sees 1 of 2 GPUs"):
        sees(device("cpu"), device("gpu"))
    with pytest.raises(AssertionError, match="the framework sees 0 of 2 GPUs"):
        sees(device("cpu"))


def test_a_cpu_environment_needs_no_gpu() -> None:
    assert sees(device("cpu"), on="cpu") == "the CPU: a product ran on each, with the right result"


def test_a_gpu_that_computes_wrong_or_not_at_all() -> None:
    with pytest.raises(AssertionError, match="gpu /device:GPU:1: a small product has a wrong"):
        sees(device("cpu"), device("gpu"), device("gpu", 1, right=False))
    with pytest.raises(AssertionError, match="gpu /device:GPU:0: no kernel image"):
        sees(device("cpu"), device("gpu", error="no kernel image"), device("gpu", 1))
    with pytest.raises(AssertionError, match="the product ran on /device:CPU:0"):
        sees(device("cpu"), device("gpu", ran_on="/device:CPU:0"), device("gpu", 1))


def answers(**done: object) -> asking.Answer:
    values: dict[str, Any] = {"exit_code": 0, "stdout": b"", "stderr": b"", "seconds": 1.0, **done}
    calls = []

    def run(argv: list[str], **_: object) -> Completed:
        calls.append(argv)
        return Completed(**values)

    here = rig(run)
    first, second = asking.ask(here, planned()), asking.ask(here, planned())
    assert first is second
    assert len(calls) == 1
    return first


def test_an_environment_is_asked_once() -> None:
    answer = answers(stdout=b'a library says hello\n{"version": "2.21.0", "python": "3.11.2"}\n')
    assert (answer.version, answer.python, answer.seconds) == ("2.21.0", "3.11.2", 1.0)


@pytest.mark.parametrize(
    ("done", "error"),
    [
        ({"timed_out": True, "exit_code": 124}, "no answer within 180 s"),
        ({"exit_code": 127}, "/opt/dlrig/envs/tensorflow_gpu/bin/python does not start"),
        ({"exit_code": 132}, "Python ended with 'Illegal instruction'"),
        ({"exit_code": 1, "stderr": b"a\nboom"}, "Python ended with exit code 1: boom"),
        ({"stdout": b"\xff\x00"}, "Python ended with exit code 0"),
        ({"stdout": b'{"version": 3}'}, "Python ended with exit code 0"),
    ],
)
def test_an_answer_that_is_none(done: dict[str, Any], error: str) -> None:
    assert answers(**done).error == error


def test_a_framework_without_a_probe_is_not_measured() -> None:
    with pytest.raises(CouldNotMeasure, match="no probe for mxnet"):
        asking.ask(rig(), planned(framework="mxnet"))


def test_the_probe_knows_every_framework_that_can_be_planned() -> None:
    planned_frameworks = {kind.framework for kind in catalogue.load().frameworks.environment}
    assert set(probe.PROBES) == asking.FRAMEWORKS == set(test_frameworks.LISTS)
    assert planned_frameworks <= asking.FRAMEWORKS


def test_the_remedy_is_a_program_that_python_takes() -> None:
    for program in test_frameworks.LISTS.values():
        compile(program, "remedy", "exec")
        assert "'" not in program, "it stands in single quotes"


def imports(version: str, wanted: str) -> str:
    here, measure = rig(), Measure()
    environment = msgspec.structs.replace(planned(framework="torch"), version=wanted)
    path = environment.path
    here.cache["probe tensorflow_gpu"] = asking.Answer(
        version=version, python="3.11.2", prefix=path
    )
    test_frameworks.test_environment_imports(here, environment, measure)
    return measure.message


def test_a_local_version_is_the_same_release() -> None:
    assert imports("2.7.1+cu126", "2.7.1").startswith("torch 2.7.1+cu126 on Python 3.11.2")
    with pytest.raises(AssertionError, match=r"torch 2\.7\.10\+cu126 .*; planned is 2\.7\.1"):
        imports("2.7.10+cu126", "2.7.1")


def test_the_eleventh_gpu_is_not_the_second() -> None:
    second = device("gpu", 1, ran_on="/device:GPU:11")
    with pytest.raises(AssertionError, match="GPU:1: the product ran on /device:GPU:11"):
        sees(device("cpu"), device("gpu"), second)
