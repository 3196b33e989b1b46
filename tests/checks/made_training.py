"""Training runs, made: what a workload and the monitor would print. Nothing here is a measurement.

GPU cases are made from documentation (NVML's fields and reasons, the contract of checks/workloads/README.md), the
healthy one near the reference rig's published figures. Also a plugin of pytest (``-p made_training``): a session's
rigs are then the cases of ``CASES``.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import made_load
import made_rigs
import msgspec
import rig_cases
from made_load import all_of, put

from provision.connection import Completed
from provision.plan import CudaPlan, EnvironmentPlan, Plan, Profile

if TYPE_CHECKING:
    from collections.abc import Callable

    from provision.facts.reading import Transcript

    Change = Callable[[dict[str, Any]], None]

BEGAN = 1_700_000_000.0
WINDOWS, WINDOW_SECONDS, START = 20, 1.0, 6.0
"""Windows of a second each; the first starts so many seconds after the command."""
SAMPLES, INTERVAL = 60, 0.5
MACHINE = made_rigs.MACHINES["gtx1060x2"]
HEAT, HARDWARE_HEAT, CAP, BRAKE = 0x20, 0x40, 0x4, 0x80
LINE = "2017-04-02 17:41:33.123456: step 10, loss = 4.62 (6139.0 examples/sec; 0.021 sec/batch)"


def result(device: str) -> dict[str, Any]:
    """What the workload prints of a healthy run: on the CPU, on one GTX 1060, on two."""
    count = 2 if device == "all" else 1
    rate = {"cpu": 280.0, "gpu": 6100.0, "all": 10_000.0}[device]
    return {
        "examples_per_sec": rate,
        "unit": "examples/s",
        "windows": [0.8 * rate, *[rate * (1 + 0.005 * (n % 3 - 1)) for n in range(WINDOWS - 1)]],
        "window_steps": 10,
        "step0_end": BEGAN + START,
        "window_ends": [BEGAN + START + WINDOW_SECONDS * (n + 1) for n in range(WINDOWS)],
        "losses": {"0": 4.68, "10": 4.62, "200": 4.1},
        "steps": 200,
        "data": "synthetic",
        "device_name": "Core i3 6100" if device == "cpu" else MACHINE.card.name,
        "devices": count,
        "mode": "reference",
        "batch": 128,
        "framework": "tensorflow",
        "version": "2.21.0",
        "dtype": "float32",
        "matmul_gflops_before": 200.0 if device == "cpu" else 3900.0,
        "matmul_gflops_after": 198.0 if device == "cpu" else 3880.0,
        "fraction_of_matmul": 0.15,
        "first_step_seconds": 1.0,
        "startup_seconds": 4.0,
        "compute_examples_per_sec": 1.04 * rate,
        "input_examples_per_sec": {"cpu": 5000.0, "gpu": 15_000.0, "all": 15_000.0}[device],
        "issue_seconds": None if device == "cpu" else 0.3 * count * 128 / rate,
        "cpu_seconds_per_step": 0.7 if device == "cpu" else 0.03,
        "processors": 4,
        "memory_gbps": 20.0 if device == "cpu" else 150.0,
        "fraction_of_memory": 0.1,
        "disturbed": "",
        "peak_memory": None,
    }


def card(number: int, device: str) -> dict[str, Any]:
    """A GPU that works where the run uses it."""
    made = made_load.card(MACHINE, number)
    used = device == "all" or number == 0
    made["programs"] = made["programs"] if used else []
    same = lambda value: [value] * SAMPLES  # noqa: E731 - a word for a list
    made["series"] = {
        "t": [round(INTERVAL * n, 3) for n in range(SAMPLES)],
        "utilisation_gpu": same(98 if used else 0),
        "clock_sm": same(1850),
        "temperature": same(70),
        "power": same(100.0),
        "pstate": same(2),
        "reasons": same(0),
        "pcie_generation": same(3),
        "pcie_width": same(16),
        "pcie_tx": same(40_000),
        "pcie_rx": same(250_000),
    }
    return made


def seen(device: str) -> dict[str, Any]:
    """What the monitor prints; ``result`` stands for the workload's last line."""
    t = [round(INTERVAL * n, 3) for n in range(SAMPLES)]
    return {
        "exit_code": 0,
        "began": BEGAN,
        "timed_out": False,
        "stopped_by": "",
        "seconds": 30.0,
        "cpu_seconds": 45.0,
        "left": [],
        "nvml": {"error": "", "driver": "580.95.05"},
        "cpu": {
            "processors": 4,
            "series": {
                "t": t,
                "utilisation": [0.4] * SAMPLES,
                "busiest": [0.8] * SAMPLES,
                "stolen": [0.0] * SAMPLES,
            },
        },
        "gpus": [] if device == "cpu" else [card(n, device) for n in range(MACHINE.count)],
        "result": result(device),
    }


def failed(kind: str, code: int = 3) -> Change:
    """The workload says why it could not measure."""
    error = {"what": f"The run failed: {kind}", "hint": "Do this.", "kind": kind}
    return all_of(put("result", {"error": error}), put("exit_code", code))


