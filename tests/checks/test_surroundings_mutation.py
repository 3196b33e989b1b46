"""Each reading of what surrounds the GPUs, flipped to a bad value, is caught by exactly the checks that should."""

from __future__ import annotations

from typing import TYPE_CHECKING

import made_rigs
import made_system as made
import msgspec
import pytest
import rig_cases
import test_surroundings as cases

from provision.facts.reading import to_json
from provision.plan import CudaPlan

if TYPE_CHECKING:
    from acceptance_suite import Ran, Suite

    from provision.facts.reading import Outcome

PASS, WARN, FAIL, SKIP, ERROR = "pass", "warn", "fail", "skip", "error"
said = rig_cases.said

LOG_READERS = (
    *("driver/xid", "driver/driver_complaints", "hardware/bus_errors", "hardware/machine_errors"),
)
TOOLKIT = {"cuda_toolkits": said(cases.TOOLKIT + cases.GCC)}
SWAP = {"meminfo": made.meminfo(cases.ONE, swap=(8_388_608, 8_000_000))}
ALONE = {"virtualization": said("none\n")}
PACKAGES = "libcuda1 nvidia-smi linux-modules-nvidia-580-generic"


def all_held(**more: str) -> dict[str, Outcome]:
    return cases.loose(**{"held": PACKAGES, **more})


BEFORE: dict[str, tuple[str, dict[str, Outcome]]] = {
    "two": ("gtx1060x2", {**TOOLKIT}),
    "one": ("rtx3090", {**TOOLKIT, **SWAP, **ALONE, **all_held()}),
    "eight": ("h100x8", {}),
}
"""Healthy rigs to which every subject applies."""

Mutation = tuple[str, dict[str, "Outcome"], dict[str, str]]
"""Which rig, what is flipped, and the checks that end otherwise than before: all of them."""

MUTATIONS: dict[str, Mutation] = {
    "nothing": ("two", {}, {}),
    # kernel_log
    "an Xid of the card": ("two", cases.log(cases.xid(79)), {"driver/xid": FAIL}),
    "an Xid of a program": ("two", cases.log(cases.xid(31)), {"driver/xid": WARN}),
    "a complaint": ("two", cases.log(cases.ADAPTER), {"driver/driver_complaints": FAIL}),
    "a bus error": (
        "two",
        cases.log(cases.aer("Uncorrected (Fatal)", "0000:01:00.0")),
        {"hardware/bus_errors": WARN},
    ),
    "a machine check": ("two", cases.log(cases.UNCORRECTED), {"hardware/machine_errors": WARN}),
    "an SXid": (
        "eight",
        {"kernel_log": made.kernel_log(cases.EIGHT, cases.SXID)},
        {"driver/sxid": WARN},
    ),
    "a log that may not be read": (
        "two",
        {"kernel_log": cases.DENIED},
        dict.fromkeys(LOG_READERS, ERROR),
    ),
    "a log that hangs": (
        "two",
        {"kernel_log": cases.HUNG},
        dict.fromkeys((*LOG_READERS, "hardware/readings_answered"), ERROR),
    ),
    # device_nodes
    "a node that is missing": (
        *("two", cases.nodes(without="/dev/nvidia1"), {"driver/device_nodes": FAIL}),
    ),
    "a node that is a file": ("two", cases.nodes(kind="81b6"), {"driver/device_nodes": FAIL}),
    "a node that is closed": (
        *("two", cases.nodes(mode="600", may="no"), {"driver/device_access": FAIL}),
    ),
    "nodes of one card more": (
        "one",
        {"device_nodes": made.device_nodes(cases.TWO)},
        {"driver/device_nodes": WARN},
    ),
    # driver_libraries
    "a library that does not load": (
        "one",
        cases.libraries(error="libcuda.so.1: cannot open shared object file"),
        {"driver/libraries_load": FAIL, "driver/libraries_version": SKIP},
    ),
    "a stub": (
        "one",
        cases.libraries(cuda="/usr/local/cuda/lib64/stubs/libcuda.so"),
        {"driver/libraries_load": FAIL, "driver/libraries_version": SKIP},
    ),
    "another library": (
        "one",
        cases.libraries(cuda="/opt/libcuda.so.535.261.03"),
        {"driver/libraries_version": FAIL},
    ),
    # kernel_modules, nouveau_initramfs
    "a newer kernel without module": (
        "one",
        cases.kernels(f"kernel {cases.LATER} yes "),
        {"driver/kernels_have_module": WARN},
    ),
    "an older kernel without module": ("one", cases.kernels(f"kernel {cases.OLDER} yes "), {}),
    "no modinfo": ("one", cases.kernels("modinfo no"), {"driver/kernels_have_module": ERROR}),
    "nouveau loaded": ("one", cases.kernels(loaded="nouveau"), {"driver/nouveau": FAIL}),
    "nouveau allowed": ("one", cases.kernels(denied=""), {"driver/nouveau": FAIL}),
    "nouveau in the initramfs": (
        "one",
        {"nouveau_initramfs": said(f"image {made.KERNEL} nouveau\n")},
        {"driver/nouveau": WARN},
    ),
    # services, automatic_upgrades
    "a daemon that failed": (
        "one",
        cases.daemon(active="failed"),
        {"driver/persistence_daemon": WARN},
    ),
    "a daemon that does not come back": (
        "one",
        all_held(persistence="disabled"),
        {"driver/persistence_daemon": WARN},
    ),
    "no fabric manager": (
        "eight",
        cases.services(fabric=made.no_unit(cases.FABRIC)),
        {"driver/fabric_manager": FAIL},
    ),
    "a fabric manager of another version": (
        "eight",
        {"dpkg": made.packages("580.65.06")},
        {"driver/fabric_manager": FAIL},
    ),
    "a fabric manager in vain": (
        "one",
        cases.services(fabric=made.unit(cases.FABRIC, active="failed")),
        {"driver/fabric_manager": WARN},
    ),
    "a package that is not held": (
        "one",
        cases.loose(held="libcuda1 nvidia-smi"),
        {"driver/driver_held": WARN, "driver/automatic_upgrades": WARN},
    ),
    "a package that only the blacklist spares": (
        *("one", all_held(held="libcuda1 linux-modules-nvidia-580-generic")),
        {"driver/driver_held": WARN},
    ),
    "no blacklist, and all held": (
        "one",
        {"automatic_upgrades": said('APT::Periodic::Unattended-Upgrade "1";\n')},
        {},
    ),
    # cuda_toolkits
    "a toolkit of another version": (
        "one",
        cases.toolkits(cases.TOOLKIT.replace("12.9.86", "12.4.131") + cases.GCC),
        {"driver/toolkits_present": FAIL, "driver/toolkit_compiler": SKIP},
    ),
    "a link to nowhere": (
        "one",
        cases.toolkits(cases.TOOLKIT.replace("default=yes", "default=no") + cases.GCC),
        {"driver/toolkit_default": WARN},
    ),
    "a compiler that is too new": (
        "one",
        cases.toolkits(f"{cases.TOOLKIT}gcc=15\ngxx=15\ncompiler 15\n"),
        {"driver/toolkit_compiler": WARN},
    ),
    # login_environment, login_limits
    "a variable": (
        "one",
        cases.environment("set /etc/environment:1 CUDA_INJECTION64_PATH\n"),
        {"driver/login_environment": WARN},
    ),
    "memlock": ("one", cases.limits(memlock="8388608"), {"hardware/limit_memlock": WARN}),
    "nofile": ("one", cases.limits(nofile="1024"), {"hardware/limit_files": WARN}),
    # clock, meminfo
    "a clock that nobody keeps": (
        *("one", cases.clock(state=5, status=64, services=""), {"hardware/clock": WARN}),
    ),
    "a clock that is wrong": (
        *("one", cases.clock(now=made.TAKEN + 7200), {"hardware/clock": WARN}),
    ),
    "little memory": (
        "one",
        {"meminfo": made.meminfo(cases.ONE, times=1.0, swap=(8_388_608, 8_000_000))},
        {"hardware/memory_for_gpus": WARN},
    ),
    "swap in use": (
        "one",
        {"meminfo": made.meminfo(cases.ONE, swap=(8_388_608, 1_000))},
        {"hardware/swap": WARN},
    ),
}


