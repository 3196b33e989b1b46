"""What the checks under load conclude; rigs, loads and measurements are made (see made_load.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import made_load
import made_rigs
import pytest

if TYPE_CHECKING:
    from acceptance_suite import Ran, Suite

PASS, WARN, FAIL, SKIP, ERROR = "pass", "warn", "fail", "skip", "error"
PRODUCT, RATE, PATTERN = "matrix_product", "memory_rate", "memory_pattern"
HOST, PEER, REDUCE, SAME = "host_transfer", "peer_transfer", "all_reduce", "same_results"
LINK, CLOCKS, HEAT, KEPT = (
    "link_under_load",
    "clocks_under_load",
    "heat_under_load",
    "left_as_found",
)
CPU, CPU_MEMORY = "cpu_matrix_product", "cpu_memory"
TELLERS = (PRODUCT, PATTERN, HOST, PEER, REDUCE, SAME)
"""Checks that say why their load did not run."""
LISTENERS = (RATE, LINK, CLOCKS, HEAT, KEPT)
"""Checks that skip then."""

EXPECTED = [
    ("gtx1060x2", PRODUCT, PASS, "float32 3.93 TFLOP/s (90% of 4.37 published)"),
    ("gtx1060x2", PRODUCT, PASS, "all at once: gpu:0 97%, gpu:1 97%"),
    ("gtx1060x2", PATTERN, PASS, "4.0 of 6.0 GiB free"),
    ("gtx1060x2", RATE, PASS, "memory 154 GB/s (80% of 192 published)"),
    ("gtx1060x2", HOST, PASS, "to the GPU 12 GB/s (76% of 15.8 published)"),
    ("gtx1060x2", PEER, PASS, "gpu:0 to gpu:1 (NVIDIA GeForce GTX 1060 6GB): direct 11 GB/s"),
    ("gtx1060x2", REDUCE, PASS, "bus 8 GB/s, MirroredStrategy"),
    ("gtx1060x2", SAME, PASS, "400 times the same"),
    ("gtx1060x2", LINK, PASS, "GPU 0: PCIe 3.0 x16; GPU 1: PCIe 3.0 x16"),
    ("gtx1060x2", CLOCKS, PASS, "GPU 0: 1800 MHz of 1900 (sw_power_cap 100%)"),
    ("gtx1060x2", HEAT, PASS, "60 °C, 39 °C to its slowdown"),
    ("gtx1060x2", KEPT, PASS, "unchanged on 2 GPUs"),
    ("h100x8", PRODUCT, PASS, "bfloat16 890 TFLOP/s (90% of 989.4 published)"),
    ("h100x8", LINK, PASS, "GPU 7: PCIe 5.0 x16"),
    ("rtx3090", PEER, SKIP, "there is one GPU"),
    ("rtx3090", REDUCE, SKIP, "there is one GPU"),
    ("cpu_rig", PRODUCT, SKIP, "no NVIDIA GPU in this machine"),
    ("cpu_rig", LINK, SKIP, "no NVIDIA GPU in this machine"),
    ("cpu_rig", CPU, PASS, "cpu (AMD EPYC): float32 200 GFLOP/s"),
    ("cpu_rig", CPU_MEMORY, PASS, "cpu (AMD EPYC): memory 20 GB/s"),
    ("cpu_disturbed", CPU, PASS, "not its own pace: other programs took"),
    (
        "cpu_slower",
        CPU,
        WARN,
        "float32 200 GFLOP/s, and 250 at the last acceptance (80%; spreads 2%",
    ),
    ("cpu_slower", CPU_MEMORY, WARN, "memory 20 GB/s, and 25 at the last acceptance"),
    ("cpu_slower_disturbed", CPU, WARN, "the host kept 30% of the processors' time"),
    ("cpu_slower_disturbed", CPU_MEMORY, WARN, "the host kept 30%"),
    ("cpu_wrong", CPU, FAIL, "float32 products are off by 0.9, and 0.001 is allowed"),
    ("cpu_wrong", CPU_MEMORY, FAIL, "3 places of the machine's memory changed"),
    ("no_baseline", PRODUCT, PASS, "TFLOP/s"),
    ("faster_than_before", PRODUCT, PASS, "TFLOP/s"),
    (
        "slower_than_before",
        PRODUCT,
        FAIL,
        "gpu:0: float32 3.93 TFLOP/s, and 4.92 at the last acceptance (80%",
    ),
    ("slower_than_before", RATE, FAIL, "at the last acceptance"),
    (
        "slower_than_before",
        HOST,
        FAIL,
        "gpu:1: to the host 12.5 GB/s, and 15.6 at the last acceptance",
    ),
    ("slower_than_before", PEER, FAIL, "at the last acceptance"),
    ("slower_than_before", REDUCE, FAIL, "2 GPUs: bus 8 GB/s, and 10 at the last acceptance"),
    ("other_framework", PRODUCT, PASS, "TFLOP/s"),
    ("one_slow", PRODUCT, FAIL, "gpu:1: float32 3 TFLOP/s, 76% of gpu:0's 3.93, a like one"),
    ("one_slow", RATE, FAIL, "gpu:1: memory 90 GB/s, 59% of gpu:0's 154"),
    ("one_slow", HOST, FAIL, "gpu:1: to the GPU 3 GB/s, 25% of gpu:0's 12"),
    ("one_slow", PEER, FAIL, "gpu:1 to gpu:0: direct 3 GB/s, 27% of gpu:0 to gpu:1's 11"),
    (
        "half_lanes",
        HOST,
        PASS,
        "gpu:1 (NVIDIA GeForce GTX 1060 6GB): to the GPU 3 GB/s (77% of 3.9 published)",
    ),
    (
        "wrong",
        PRODUCT,
        FAIL,
        "gpu:0 (NVIDIA GeForce GTX 1060 6GB): float32 products are off by 0.9",
    ),
    ("wrong", PATTERN, FAIL, "gpu:1 (NVIDIA GeForce GTX 1060 6GB): 7 places of 4.0 GiB changed"),
    ("wrong", HOST, FAIL, "data were changed on their way to gpu:1"),
    ("wrong", PEER, FAIL, "data were changed on their way from gpu:0 to gpu:1"),
    ("wrong", REDUCE, FAIL, "12 elements of the sum over 2 GPUs are wrong"),
    (
        "wrong",
        SAME,
        FAIL,
        "gpu:0 (NVIDIA GeForce GTX 1060 6GB): 2 of 400 products differ from the first",
    ),
    ("unlike", SAME, FAIL, "GTX 1060 cards disagree: gpu:0 against gpu:1"),
    ("read_back", SAME, FAIL, "a product changed when it was read back"),
    ("few_ranks", REDUCE, FAIL, "1 of 2 GPUs took part"),
    ("untested", PATTERN, ERROR, "nothing was tested on gpu:0, gpu:1"),
    (
        "no_memory",
        PATTERN,
        ERROR,
        "device_memory.py: the memory could not be tested: 3 of 60 blocks",
    ),
    ("no_memory", RATE, SKIP, "see performance/memory_pattern"),
    ("weak_supply", PRODUCT, WARN, "gpu:1 does 64% of what it does alone"),
    ("no_rates", PRODUCT, FAIL, "no form of number was measured"),
    ("mps", PRODUCT, PASS, "TFLOP/s"),
    ("narrow", LINK, FAIL, "0000:02:00.0): PCIe 3.0 x4, and card and slot both know PCIe 3.0 x16"),
    ("old_link", LINK, FAIL, "PCIe 1.0 x16, and card and slot both know PCIe 3.0 x16"),
    ("old_slot", LINK, PASS, "PCIe 2.0 x16 (the card knows 3.0, the slot does not)"),
    ("never_fast", LINK, ERROR, "never in P0 or P2 under load"),
    ("idle", LINK, ERROR, "was not seen at work"),
    ("idle", HEAT, ERROR, "was not seen at work"),
    ("no_nvml", CLOCKS, ERROR, "NVIDIA's management library says nothing: libnvidia-ml.so.1"),
    ("braked", CLOCKS, FAIL, "hw_power_brake_slowdown in 100% of the time under load"),
    ("slowed_by_heat", CLOCKS, FAIL, "hw_thermal_slowdown in 100%"),
    ("slowed_by_driver", CLOCKS, WARN, "sw_thermal_slowdown in 100%"),
    ("no_reasons", CLOCKS, ERROR, "the driver does not say why clocks are what they are"),
    ("hot", HEAT, FAIL, "92 °C, 7 °C to its slowdown"),
    ("warm", HEAT, WARN, "84 °C, 15 °C to its slowdown"),
    ("margin", HEAT, FAIL, "60 °C, 5 °C to its slowdown"),
    ("no_heat", HEAT, ERROR, "no GPU states its temperature and where heat slows it"),
    ("changed", KEPT, FAIL, "persistence mode 1 before, 0 after"),
    ("changed", KEPT, FAIL, "power limit 120 before, 100 after"),
    ("left_behind", KEPT, FAIL, "the load left programs behind, which were ended: python"),
    *(("busy", check, ERROR, "is in use by train (process 99)") for check in TELLERS),
    *(("busy", check, SKIP, "there is nothing to be judged") for check in LISTENERS),
    *(("busy_unseen", check, ERROR, "93 % busy before the start") for check in TELLERS),
    *(("split", check, SKIP, "split into instances (MIG)") for check in TELLERS),
    *(("hung", check, FAIL, "a device hangs, or is far too slow") for check in TELLERS),
    *(("hung", check, SKIP, "there is nothing to be judged") for check in LISTENERS),
    *(("gave_up", check, FAIL, "did not end within") for check in TELLERS),
    *(
        ("lost", check, FAIL, "0000:02:00.0): nvmlDeviceGetTemperature: GPU is lost")
        for check in TELLERS
    ),
    *(("mute", check, FAIL, "does not answer any more") for check in TELLERS),
    *(
        ("crashed", check, ERROR, "ended with exit code 139: Segmentation fault")
        for check in TELLERS
    ),
    *(("no_framework", check, ERROR, "ImportError: libcudart.so.12") for check in TELLERS),
    *(("babbles", check, ERROR, "ended with exit code 0") for check in TELLERS),
    *(("no_python", check, ERROR, "/bin/python does not start") for check in TELLERS),
    *(("strange", check, ERROR, "the program's result is of another form") for check in TELLERS),
    *(("beside", check, ERROR, "another measurement of dlrig ran") for check in TELLERS),
]
CUDNN = [
    ("gtx1060x2", PASS, "cuDNN 9.3.0 in tensorflow 2.21.0: gpu:0 off by 4e-07"),
    ("cpu_rig", SKIP, "no NVIDIA GPU in this machine"),
    ("wrong", FAIL, "gradient by kernels, against the CPU off by 0.02, and 0.0001 is allowed"),
    ("nan", FAIL, "forward, against sums off by 1e+300"),
    ("busy", ERROR, "is in use by train"),
    ("hung", FAIL, "convolution.py did not end within"),
]
HEALTHY = [*made_rigs.MACHINES, "cpu_rig"]


def options(names: list[str]) -> list[str]:
    rigs = [word for name in names for word in ("--rig", name)]
    return ["-p", "made_load", *rigs]


@pytest.fixture(scope="module")
def plugin() -> pytest.MonkeyPatch:
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", str(Path(__file__).parent))
    yield patch
    patch.undo()


@pytest.fixture(scope="module")
def ran(suite: Suite, plugin: pytest.MonkeyPatch) -> Ran:
    """All cases in one run; what they were before comes from a run of the healthy ones."""
    first = suite.run("-m", "performance", *options(HEALTHY))
    kept = {
        name: {
            check: [json.loads(json.dumps(figure_of(figure))) for figure in result.figures]
            for check, result in first.results(name).items()
        }
        for name in HEALTHY
    }
    file = suite.folder / "figures.json"
    file.write_text(json.dumps(kept), encoding="utf-8")
    plugin.setenv("DLRIG_MADE_FIGURES", str(file))
    return suite.run(
        "-m",
        "performance or runtime",
        "-k",
        "performance or cudnn",
        *options(list(made_load.CASES)),
    )


def figure_of(figure: object) -> dict[str, object]:
    names = ("name", "unit", "samples", "note")
    return {name: getattr(figure, name) for name in names}


@pytest.mark.parametrize(("case", "check", "status", "message"), EXPECTED)
def test_a_check_concludes(ran: Ran, case: str, check: str, status: str, message: str) -> None:
    result = ran.results(case)[f"performance/{check}"]
    assert (result.status, message) == (status, message if message in result.message else result)


@pytest.mark.parametrize(("case", "status", "message"), CUDNN)
def test_cudnn_is_judged(ran: Ran, case: str, status: str, message: str) -> None:
    environment = "tensorflow_gpu" if made_load.CASES[case].machine else "tensorflow"
    result = ran.results(case)[f"runtime/cudnn_convolution[{environment}]"]
    assert (result.status, message) == (status, message if message in result.message else result)


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_rig_has_nothing_against_it(ran: Ran, name: str) -> None:
    bad = [result for result in ran.results(name).values() if result.status in {WARN, FAIL, ERROR}]
    assert not bad


def test_every_check_is_seen_passing_and_not_passing(ran: Ran) -> None:
    checks = {
        name.partition("/")[2] for name in ran.results("gtx1060x2") if name.startswith("perf")
    }
    assert {check for _, check, status, _ in EXPECTED if status == PASS} == checks
    assert {check for _, check, status, _ in EXPECTED if status in {FAIL, WARN}} == checks
    assert {check for _, check, status, _ in EXPECTED if status == ERROR} >= checks - {
        *(KEPT, RATE, CPU, CPU_MEMORY)
    }


def test_figures_name_the_hardware_and_what_measured_it(ran: Ran) -> None:
    figures = {
        figure.name: figure
        for figure in ran.results("gtx1060x2")["performance/matrix_product"].figures
    }
    assert set(figures) == {"matrix_product_float32_gpu0", "matrix_product_float32_gpu1"}
    one = figures["matrix_product_float32_gpu0"]
    assert (one.unit, len(one.samples)) == ("TFLOP/s", 3)
    assert one.note == "NVIDIA GeForce GTX 1060 6GB; tensorflow 2.21.0; 4.37 TFLOP/s published"


def test_a_slowdown_says_what_to_do_about_it(ran: Ran) -> None:
    assert "power" in ran.results("braked")["performance/clocks_under_load"].remedy.lower()