def falling(to: float, *, of: str = "result.windows") -> Change:
    """The series goes from what it is to a share of it, evenly."""
    *way, last = of.split(".")

    def change(run: dict[str, Any]) -> None:
        places = [run]
        for step in way:
            places = [one for place in places for one in (place if step == "*" else [place[step]])]
        for place in places:
            size = len(place[last]) - 1
            place[last] = [value * (1 + (to - 1) * n / size) for n, value in enumerate(place[last])]

    return change


@dataclass(frozen=True, kw_only=True)
class Case:
    """A rig: device → what differs in the run there.

    Attributes:
        raw: device → exit code and standard output instead of a run's.
        framework: of the environment.
        gpu: it has two.
    """

    runs: dict[str, Change] = field(default_factory=dict)
    raw: dict[str, tuple[int, str]] = field(default_factory=dict)
    framework: str = "tensorflow"
    gpu: bool = True


KINDS = {
    "no-framework": "error",
    "no-device": "error",
    "out-of-memory": "error",
    "device-lost": "fail",
    "not-a-number": "fail",
    "no-data": "error",
    "disk-full": "error",
    "no-time": "error",
    "interrupted": "error",
    "failed": "error",
    "usage": "error",
}
"""Every kind of failure that a workload may name, and what it makes of the smoke test."""

MINE = {"pid": 4711, "name": "python", "mine": True, "seen": ["during"]}
INPUT = put("result.input_examples_per_sec", 6200.0)
SLOW_INPUT = all_of(INPUT, put("result.compute_examples_per_sec", 14_000.0))
LAUNCH = all_of(
    put("result.issue_seconds", 0.0205), put("gpus.*.series.utilisation_gpu", 60, only=0)
)
SLOW_START = all_of(put("result.compute_examples_per_sec", 14_000.0))
CASES: dict[str, Case] = {
    "well": Case(),
    "cpu": Case(gpu=False),
    "torch": Case(gpu=False, framework="torch"),
    "jax": Case(gpu=False, framework="jax"),
    "slow_input": Case(runs={"gpu": SLOW_INPUT}),
    "cpu_slow_input": Case(
        gpu=False,
        runs={
            "cpu": all_of(
                put("result.input_examples_per_sec", 330.0),
                put("result.compute_examples_per_sec", 2000.0),
            )
        },
    ),
    "cpu_host": Case(gpu=False, runs={"cpu": put("result.compute_examples_per_sec", 800.0)}),
    "cpu_memory": Case(gpu=False, runs={"cpu": put("result.fraction_of_memory", 0.85)}),
    "busy_host": Case(runs={"gpu": all_of(SLOW_START, put("cpu.series.utilisation", 0.97))}),
    "transfer": Case(
        runs={"gpu": all_of(SLOW_START, put("gpus.*.series.pcie_rx", 9_000_000, only=0))}
    ),
    "launch": Case(runs={"gpu": LAUNCH}),
    "memory": Case(runs={"gpu": put("result.fraction_of_memory", 0.8)}),
    "hot": Case(
        runs={
            "gpu": all_of(
                put("gpus.*.series.reasons", HEAT, only=0),
                put("gpus.*.series.clock_sm", 1300, only=0),
                put("gpus.*.series.temperature", 83, only=0),
            )
        }
    ),
    "capped": Case(
        runs={
            "gpu": all_of(
                put("gpus.*.series.reasons", CAP, only=0),
                put("gpus.*.series.clock_sm", 1400, only=0),
                put("gpus.*.series.power", 119.0, only=0),
            )
        }
    ),
    "cap_without_loss": Case(runs={"gpu": put("gpus.*.series.reasons", CAP, only=0)}),
    "communication": Case(
        runs={
            "all": all_of(
                put("result.examples_per_sec", 7000.0),
                put("result.compute_examples_per_sec", 7200.0),
            )
        }
    ),
    "slower_together": Case(
        runs={
            "all": all_of(
                put("result.examples_per_sec", 5000.0),
                put("result.compute_examples_per_sec", 5100.0),
            )
        }
    ),
    "cooler_at_first": Case(
        runs={
            "all": all_of(
                falling(0.6),
                falling(0.6, of="gpus.*.series.clock_sm"),
                put("gpus.*.series.reasons", HARDWARE_HEAT),
            )
        }
    ),
    "drained": Case(
        runs={
            "gpu": all_of(
                falling(0.6),
                falling(0.6, of="gpus.*.series.utilisation_gpu"),
                put("result.input_examples_per_sec", 4000.0),
            )
        }
    ),
    "puzzling": Case(gpu=False, runs={"cpu": falling(0.6)}),
    "throttled_cpu": Case(
        gpu=False, runs={"cpu": all_of(falling(0.6), put("result.matmul_gflops_after", 120.0))}
    ),
    "disturbed": Case(
        gpu=False,
        runs={
            "cpu": all_of(
                falling(0.6),
                put("result.disturbed", "other programs took 31% of the processors"),
            )
        },
    ),
    "disturbed_unsaid": Case(gpu=False, runs={"cpu": put("cpu.series.stolen", 0.3)}),
    "short": Case(gpu=False, runs={"cpu": put("result.windows", [250.0, 280.0, 281.0])}),
    "nothing_alone": Case(
        gpu=False,
        runs={
            "cpu": all_of(
                put("result.compute_examples_per_sec", None),
                put("result.input_examples_per_sec", None),
                lambda run: run["result"].update(window_ends=None),
            )
        },
    ),
    "off_at_ten": Case(
        gpu=False, runs={"cpu": put("result.losses", {"0": 4.68, "10": 4.9, "20": 4.1})}
    ),
    "no_step0": Case(gpu=False, runs={"cpu": put("result.losses", {"10": 4.6})}),
    "loss_is_infinite": Case(
        gpu=False, runs={"cpu": put("result.losses", {"0": 4.68, "10": 4.6, "20": 1e999})}
    ),
    "used": Case(runs={"gpu": put("gpus.*.programs", [MINE, *made_load.SOMEBODY], only=0)}),
    "lost": Case(
        runs={
            "gpu": all_of(
                failed("failed"),
                put("gpus.*.trouble", "nvmlDeviceGetTemperature: GPU is lost", only=0),
            )
        }
    ),
    "hung": Case(
        runs={
            "gpu": all_of(put("result", {}), put("exit_code", None), put("timed_out", value=True))
        }
    ),
    "cpu_hung": Case(
        gpu=False,
        runs={
            "cpu": all_of(put("result", {}), put("exit_code", None), put("timed_out", value=True))
        },
    ),
    "killed": Case(gpu=False, runs={"cpu": all_of(put("result", {}), put("exit_code", 137))}),
    "stopped": Case(
        gpu=False, runs={"cpu": all_of(put("result", {}), put("stopped_by", "SIGTERM"))}
    ),
    "beside": Case(
        gpu=False,
        raw={
            "cpu": (3, '{"error": {"what": "another measurement of dlrig ran", "hint": "Later."}}')
        },
    ),
    "no_python": Case(gpu=False, raw={"cpu": (127, "")}),
    "babbles": Case(gpu=False, raw={"cpu": (0, "no JSON at all")}),
    **{f"kind_{kind}": Case(gpu=False, runs={"cpu": failed(kind)}) for kind in KINDS},
}


