"""Every check that there is has, somewhere in these tests, a rig on which it passes and one on which it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import test_broken_rigs
import test_cards
import test_live_rig
import test_performance
import test_performance_toolkit
import test_surroundings
import test_training_checks

if TYPE_CHECKING:
    from acceptance_suite import Suite

PASS = "pass"
MET_NOT = {"warn", "fail", "error"}
APART = {
    # Held against an acceptance, in test_cards.py.
    ("hardware/gpu_identity", PASS),
    ("hardware/gpu_identity", "warn"),
    # A GPU on the bus of a rig that was planned without, and no plan at all: runs of their own in test_broken_rigs.py.
    ("hardware/gpus_on_bus", "fail"),
    ("runtime/plan_possible", "fail"),
}

SEEN = {
    *APART,
    *((check, status) for _, check, status, _ in test_broken_rigs.EXPECTED),
    *((check, status) for _, check, status, _ in test_cards.EXPECTED),
    *((check, status) for _, _, check, status, _ in test_surroundings.CASES.values()),
    *((check, status) for _, check, status, _ in test_live_rig.EXPECTED),
    *((f"performance/{check}", status) for _, check, status, _ in test_performance.EXPECTED),
    *(
        (f"training/{check.removesuffix('-all')}", status)
        for _, check, status, _ in test_training_checks.EXPECTED
    ),
    *(("runtime/cudnn_convolution", status) for _, status, _ in test_performance.CUDNN),
    *(("runtime/nvcc_compiles", status) for _, status, _ in test_performance_toolkit.EXPECTED),
}
# The same question of each environment is one check.
CONCLUDED = {(check.partition("[")[0], status) for check, status in SEEN}


@pytest.fixture(scope="module")
def checks(suite: Suite) -> set[str]:
    found = suite.run(*suite.record("healthy")).results("healthy")
    return {check.partition("[")[0] for check in found}


def test_the_suite_is_whole(checks: set[str]) -> None:
    """A run that collects nothing would prove nothing."""
    assert len(checks) > 80


def test_every_check_is_seen_passing(checks: set[str]) -> None:
    assert checks - {check for check, status in CONCLUDED if status == PASS} == set()


def test_every_check_is_seen_not_passing(checks: set[str]) -> None:
    assert checks - {check for check, status in CONCLUDED if status in MET_NOT} == set()
