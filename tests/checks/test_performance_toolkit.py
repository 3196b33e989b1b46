"""What the check of the CUDA toolkits concludes; the compilers are scripts (see made_toolkit.py)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import made_toolkit
import pytest

if TYPE_CHECKING:
    from acceptance_suite import Ran, Suite

PASS, FAIL, SKIP, ERROR = "pass", "fail", "skip", "error"
EXPECTED = [
    ("right", PASS, "CUDA 12.9.86 compiles, and the sums are right on 2 GPUs"),
    ("cpu_rig", PASS, "CUDA 12.9.86 compiles; it could not be run: there is no GPU with a driver"),
    ("wrong", FAIL, "CUDA 12.9.86: 5 sums are wrong"),
    ("old_driver", FAIL, "the driver is older than the toolkit"),
    ("not_ready", ERROR, "CUDA 12.9.86: no GPU can be used: system not yet initialized"),
    ("dies", ERROR, "the compiled program ended with exit code 139"),
    ("no_compiler", FAIL, "CUDA 12.9.86 does not compile: gcc: error trying to exec cc1plus"),
    ("cpu_no_compiler", FAIL, "CUDA 12.9.86 does not compile"),
    ("unplanned", SKIP, "no CUDA toolkit is planned"),
    ("absent", SKIP, "see driver/toolkits_present"),
]


@pytest.fixture(scope="module")
def ran(suite: Suite) -> Ran:
    root = suite.folder / "toolkits"
    made_toolkit.build(root)
    rigs = [word for name in made_toolkit.CASES for word in ("--rig", name)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        patch.setenv("DLRIG_MADE_TOOLKITS", str(root))
        return suite.run("-p", "made_toolkit", "-k", "nvcc_compiles", *rigs)


@pytest.mark.parametrize(("case", "status", "message"), EXPECTED)
def test_the_check_concludes(ran: Ran, case: str, status: str, message: str) -> None:
    result = ran.results(case)["runtime/nvcc_compiles"]
    assert (result.status, message) == (status, message if message in result.message else result)


def test_every_case_is_judged_and_nothing_is_left(ran: Ran) -> None:
    assert set(ran.found) == {case for case, _, _ in EXPECTED}
    assert not list(Path(tempfile.gettempdir()).glob("dlrig-nvcc.*"))