class Made:
    """A connection that answers with what was made."""

    def __init__(self, name: str) -> None:
        self.case, self.name = CASES[name], name
        self.devices: list[str] = []

    def run(
        self,
        argv: list[str],
        *,
        stdin: bytes = b"",
        on_line: Callable[[str], None] | None = None,
        **_rest: Any,  # noqa: ANN401 - as it is called
    ) -> Completed:
        """What the launched monitor would print, line by line."""
        assert argv[1:] == ["-I", "-"], argv
        sent = json.loads(made_load._sent(stdin.decode()))
        assert sent["program"] == f"cifar10_{self.case.framework}.py"
        assert sent["live"], "lines come as they are printed"
        given = sent["arguments"]
        device = given[given.index("--device") + 1]
        assert given[given.index("--steps") + 1] == ("120" if device == "cpu" else "1000")
        assert device not in self.devices, "each run happens once"
        self.devices.append(device)
        code, text = self.case.raw.get(device) or self._printed(device)
        for line in text.splitlines() if on_line else []:
            on_line(line)
        return Completed(exit_code=code, stdout=text.encode(), stderr=b"Ended.\n", seconds=1.0)

    def _printed(self, device: str) -> tuple[int, str]:
        run = copy.deepcopy(seen(device))
        run["result"]["framework"] = self.case.framework
        change = self.case.runs.get(device)
        if change:
            change(run)
        last = json.dumps(run.pop("result"))
        lines = [LINE, *([last] if last != "{}" else []), "", json.dumps(run)]
        return run["exit_code"] or 0, "\n".join(lines) + "\n"

    def close(self) -> None:
        """Nothing to hang up."""


def transcript(name: str) -> Transcript:
    base = rig_cases.transcript("healthy")
    if CASES[name].gpu:
        environments = rig_cases.made_environment("tensorflow_gpu")
        base = made_rigs.transcript("gtx1060x2", environments=environments)
    return msgspec.structs.replace(base, target=name)


def plan(name: str) -> Plan:
    """One environment, for the GPUs where there are any."""
    case = CASES[name]
    environment = EnvironmentPlan(
        name="tensorflow_gpu" if case.gpu else "tensorflow",
        maker="venv",
        python="3.11",
        pins=(),
        framework=case.framework,
        version="2.21.0",
        device="gpu" if case.gpu else "cpu",
        path="/opt/dlrig/envs/x",
    )
    return Plan(
        target=name,
        profile=Profile.GPU if case.gpu else Profile.CPU,
        reasons=(),
        environments={environment.name: environment},
        actions=(),
        cuda=CudaPlan(),
    )


def pytest_configure() -> None:
    """Put what was made in the place of connections and plans."""
    from checks import rigs  # noqa: PLC0415 - the copy that is under test

    rigs.Rig._ask = lambda self: transcript(self.name)
    rigs._plan = lambda rig: plan(rig.name)
    rigs.connect = lambda target, _settings: Made(target.name)