def record(suite: Suite, name: str, machine: str, changes: dict[str, Outcome]) -> list[str]:
    transcript = msgspec.structs.replace(made_rigs.transcript(machine, **changes), target=name)
    wanted = () if machine == "h100x8" else ("12.9",)
    plan = msgspec.structs.replace(
        rig_cases.plan("made_rig"), target=name, cuda=CudaPlan(toolkits=wanted)
    )
    options = []
    for kind, content in {
        "transcript": to_json(transcript),
        "plan": msgspec.json.encode(plan),
    }.items():
        path = suite.folder / f"{name.replace(' ', '_')}.{kind}.json"
        path.write_bytes(content)
        options += [f"--{kind}", str(path)]
    return options


@pytest.fixture(scope="module")
def ran(suite: Suite) -> Ran:
    """Every mutation and every rig before it, under all checks."""
    rigs = {f"before {name}": row for name, row in BEFORE.items()}
    for name, (before, changes, _) in MUTATIONS.items():
        machine, healthy = BEFORE[before]
        rigs[name] = machine, {**healthy, **changes}
    return suite.run(*[each for name, row in rigs.items() for each in record(suite, name, *row)])


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_caught_by_exactly_the_checks_that_should(ran: Ran, name: str) -> None:
    before, _, expected = MUTATIONS[name]
    was, now = ran.results(f"before {before}"), ran.results(name)
    assert set(was) == set(now)
    changed = {
        check: str(now[check].status) for check in now if now[check].status != was[check].status
    }
    assert changed == expected


def test_what_is_flipped_was_well_before(ran: Ran) -> None:
    """Else a mutation could be caught by a check that always says so."""
    for before in BEFORE:
        results = ran.results(f"before {before}")
        bad = {c: r.message for c, r in results.items() if r.status not in {PASS, SKIP}}
        assert {check: bad[check] for check in bad if check in cases.OURS} == {}


def test_every_check_of_ours_is_flipped() -> None:
    assert {check for _, _, expected in MUTATIONS.values() for check in expected} >= set(cases.OURS)
