"""CUDA toolkits and compilers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostile_answers import QUICK, answers, outcomes, torture, whole_facts
from hypothesis import given

from provision.facts.health import toolkits
from provision.facts.health.toolkits import Toolkit

if TYPE_CHECKING:
    from provision.facts.reading import Outcome

SAMPLE = """\
nvcc 12.9.86 yes /usr/local/cuda-12.9
nvcc - no /usr/local/cuda-11.8
nvcc 12.4.131 yes /usr
link=/usr/local/cuda-12.9
default=yes
gcc=12
gxx=13.2.0
compiler 11
compiler 9
"""
STRANGE = (
    "nvcc",
    "nvcc 1 2 3",
    "nvcc 999.999.99999 yes /x",
    "compiler x",
    "gcc=²",
    "link=" + "x" * 9000,
)


def test_toolkits_and_compilers() -> None:
    found = toolkits.parse(answers(cuda_toolkits=SAMPLE))
    assert found.toolkits == (
        Toolkit(version="12.9.86", path="/usr/local/cuda-12.9", headers=True),
        Toolkit(version="", path="/usr/local/cuda-11.8"),
        Toolkit(version="12.4.131", path="/usr", headers=True),
    )
    assert (found.link, found.default) == ("/usr/local/cuda-12.9", True)
    assert (found.gcc, found.gxx, found.compilers) == (12, 13, (9, 11))
    own = found.get("12.4")
    assert own
    assert own.path == "/usr"
    assert found.get("12.40") is None


def test_none() -> None:
    found = toolkits.parse(answers(cuda_toolkits="gcc=\ngxx=\n"))
    assert (found.toolkits, found.gcc, found.gxx, found.link) == ((), None, None, "")


@QUICK
@given(outcomes(SAMPLE, STRANGE))
def test_any_answer_can_be_parsed(outcome: Outcome) -> None:
    whole_facts(answers(cuda_toolkits=outcome))


def test_a_flood_can_be_parsed() -> None:
    torture(toolkits.parse, "cuda_toolkits", SAMPLE, STRANGE)
