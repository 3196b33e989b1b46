"""The monitor: a real program on a real CPU, cards that a library made here answers for, and what they do wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cpu_environments import WORKLOADS, compile_library

pytestmark = pytest.mark.box
MARK = "dlrig-monitor-test"


def start(
    *command: str,
    libraries: Path | None = None,
    fake: str = "",
    limit: float = 10.0,
    options: tuple[str, ...] = (),
) -> subprocess.Popen[str]:
    environment = {**os.environ, "FAKE_NVML": fake, "LD_LIBRARY_PATH": str(libraries or "")}
    return subprocess.Popen(
        [sys.executable, WORKLOADS / "monitor.py", "--limit", str(limit), *options, "--", *command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def watch(
    *command: str, libraries: Path | None = None, fake: str = "", limit: float = 10.0
) -> tuple[int, dict[str, Any]]:
    with start(*command, libraries=libraries, fake=fake, limit=limit) as process:
        out, err = process.communicate(timeout=90)
    assert out, err
    return process.returncode, json.loads(out)


def running(mark: str) -> list[str]:
    """Processes whose command line holds a text."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and int(folder.name) != os.getpid():
            try:
                line = (folder / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if mark in line and "monitor.py" not in line:
                found.append(line)
    return found


def sleeper(seconds: int, mark: str) -> str:
    return f"exec -a {mark} sleep {seconds}"


def test_without_nvidias_library_the_processor_is_watched() -> None:
    code, seen = watch(sys.executable, "-c", "sum(range(30_000_000)); print('done')")
    assert (code, seen["exit_code"], seen["stdout"]) == (0, 0, "done\n")
    assert "libnvidia-ml.so.1" in seen["nvml"]["error"]
    assert seen["gpus"] == []
    series = seen["cpu"]["series"]
    assert seen["cpu"]["processors"] == os.cpu_count()
    assert max(series["busiest"]) > 0.3
    assert all(0 <= share <= 1 for share in (*series["utilisation"], *series["stolen"]))
    assert len(series["t"]) >= 3
    assert series["t"] == sorted(series["t"])
    assert seen["cpu_seconds"] > 0.1


def test_cards_are_sampled(nvidia_libraries: Path) -> None:
    code, seen = watch("sleep", "2", libraries=nvidia_libraries)
    assert code == 0
    assert seen["nvml"] == {"error": "", "driver": "580.95.05"}
    first, second = seen["gpus"]
    assert (first["name"], second["address"]) == ("NVIDIA GeForce GTX 1060 6GB", "0000:02:00.0")
    assert (first["slowdown"], first["pcie_width_max"], first["memory"]) == (99, 16, 6 << 30)
    series = second["series"]
    # Every 0.1 s, and each sample takes some 40 ms for the PCI Express counters; a busy machine takes longer.
    assert 8 <= len(series["t"]) <= 21
    assert {len(values) for values in series.values()} == {len(series["t"])}
    assert set(series["clock_sm"]) == {1701}
    assert set(series["power"]) == {101.5}
    assert (set(series["pcie_tx"]), set(series["pcie_rx"])) == ({1000}, {2000})
    assert (set(series["reasons"]), set(series["pstate"])) == ({4}, {2})
    assert series["utilisation_gpu"][-1] == 97
    assert set(series["margin"]) == {38}
    assert first["before"] == first["after"]
    assert (first["trouble"], first["answers"], first["programs"]) == ("", True, [])


def test_an_older_driver_has_fewer_functions(tmp_path: Path) -> None:
    compile_library("fake_nvml.c", tmp_path / "libnvidia-ml.so.1", "-DOLD")
    _, seen = watch("sleep", "0.5", libraries=tmp_path, fake="pid=1")
    card = seen["gpus"][0]
    assert set(card["series"]["reasons"]) == {4}
    assert set(card["series"]["margin"]) == {None}
    assert card["programs"][0]["pid"] == 1
    assert card["trouble"] == ""


def test_programs_of_others_are_told_from_its_own(nvidia_libraries: Path) -> None:
    _, foreign = watch("sleep", "0.5", libraries=nvidia_libraries, fake="pid=1")
    (program,) = foreign["gpus"][0]["programs"]
    assert (program["pid"], program["mine"]) == (1, False)
    assert program["seen"] == ["before", "during", "after"]
    assert foreign["gpus"][1]["programs"] == []


def test_a_program_is_its_own_if_it_descends_from_it() -> None:
    lines = (
        f"import sys; sys.path.insert(0, {str(WORKLOADS)!r})",
        "import nvml, os, subprocess",
        "with subprocess.Popen(['sh', '-c', 'sleep 60 & echo $!; wait'], stdout=-1, text=True) as child:",
        "    grandchild = int(child.stdout.readline())",
        "    print(nvml.descends(child.pid), nvml.descends(grandchild), nvml.program_name(os.getpid()) != '')",
        "    os.kill(grandchild, 9)",
        "print(nvml.descends(1), nvml.descends(os.getppid()), nvml.descends(2**22 + 1))",
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines() == ["True True True", "False False False"]


def test_more_programs_than_a_buffer_holds(nvidia_libraries: Path) -> None:
    _, seen = watch("true", libraries=nvidia_libraries, fake="many")
    assert len(seen["gpus"][0]["programs"]) == 100


def test_programs_that_may_not_be_seen_are_not_none(nvidia_libraries: Path) -> None:
    _, seen = watch("true", libraries=nvidia_libraries, fake="denied")
    assert seen["gpus"][0]["programs"] is None


def test_use_before_the_start_is_told(nvidia_libraries: Path) -> None:
    _, seen = watch("true", libraries=nvidia_libraries, fake="busy mig")
    assert seen["gpus"][0]["utilisation_before"] == 97
    assert seen["gpus"][0]["mig"]


def test_a_card_that_is_lost_is_named_and_the_other_goes_on(nvidia_libraries: Path) -> None:
    code, seen = watch("sleep", "2", libraries=nvidia_libraries, fake="lost=1")
    well, lost = seen["gpus"]
    assert code == 0
    assert "GPU is lost" in lost["trouble"]
    assert lost["series"]["temperature"][-1] is None
    assert (well["trouble"], well["series"]["temperature"][-1]) == ("", 61)


def test_a_card_that_hangs_does_not_hang_the_monitor(nvidia_libraries: Path) -> None:
    begun = time.monotonic()
    code, seen = watch("sleep", "2", libraries=nvidia_libraries, fake="hang=1")
    well, stuck = seen["gpus"]
    assert code == 0
    assert (well["answers"], stuck["answers"]) == (True, False)
    assert len(well["series"]["t"]) > len(stuck["series"]["t"])
    assert time.monotonic() - begun < 30


def test_a_library_that_hangs_leaves_the_processors_series(nvidia_libraries: Path) -> None:
    _, seen = watch("sleep", "0.5", libraries=nvidia_libraries, fake="hang_init")
    assert seen["nvml"]["error"].startswith("no answer within")
    assert seen["cpu"]["series"]["t"]


def test_the_limit_ends_everything_that_was_started() -> None:
    mark = f"{MARK}-{os.getpid()}-limit"
    script = (
        f"({sleeper(300, mark)}) & setsid bash -c '{sleeper(301, mark)}' & trap '' TERM; sleep 302"
    )
    code, seen = watch("bash", "-c", script, limit=1.0)
    assert (code, seen["timed_out"], seen["exit_code"]) == (124, True, None)
    assert 0.9 < seen["seconds"] < 3
    assert running(mark) == []


def test_what_outlives_the_command_is_ended_and_named() -> None:
    mark = f"{MARK}-{os.getpid()}-left"
    code, seen = watch("bash", "-c", f"setsid bash -c '{sleeper(300, mark)}' & exit 3")
    assert (code, seen["exit_code"], seen["timed_out"]) == (3, 3, False)
    assert seen["left"]
    assert running(mark) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_command_and_still_reports(number: signal.Signals) -> None:
    mark = f"{MARK}-{os.getpid()}-{number.name}"
    with start("bash", "-c", sleeper(300, mark), limit=60) as process:
        wait_for(mark)
        process.send_signal(number)
        out, _ = process.communicate(timeout=30)
    seen = json.loads(out)
    assert (process.returncode, seen["stopped_by"]) == (128 + number, number.name)
    assert running(mark) == []


def test_a_killed_monitor_takes_the_command_with_it() -> None:
    mark = f"{MARK}-{os.getpid()}-killed"
    with start("bash", "-c", sleeper(300, mark), limit=60) as process:
        wait_for(mark)
        process.kill()
    for _ in range(100):
        if not running(mark):
            break
        time.sleep(0.05)
    assert running(mark) == []


def wait_for(mark: str) -> None:
    for _ in range(400):
        if running(mark):
            return
        time.sleep(0.05)
    pytest.fail("the command did not start")


def test_a_file_takes_the_series_and_the_command_keeps_its_output(tmp_path: Path) -> None:
    file = tmp_path / "series.json"
    with start("echo", "hello", options=("--output", str(file))) as process:
        out, _ = process.communicate(timeout=60)
    assert out == "hello\n"
    assert json.loads(file.read_text(encoding="utf-8"))["exit_code"] == 0


def test_long_output_is_cut_at_its_beginning() -> None:
    _, seen = watch(sys.executable, "-c", "print('x' * 5_000_000); print('the end')")
    assert seen["stdout"].endswith("x\nthe end\n")
    assert len(seen["stdout"]) == 1 << 20


def test_a_command_that_is_not_there() -> None:
    with start("no-such-command") as process:
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (127, "no-such-command: not found\n")


def test_the_monitor_runs_where_its_folder_was_copied(tmp_path: Path) -> None:
    for name in ("monitor.py", "nvml.py"):
        shutil.copy(WORKLOADS / name, tmp_path / name)
    done = subprocess.run(
        [sys.executable, tmp_path / "monitor.py", "--", "true"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd="/",
        check=True,
    )
    assert json.loads(done.stdout)["exit_code"] == 0
