"""Rigs under load, made: what the monitor and the programs would print. Nothing here is a measurement.

Also a plugin of pytest (``-p made_load``): a session's rigs are then the cases of ``CASES``, reached by a connection
that answers with what was made for them.
"""

from __future__ import annotations

import copy
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import made_rigs
import msgspec
import rig_cases

from provision import catalogue
from provision.connection import Completed
from provision.facts import parse
from provision.plan import CudaPlan, EnvironmentPlan, Plan, Profile
from provision.results import Acceptance, Figure, Result, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from made_rigs import Machine

    from provision.facts.reading import Transcript

SAMPLES = 30


def card(machine: Machine, number: int) -> dict[str, Any]:
    """One healthy GPU as the monitor reports it: at work from the third sample on."""
    model = machine.card
    work = [0] * 2 + [99] * (SAMPLES - 2)
    fast = 2 if "GeForce" in model.name else 0
    settings = {"pstate": 8, "persistence": 1, "compute_mode": 0, "power_limit": float(model.power)}
    same = lambda value: [value] * SAMPLES  # noqa: E731 - a word for a list
    return {
        "index": number,
        "name": model.name,
        "address": machine.address(number),
        "uuid": machine.uuid(number),
        "mig": False,
        "clock_sm_max": 1900,
        "slowdown": model.slowdown,
        "pcie_generation_max": model.generation,
        "pcie_generation_card": model.generation,
        "pcie_generation_port": model.generation,
        "pcie_width_max": model.width,
        "pcie_width_port": model.width,
        "utilisation_before": 0,
        "before": settings,
        "after": dict(settings),
        "trouble": "",
        "answers": True,
        "programs": [
            {"pid": 4711, "name": "python", "mine": True, "seen": ["during"], "memory": 1 << 30}
        ],
        "series": {
            "t": [round(0.1 * n, 1) for n in range(SAMPLES)],
            "utilisation_gpu": work,
            "clock_sm": same(1800),
            "temperature": same(60),
            "margin": same(None),
            "power": same(100.0),
            # At rest the link slows down; the card is then not in a fast state.
            "pstate": [8, 8] + [fast] * (SAMPLES - 2),
            "reasons": [1, 1] + [4] * (SAMPLES - 2),
            "pcie_generation": [1, 1] + [model.generation] * (SAMPLES - 2),
            "pcie_width": same(model.width),
        },
    }


def samples(median: float) -> dict[str, Any]:
    """A rate with a spread of two per cent."""
    return {"median": median, "samples": [median * part for part in (0.98, 1.0, 1.02)]}


def result(program: str, machine: Machine | None, device: str) -> dict[str, Any]:
    """What a healthy rig's program prints."""
    rows = [("cpu", "AMD EPYC", None)]
    if machine and device == "gpu":
        peak = catalogue.criteria().peaks.find(machine.card.name)
        rows = [(f"gpu:{n}", machine.card.name, peak) for n in range(machine.count)]
    about = {"framework": "tensorflow", "version": "2.21.0", "python": "3.12.1", "right": True}
    return {**about, **_RESULTS[program](rows)}


def _products(rows: list[Any]) -> dict[str, Any]:
    devices = []
    for device, model, peak in rows:
        forms = peak.tflops if peak else {"float32": 0.2 / 0.9}
        rates = {
            form: {
                **samples(0.9 * rate),
                "side": 8192,
                "error": 1e-6,
                "tolerance": 1e-3,
                "right": True,
            }
            for form, rate in forms.items()
        }
        devices.append({"device": device, "model": model, "rates": rates, "lacking": {}})
    together = {}
    if len(devices) > 1:
        for row in devices:
            rate = row["rates"]["float32"]["median"]
            together[row["device"]] = {"dtype": "float32", "rate": 0.97 * rate}
    return {"devices": devices, "together": together}


def _memories(rows: list[Any]) -> dict[str, Any]:
    pattern = {"bytes": 4 << 30, "free": 6 << 30, "changed": 0, "right": True}
    return {
        "devices": [
            {
                "device": device,
                "model": model,
                "rate": samples(0.8 * peak.memory if peak else 20.0),
                "pattern": dict(pattern),
            }
            for device, model, peak in rows
        ]
    }


