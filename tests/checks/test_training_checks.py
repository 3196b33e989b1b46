"""What the training checks conclude; rigs, runs and series are made (see made_training.py)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import made_training
import pytest
from made_training import CASES, KINDS

if TYPE_CHECKING:
    from acceptance_suite import Ran, Suite

    from provision.results import Figure

PASS, WARN, FAIL, SKIP, ERROR = "pass", "warn", "fail", "skip", "error"
SMOKE, STEADY = "cifar10_smoke", "cifar10_steady"
SCALING, LIMIT = "cifar10_scaling", "cifar10_limit"
ALL = "-all"

EXPECTED = [
    ("cpu", SMOKE, PASS, "280.0 examples/s (±0%, 19 windows), loss 4.68 → 4.10 in 200 steps, cpu"),
    ("cpu", STEADY, PASS, "over 200 steps: "),
    (
        "cpu",
        LIMIT,
        PASS,
        "CPU compute: the step without input does 291 examples/s, and with it 280",
    ),
    ("cpu", SCALING, SKIP, "this environment is for the CPU"),
    ("torch", SMOKE, PASS, "280.0 examples/s"),
    ("jax", SMOKE, PASS, "280.0 examples/s"),
    ("well", SMOKE, PASS, "6,100.0 examples/s"),
    ("well", f"{SMOKE}{ALL}", PASS, "4.10 in 200 steps, 2 gpu, synthetic images"),
    ("well", SCALING, PASS, "2 GPUs do 1.64 times what one does, 82% of 2: 6,100.0 → 10,000.0"),
    (
        "well",
        SCALING,
        PASS,
        "22% of the work does not divide, so no number of them would do more than 4.5",
    ),
    ("well", LIMIT, PASS, "GPU compute: the step without input does 6,344 examples/s"),
    (
        "well",
        f"{LIMIT}{ALL}",
        PASS,
        "communication: the step on 2 GPUs does 10,400 examples/s, and 2",
    ),
    (
        "slow_input",
        LIMIT,
        PASS,
        "input pipeline: alone it makes 6,200 examples/s, and training takes",
    ),
    ("cpu_slow_input", LIMIT, PASS, "input pipeline: alone it makes 330 examples/s"),
    ("cpu_host", LIMIT, PASS, "host: 59% of the step's time is neither input nor computing"),
    (
        "cpu_memory",
        LIMIT,
        PASS,
        "memory: the least that a step must move takes 85% of the memory's rate",
    ),
    ("busy_host", LIMIT, PASS, "host: the 4 processors are taken to 97%"),
    ("transfer", LIMIT, PASS, "transfer: 9.0 of 15.8 GB/s over GPU 0's PCI Express link (57%)"),
    (
        "launch",
        LIMIT,
        PASS,
        "kernel launch: to start a step takes the host 20.50 ms of its 20.98 ms (98%)",
    ),
    ("memory", LIMIT, PASS, "memory: the least that a step must move takes 80%"),
    (
        "hot",
        LIMIT,
        PASS,
        "heat: it lowers GPU 0's clock in 100% of the time: 1300 MHz of 1900, 83 °C",
    ),
    (
        "capped",
        LIMIT,
        PASS,
        "power: it lowers GPU 0's clock in 100% of the time: 1400 MHz of 1900, 119 of",
    ),
    ("cap_without_loss", LIMIT, PASS, "GPU compute: "),
    (
        "communication",
        f"{LIMIT}{ALL}",
        PASS,
        "would be 12,688: 43% of its time goes into working together",
    ),
    ("slower_together", SCALING, WARN, "2 GPUs do 0.82 times what one does"),
    ("cooler_at_first", f"{STEADY}{ALL}", WARN, "GPU 1's clock fell from "),
    ("cooler_at_first", f"{STEADY}{ALL}", WARN, "because of heat"),
    ("cooler_at_first", STEADY, PASS, "examples/s over 200 steps"),
    ("drained", STEADY, WARN, "GPU 0 waits more: a kernel ran in "),
    (
        "drained",
        STEADY,
        WARN,
        "it came down to what the input pipeline makes: 4,000 examples/s alone",
    ),
    ("puzzling", STEADY, WARN, "nothing else that was measured changed as much"),
    ("throttled_cpu", STEADY, WARN, "a matrix product ran at 200 GFLOP/s before and 120 after"),
    ("disturbed", STEADY, WARN, "the machine was disturbed: other programs took 31%"),
    ("disturbed", SMOKE, PASS, "; disturbed: other programs took 31% of the processors"),
    ("disturbed_unsaid", SMOKE, PASS, "; disturbed: the host kept 30% of the processors' time"),
    ("short", STEADY, SKIP, "2 windows are too few to tell: --steps 90 or more"),
    ("nothing_alone", SMOKE, PASS, "280.0 examples/s"),
    ("nothing_alone", LIMIT, ERROR, "the workload measured no part of the step alone"),
    ("off_at_ten", SMOKE, FAIL, "the loss at step 10 is 4.90"),
    ("no_step0", SMOKE, ERROR, "the workload reports no loss at step 0"),
    ("used", SMOKE, ERROR, "is in use by train (process 99)"),
    ("used", f"{SMOKE}{ALL}", PASS, "10,000.0 examples/s"),
    ("lost", SMOKE, FAIL, "GPU is lost"),
    ("lost", STEADY, SKIP, "there is nothing to be judged: see training/cifar10_smoke"),
    ("lost", SCALING, SKIP, "there is nothing to be judged: see training/cifar10_smoke"),
    ("lost", LIMIT, ERROR, "there is no training to explain: see training/cifar10_smoke"),
    ("hung", SMOKE, FAIL, "training does not end: a GPU hangs, or is far too slow"),
    ("cpu_hung", SMOKE, ERROR, "training did not end within 345 s"),
    (
        "killed",
        SMOKE,
        ERROR,
        "training ended with SIGKILL (out of memory? see the kernel's log): Ended.",
    ),
    ("stopped", SMOKE, ERROR, "training ended with SIGTERM"),
    ("beside", SMOKE, ERROR, "another measurement of dlrig ran"),
    ("no_python", SMOKE, ERROR, "/opt/dlrig/envs/x/bin/python does not start"),
    ("babbles", SMOKE, ERROR, "training ended with exit code 0"),
    *((f"kind_{kind}", SMOKE, status, f"The run failed: {kind}") for kind, status in KINDS.items()),
    *((f"kind_{kind}", LIMIT, ERROR, "there is no training to explain") for kind in KINDS),
]


@pytest.fixture(scope="module")
def ran(suite: Suite) -> Ran:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        rigs = [word for name in CASES for word in ("--rig", name)]
        return suite.run("-m", "training", "-p", "made_training", *rigs)


def name_of(case: str, check: str) -> str:
    """``cifar10_limit-all`` → ``training/cifar10_limit[tensorflow_gpu-all]``."""
    function, dash, more = check.partition("-")
    environment = "tensorflow_gpu" if CASES[case].gpu else "tensorflow"
    return f"training/{function}[{environment}{dash}{more}]"


@pytest.mark.parametrize(("case", "check", "status", "message"), EXPECTED)
def test_a_training_check_concludes(
    ran: Ran, case: str, check: str, status: str, message: str
) -> None:
    result = ran.results(case)[name_of(case, check)]
    assert (result.status, message) == (status, message if message in result.message else result)


def test_every_case_is_looked_at() -> None:
    apart = {"loss_is_infinite"}
    assert {case for case, *_ in EXPECTED} | apart == set(CASES)


def test_a_loss_that_is_no_number_fails(ran: Ran) -> None:
    """JSON has none: what stands for it is not read as a result."""
    result = ran.results("loss_is_infinite")["training/cifar10_smoke[tensorflow]"]
    assert result.status == ERROR


def figures(ran: Ran, case: str, check: str) -> dict[str, Figure]:
    return {figure.name: figure for figure in ran.results(case)[name_of(case, check)].figures}


def test_ids_name_the_device_only_where_the_environment_does_not(ran: Ran) -> None:
    assert set(ran.results("well")) == {
        "training/cifar10_smoke[tensorflow_gpu]",
        "training/cifar10_smoke[tensorflow_gpu-all]",
        "training/cifar10_steady[tensorflow_gpu]",
        "training/cifar10_steady[tensorflow_gpu-all]",
        "training/cifar10_limit[tensorflow_gpu]",
        "training/cifar10_limit[tensorflow_gpu-all]",
        "training/cifar10_scaling[tensorflow_gpu]",
    }


def test_what_the_monitor_saw_is_kept_over_time(ran: Ran) -> None:
    one, every = figures(ran, "well", SMOKE), figures(ran, "well", f"{SMOKE}{ALL}")
    assert {name for name in one if name.startswith("gpu")} == {
        f"gpu0_{name}" for name in ("utilisation", "temperature", "power", "clock")
    }
    assert {"gpu0_power", "gpu1_power", "cpu_utilisation"} <= set(every)
    units = {name: (one[name].unit, one[name].at_unit) for name in one}
    assert units["cpu_utilisation"] == ("", "s")
    assert units["gpu0_utilisation"] == ("%", "s")
    assert units["gpu0_temperature"] == ("°C", "s")
    assert units["gpu0_power"] == ("W", "s")
    assert units["gpu0_clock"] == ("MHz", "s")
    assert one["gpu0_clock"].at[:3] == (0.0, 0.5, 1.0)
    assert one["throughput"].at[:2] == (20, 30)
    assert len(one["throughput"].samples) == made_training.WINDOWS - 1


def test_notes_say_where_it_ran_and_that_it_was_disturbed(ran: Ran) -> None:
    two = figures(ran, "well", f"{SMOKE}{ALL}")["throughput"]
    assert ", 2 gpu (NVIDIA GeForce GTX 1060 6GB), reference mode, float32, batch 128," in two.note
    note = figures(ran, "disturbed", SMOKE)["throughput"].note
    assert note == (
        "synthetic images, 1 cpu (Core i3 6100), reference mode, float32, batch 128, tensorflow 2.21.0, "
        "disturbed: other programs took 31% of the processors"
    )
    assert "torch 2.21.0" in figures(ran, "torch", SMOKE)["loss"].note


def test_scaling_is_kept_as_figures(ran: Ran) -> None:
    kept = figures(ran, "well", SCALING)
    assert kept["speed_up"].samples == pytest.approx((1.639,), abs=1e-3)
    assert kept["scaling_efficiency"].samples == pytest.approx((0.820,), abs=1e-3)
    assert kept["serial_share"].samples == pytest.approx((0.220,), abs=1e-3)


def test_the_log_is_that_of_the_check_that_trained(ran: Ran) -> None:
    results = ran.results("well")
    assert results["training/cifar10_smoke[tensorflow_gpu]"].log == (made_training.LINE,)
    assert results["training/cifar10_limit[tensorflow_gpu]"].log == ()


def test_a_figure_of_the_memory_where_it_was_measured(ran: Ran) -> None:
    kept = figures(ran, "well", SMOKE)
    assert kept["memory"].samples == (150.0,)
    assert kept["fraction_of_memory"].samples == (0.1,)
