"""The driver's libraries: which file was loaded, and what stands in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostile_answers import QUICK, answers, outcomes, torture, whole_facts
from hypothesis import given

from provision.facts.health import libraries
from provision.facts.health.libraries import CUDA, NVML, Libraries

if TYPE_CHECKING:
    from provision.facts.reading import Outcome

SAMPLE = """\
library libnvidia-ml.so.1
loads yes
path /usr/lib/x86_64-linux-gnu/libnvidia-ml.so.580.95.05
known 64 /lib/x86_64-linux-gnu/libnvidia-ml.so.1
library libcuda.so.1
error libcuda.so.1: cannot open shared object file: No such file or directory
known 32 /usr/lib/i386-linux-gnu/libcuda.so.1
"""
STRANGE = ("library x", "loads maybe", "path", "known 64", "known", "library libcuda.so.1")


def parse(out: str) -> Libraries:
    return libraries.parse(answers(driver_libraries=out))


def test_what_loads_and_what_does_not() -> None:
    found = parse(SAMPLE)
    nvml, cuda = found.get(NVML), found.get(CUDA)
    assert (nvml.loads, nvml.version, nvml.stub) == (True, "580.95.05", False)
    assert (cuda.loads, cuda.version, cuda.known) == (False, "", ())
    assert cuda.other == ("/usr/lib/i386-linux-gnu/libcuda.so.1",)
    assert cuda.error.startswith("libcuda.so.1: cannot open")


def test_a_stub_and_a_version_of_two_parts() -> None:
    out = "library libcuda.so.1\nloads yes\npath {}\n"
    stub = parse(out.format("/usr/local/cuda-12.9/targets/x86_64-linux/lib/stubs/libcuda.so"))
    assert stub.get(CUDA).stub
    assert not stub.get(CUDA).version
    assert parse(out.format("/usr/lib/libcuda.so.565.77")).get(CUDA).version == "565.77"


def test_nobody_asked() -> None:
    assert parse("").get(CUDA).loads is None


@QUICK
@given(outcomes(SAMPLE, STRANGE))
def test_any_answer_can_be_parsed(outcome: Outcome) -> None:
    whole_facts(answers(driver_libraries=outcome))


def test_a_flood_can_be_parsed() -> None:
    torture(libraries.parse, "driver_libraries", SAMPLE, STRANGE)