def _transfers(rows: list[Any]) -> dict[str, Any]:
    return {
        "devices": [
            {
                "device": device,
                "model": model,
                "to_device": samples(12.0),
                "to_host": samples(12.5),
                "right": True,
            }
            for device, model, _ in rows
        ]
    }


def _pairs(rows: list[Any]) -> dict[str, Any]:
    return {
        "pairs": [
            {
                "from": here,
                "to": there,
                "models": [model, other],
                "direct": True,
                "rate": samples(11.0),
                "right": True,
            }
            for here, model, _ in rows
            for there, other, _ in rows
            if here != there
        ]
    }


def _reduced(rows: list[Any]) -> dict[str, Any]:
    ranks = len(rows)
    about = {"engine": "MirroredStrategy", "ranks": ranks, "wrong": 0}
    return {**about, "algorithm": samples(8.0), "bus": samples(8.0)}


def _repeats(rows: list[Any]) -> dict[str, Any]:
    return {
        "devices": [
            {"device": device, "model": model, "products": 400, "differing": 0, "right": True}
            for device, model, _ in rows
        ],
        "unlike": {},
    }


def _convolutions(rows: list[Any]) -> dict[str, Any]:
    return {
        "cudnn": "9.3.0",
        "tolerance": 1e-4,
        "devices": [
            {
                "device": device,
                "model": model,
                "errors": {"forward, against sums": 4e-7},
                "worst": 4e-7,
                "right": True,
            }
            for device, model, _ in rows
        ],
    }


_RESULTS: dict[str, Callable[[list[Any]], dict[str, Any]]] = {
    "matrix_product.py": _products,
    "device_memory.py": _memories,
    "host_transfer.py": _transfers,
    "peer_transfer.py": _pairs,
    "all_reduce.py": _reduced,
    "repeated_product.py": _repeats,
    "convolution.py": _convolutions,
}


def seen(program: str, machine: Machine | None, device: str) -> dict[str, Any]:
    """What a healthy rig's monitor prints; ``result`` stands for the program's last line."""
    return {
        "exit_code": 0,
        "timed_out": False,
        "stopped_by": "",
        "seconds": 10.0,
        "cpu_seconds": 18.0,
        "left": [],
        "stdout": "",
        "stderr": "",
        "nvml": {"error": "", "driver": "580.95.05"},
        "cpu": {
            "processors": 2,
            "series": {"utilisation": [0.9, 0.95], "stolen": [0.0, 0.0], "busiest": [1.0, 1.0]},
        },
        "gpus": [card(machine, n) for n in range(machine.count)] if machine else [],
        "result": result(program, machine, device),
    }


@dataclass(frozen=True, kw_only=True)
class Case:
    """A rig: which machine, what differs in what program's run, what it was when it was accepted.

    Attributes:
        machine: a name of ``made_rigs.MACHINES``; empty for a rig without a GPU.
        runs: program and device (``matrix_product.py gpu``) → what is different; ``*`` for every run on GPUs.
        before: factor of every figure in the last acceptance; None for no such acceptance.
        raw: program and device → what is printed instead, with its exit code.
    """

    machine: str = "gtx1060x2"
    runs: dict[str, Callable[[dict[str, Any]], None]] = field(default_factory=dict)
    before: float | None = None
    raw: dict[str, tuple[int, str]] = field(default_factory=dict)
    framework: str = "tensorflow"


def put(path: str, value: object, *, only: int | None = None) -> Callable[[dict[str, Any]], None]:
    """A change: ``gpus.*.series.temperature`` → the value, in every element of a list or in one."""

    def change(run: dict[str, Any]) -> None:
        *way, last = path.split(".")
        places: list[Any] = [run]
        for step in way:
            found: list[Any] = []
            for place in places:
                if step == "*":
                    found += [one for n, one in enumerate(place) if only in {None, n}]
                else:
                    found.append(place[step])
            places = found
        for place in places:
            old = place.get(last)
            many = isinstance(old, list) and not isinstance(value, list) and last != "left"
            place[last] = [value] * len(old) if many else copy.deepcopy(value)

    return change


def all_of(*changes: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    def change(run: dict[str, Any]) -> None:
        for one in changes:
            one(run)

    return change


def fail(what: str, code: int = 3) -> Callable[[dict[str, Any]], None]:
    """The program says why it could not measure."""
    return all_of(
        put("result", {"error": {"what": what, "hint": "Do this."}}), put("exit_code", code)
    )


PRODUCT, MEMORY, HOST = "matrix_product.py gpu", "device_memory.py gpu", "host_transfer.py gpu"
PEER, REDUCE, SAME = "peer_transfer.py gpu", "all_reduce.py gpu", "repeated_product.py gpu"
CUDNN = "convolution.py gpu"
CPU_PRODUCT, CPU_MEMORY = "matrix_product.py cpu", "device_memory.py cpu"
SOMEBODY = [{"pid": 99, "name": "train", "mine": False, "seen": ["before", "after"], "memory": 1}]
FLOAT32 = "result.devices.*.rates.float32"

CASES: dict[str, Case] = {
    **{name: Case(machine=name, before=1.0) for name in made_rigs.MACHINES},
    "cpu_rig": Case(machine="", before=1.0),
    "no_baseline": Case(),
    "faster_than_before": Case(before=0.7),
    "slower_than_before": Case(before=1.25),
    "cpu_slower": Case(machine="", before=1.25),
    "cpu_slower_disturbed": Case(
        machine="",
        before=1.25,
        runs={key: put("cpu.series.stolen", 0.3) for key in (CPU_PRODUCT, CPU_MEMORY)},
    ),
    "cpu_disturbed": Case(
        machine="", runs={key: put("cpu_seconds", 2.0) for key in (CPU_PRODUCT, CPU_MEMORY)}
    ),
    "cpu_wrong": Case(
        machine="",
        runs={
            CPU_PRODUCT: all_of(put(f"{FLOAT32}.right", value=False), put(f"{FLOAT32}.error", 0.9)),
            CPU_MEMORY: put("result.devices.*.pattern.changed", 3),
        },
    ),
    "other_framework": Case(before=1.25, framework="torch"),
    "one_slow": Case(
        runs={
            PRODUCT: put(
                FLOAT32,
                {**samples(3.0), "side": 8192, "error": 0, "tolerance": 1, "right": True},
                only=1,
            ),
            MEMORY: put("result.devices.*.rate", samples(90.0), only=1),
            HOST: put("result.devices.*.to_device", samples(3.0), only=1),
            PEER: put("result.pairs.*.rate", samples(3.0), only=1),
        }
    ),
    "half_lanes": Case(
        # Two cards share the processor's lanes, one of them by a narrower slot: no fault of the card.
        runs={
            HOST: all_of(
                put("gpus.*.pcie_width_port", 4, only=1),
                put("result.devices.*.to_device", samples(3.0), only=1),
                put("result.devices.*.to_host", samples(3.0), only=1),
            )
        }
    ),
    "wrong": Case(
        runs={
            PRODUCT: all_of(put(f"{FLOAT32}.right", value=False), put(f"{FLOAT32}.error", 0.9)),
            MEMORY: put("result.devices.*.pattern.changed", 7, only=1),
            HOST: put("result.devices.*.right", value=False, only=1),
            PEER: put("result.pairs.*.right", value=False, only=0),
            REDUCE: all_of(put("result.wrong", 12), put("result.right", value=False)),
            SAME: put("result.devices.*.differing", 2, only=0),
            CUDNN: all_of(
                put("result.devices.*.errors", {"gradient by kernels, against the CPU": 0.02}),
                put("result.devices.*.right", value=False),
            ),
        }
    ),
    "unlike": Case(
        runs={SAME: put("result.unlike", {"GTX 1060": {"aa": ["gpu:0"], "bb": ["gpu:1"]}})}
    ),
    "read_back": Case(runs={SAME: put("result.devices.*.right", value=False, only=1)}),
    "nan": Case(runs={CUDNN: put("result.devices.*.errors", {"forward, against sums": 1e300})}),
    "few_ranks": Case(runs={REDUCE: put("result.ranks", 1)}),
    "untested": Case(runs={MEMORY: put("result.devices.*.pattern.bytes", 0)}),
    "no_memory": Case(runs={MEMORY: fail("the memory could not be tested: 3 of 60 blocks")}),
    "weak_supply": Case(
        runs={PRODUCT: put("result.together", {"gpu:1": {"dtype": "float32", "rate": 2.5}})}
    ),
    "no_rates": Case(runs={PRODUCT: put("result.devices.*.rates", {})}),
    "busy": Case(runs={"*": put("gpus.*.programs", SOMEBODY, only=0)}),
    "busy_unseen": Case(
        runs={"*": all_of(put("gpus.*.programs", []), put("gpus.*.utilisation_before", 93, only=1))}
    ),
    "mps": Case(
        runs={
            "*": put(
                "gpus.*.programs",
                [
                    {
                        "pid": 9,
                        "name": "nvidia-cuda-mps-server",
                        "mine": False,
                        "seen": ["before", "after"],
                    }
                ],
            )
        }
    ),
    "split": Case(runs={"*": put("gpus.*.mig", value=True, only=0)}),
    "hung": Case(
        runs={"*": all_of(put("timed_out", value=True), put("result", {}), put("exit_code", None))}
    ),
    "gave_up": Case(runs={"*": fail("not done within its time limit of 300 s")}),
    "lost": Case(
        runs={
            "*": all_of(
                put("gpus.*.trouble", "nvmlDeviceGetTemperature: GPU is lost", only=1),
                put("result", {}),
            )
        }
    ),
    "mute": Case(runs={"*": put("gpus.*.answers", value=False, only=0)}),
    "crashed": Case(
        runs={
            "*": all_of(
                put("result", {}), put("exit_code", 139), put("stderr", "Segmentation fault")
            )
        }
    ),
    "no_framework": Case(runs={"*": fail("import tensorflow: ImportError: libcudart.so.12")}),
    "babbles": Case(raw={"*": (0, "no JSON at all")}),
    "no_python": Case(raw={"*": (127, "")}),
    "strange": Case(runs={"*": put("result", {"devices": "all of them", "right": True})}),
    "beside": Case(
        raw={"*": (3, '{"error": {"what": "another measurement of dlrig ran", "hint": "Later."}}')}
    ),
    "narrow": Case(runs={PRODUCT: put("gpus.*.series.pcie_width", 4, only=1)}),
    "old_link": Case(runs={PRODUCT: put("gpus.*.series.pcie_generation", 1, only=0)}),
    "old_slot": Case(
        runs={
            PRODUCT: all_of(
                put("gpus.*.pcie_generation_port", 2), put("gpus.*.series.pcie_generation", 2)
            )
        }
    ),
    "never_fast": Case(runs={PRODUCT: put("gpus.*.series.pstate", 8)}),
    "idle": Case(runs={PRODUCT: put("gpus.*.series.utilisation_gpu", 3, only=1)}),
    "no_nvml": Case(
        runs={
            PRODUCT: all_of(put("nvml.error", "libnvidia-ml.so.1: no such file"), put("gpus", []))
        }
    ),
    "braked": Case(runs={PRODUCT: put("gpus.*.series.reasons", 0x80 | 0x8, only=1)}),
    "slowed_by_heat": Case(runs={PRODUCT: put("gpus.*.series.reasons", 0x40)}),
    "slowed_by_driver": Case(runs={PRODUCT: put("gpus.*.series.reasons", 0x20)}),
    "no_reasons": Case(runs={PRODUCT: put("gpus.*.series.reasons", None)}),
    "hot": Case(runs={PRODUCT: put("gpus.*.series.temperature", 92, only=0)}),
    "warm": Case(runs={PRODUCT: put("gpus.*.series.temperature", 84, only=0)}),
    "margin": Case(
        runs={PRODUCT: all_of(put("gpus.*.slowdown", None), put("gpus.*.series.margin", 5))}
    ),
    "no_heat": Case(runs={PRODUCT: put("gpus.*.slowdown", None)}),
    "changed": Case(
        runs={
            PRODUCT: put(
                "gpus.*.after", {"persistence": 0, "compute_mode": 0, "power_limit": 100.0}, only=1
            )
        }
    ),
    "left_behind": Case(runs={PRODUCT: put("left", ["python"])}),
}
"""Case → a rig; those of ``made_rigs.MACHINES`` and ``cpu_rig`` are well."""


class Made:
    """A connection that answers with what was made."""

    def __init__(self, name: str) -> None:
        self.case = CASES[name]

    def run(self, argv: list[str], *, stdin: bytes = b"", **_rest: Any) -> Completed:  # noqa: ANN401 - as it is called
        """What the launched monitor would print."""
        assert argv[1:] == ["-I", "-"], argv
        sent = json.loads(_sent(stdin.decode()))
        program, arguments = sent["program"], sent["arguments"]
        device = arguments[arguments.index("--device") + 1]
        key = f"{program} {device}"
        star = "*" if device == "gpu" else ""
        if key in self.case.raw or star in self.case.raw:
            code, text = self.case.raw.get(key) or self.case.raw[star]
            return Completed(exit_code=code, stdout=text.encode(), stderr=b"", seconds=1.0)
        machine = made_rigs.MACHINES.get(self.case.machine)
        run = seen(program, machine, device)
        if self.case.framework != "tensorflow":
            run["result"]["framework"] = self.case.framework
        change = self.case.runs.get(key) or self.case.runs.get(star)
        if change:
            change(run)
        run["stdout"] = "a library says hello\n" + json.dumps(run.pop("result")) + "\n"
        return Completed(
            exit_code=run["exit_code"] or 0,
            stdout=json.dumps(run).encode(),
            stderr=b"",
            seconds=1.0,
        )

    def close(self) -> None:
        """Nothing to hang up."""


def _sent(text: str) -> str:
    found = re.search(r"^import json as _json; SENT = _json\.loads\((.*)\)$", text, re.MULTILINE)
    assert found, "the program has its files"
    quoted: str = eval(found[1], {"__builtins__": {}})
    return quoted


def transcript(name: str) -> Transcript:
    case = CASES[name]
    base = rig_cases.transcript("healthy")
    if case.machine:
        base = made_rigs.transcript(
            case.machine, environments=rig_cases.made_environment("tensorflow_gpu")
        )
    return msgspec.structs.replace(base, target=name)


def plan(name: str) -> Plan:
    """One environment, for the GPUs where there are any."""
    kind = "gpu" if CASES[name].machine else "cpu"
    environment = EnvironmentPlan(
        name="tensorflow_gpu" if kind == "gpu" else "tensorflow",
        maker="venv",
        python="3.11",
        pins=(),
        framework="tensorflow",
        version="2.21.0",
        device=kind,
        path="/opt/dlrig/envs/x",
    )
    return Plan(
        target=name,
        profile=Profile.GPU if kind == "gpu" else Profile.CPU,
        reasons=(),
        environments={environment.name: environment},
        actions=(),
        cuda=CudaPlan(),
    )


def baseline(name: str) -> Acceptance | None:
    """What the rig was: its figures now, times a factor."""
    factor = CASES[name].before
    path = os.environ.get("DLRIG_MADE_FIGURES")
    if factor is None or not path:
        return None
    kept = json.loads(Path(path).read_text(encoding="utf-8"))
    figures = kept.get("cpu_rig" if not CASES[name].machine else CASES[name].machine, {})
    results = tuple(
        Result(
            check=check,
            rig=name,
            status=Status.PASS,
            question="",
            message="",
            figures=tuple(
                Figure(
                    name=row["name"],
                    unit=row["unit"],
                    samples=tuple(factor * value for value in row["samples"]),
                    note=row["note"],
                )
                for row in rows
            ),
        )
        for check, rows in figures.items()
    )
    known = parse(transcript(name))
    return Acceptance(
        id="",
        rig=name,
        machine=known.system.machine,
        started="2026-11-01T00:00:00+00:00",
        seconds=1.0,
        verdict=Verdict.ACCEPTED,
        results=results,
        state="",
        facts={},
        plan={},
        version="",
    )


def pytest_configure() -> None:
    """Put what was made in the place of connections, plans and baselines."""
    from checks import rigs  # noqa: PLC0415 - the copy that is under test

    rigs.Rig._ask = lambda self: transcript(self.name)
    rigs._plan = lambda rig: plan(rig.name)
    rigs.connect = lambda target, _settings: Made(target.name)
    rigs.baseline_of = lambda name, *_rest, **_options: baseline(name)
