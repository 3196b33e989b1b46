"""The programs that load a rig, run for real on this machine's CPU; and with a fault put into the framework."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from cpu_environments import WORKLOADS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.box
FRAMEWORKS = ("tensorflow", "jax")


@pytest.fixture(params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def python(framework: str, request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(f"{framework}_python")
    return found


def run(python: Path | str, program: str, *options: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [python, WORKLOADS / program, "--json", *options],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def test_matrix_product(framework: str, python: Path) -> None:
    code, result = run(python, "matrix_product.py", "--device", "cpu", "--seconds", "1")
    (row,) = result["devices"]
    assert (code, result["framework"], result["right"]) == (0, framework, True)
    assert set(row["rates"]) == {"float32", "bfloat16"}
    assert set(row["lacking"]) == {"tf32", "float16"}
    assert all(0 < rate["error"] < rate["tolerance"] for rate in row["rates"].values())
    assert 0.001 < row["rates"]["float32"]["median"] < 100
    assert len(row["rates"]["float32"]["samples"]) >= 3


def test_one_form_of_number(tensorflow_python: Path) -> None:
    options = ("--device", "cpu", "--seconds", "0.1", "--dtype", "float32")
    _, result = run(tensorflow_python, "matrix_product.py", *options)
    assert set(result["devices"][0]["rates"]) == {"float32"}


def test_device_memory(framework: str, python: Path) -> None:
    options = ("--device", "cpu", "--seconds", "0.5", "--most", "0.8")
    code, result = run(python, "device_memory.py", "--framework", framework, *options)
    (row,) = result["devices"]
    assert (code, row["pattern"]["changed"], row["pattern"]["right"]) == (0, 0, True)
    assert 300e6 < row["pattern"]["bytes"] <= 0.8e9
    assert row["rate"]["median"] > 0.1


def test_repeated_product(python: Path) -> None:
    code, result = run(python, "repeated_product.py", "--device", "cpu", "--seconds", "0.5")
    (row,) = result["devices"]
    assert (code, row["differing"], row["right"], result["unlike"]) == (0, 0, True, {})
    assert row["products"] > 16
    assert len(row["digest"]) == 64


def test_convolution(python: Path) -> None:
    code, result = run(python, "convolution.py", "--device", "cpu")
    (row,) = result["devices"]
    assert (code, row["right"], len(row["errors"])) == (0, True, 3)
    assert 0 < row["worst"] < 1e-5


def test_all_reduce(python: Path) -> None:
    code, result = run(python, "all_reduce.py", "--device", "cpu", "--seconds", "0.5")
    assert (code, result["ranks"], result["wrong"], result["right"]) == (0, 2, 0, True)
    # 2(n-1)/n is one for two ranks.
    assert result["bus"]["median"] == pytest.approx(result["algorithm"]["median"])


def test_three_ranks(jax_python: Path) -> None:
    options = ("--device", "cpu", "--seconds", "0.2", "--ranks", "3")
    _, result = run(jax_python, "all_reduce.py", *options)
    assert result["right"]
    assert result["bus"]["median"] == pytest.approx(4 / 3 * result["algorithm"]["median"], rel=1e-3)


@pytest.mark.parametrize(
    ("options", "code", "what"),
    [
        (("--device", "gpu"), 3, "gpu: no GPU is seen"),
        (("--device", "gpu:x"), 2, "'gpu:x' is none of cpu, gpu, gpu:N"),
        (("--device", "cpu", "--seconds", "-1"), 2, "'-1' is not a number above 0"),
        (("--device", "cpu", "--framework", "torch"), 3, "torch is not installed here"),
        (("--device", "cpu", "--time-limit", "0.5"), 3, "not done within its time limit of 0.5 s"),
        (("--nonsense",), 2, "unrecognized arguments"),
    ],
)
def test_what_cannot_be_measured_is_said(
    options: tuple[str, ...], code: int, what: str, tensorflow_python: Path
) -> None:
    ended, result = run(tensorflow_python, "matrix_product.py", *options)
    assert ended == code
    assert what in result["error"]["what"]


def test_without_a_framework() -> None:
    code, result = run(sys.executable, "matrix_product.py", "--device", "cpu")
    assert (code, result["error"]["what"]) == (3, "no framework is installed here")


def test_a_folder_that_was_copied_runs_alone(tmp_path: Path, jax_python: Path) -> None:
    for name in ("program.py", "devices.py", "nvml.py", "repeated_product.py"):
        shutil.copy(WORKLOADS / name, tmp_path / name)
    done = subprocess.run(
        [jax_python, tmp_path / "repeated_product.py", "--device", "cpu", "--seconds", "0.1"],
        capture_output=True,
        text=True,
        timeout=120,
        cwd="/",
        check=True,
    )
    assert '"right": true' in done.stdout


FAULTS = {
    "matrix_product.py": (
        "right = devices.{kind}.matmul",
        "devices.{kind}.matmul = lambda self, a, b: right(self, a, b) * 0",
    ),
    "repeated_product.py": (
        "right, count = devices.{kind}.matmul, [0]",
        "def matmul(self, a, b):",
        "    count[0] += 1",
        "    return right(self, a, b) * (1.0000002 if count[0] == 9 else 1.0)",
        "devices.{kind}.matmul = matmul",
    ),
    "device_memory.py": (
        "right, count = devices.{kind}.xor, [0]",
        "def xor(self, array, key):",
        "    count[0] += 1",
        "    made = right(self, array, key)",
        "    return right(self, made, 1) if count[0] == 2 else made",
        "devices.{kind}.xor = xor",
    ),
    "convolution.py": (
        "right = devices.{kind}.convolve",
        "def convolve(self, *arrays):",
        "    out, by_images, by_kernels = right(self, *arrays)",
        "    return out, by_images, by_kernels * 1.001",
        "devices.{kind}.convolve = convolve",
    ),
}
"""Program → what is done to the framework before it runs: results that are wrong, some of them by very little."""


@pytest.mark.parametrize("program", FAULTS)
def test_a_device_that_computes_wrongly_is_found(program: str, jax_python: Path) -> None:
    name = program.removesuffix(".py")
    lines = [
        "import sys",
        f"sys.path.insert(0, {str(WORKLOADS)!r})",
        f"import devices, {name}",
        *(line.format(kind="Jax") for line in FAULTS[program]),
        f"sys.argv = [{program!r}, '--device', 'cpu', '--seconds', '0.3', '--json']",
        "sys.argv += ['--most', '0.6']" if program == "device_memory.py" else "",
        f"sys.exit({name}.main())",
    ]
    done = subprocess.run(
        [jax_python, "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    result = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, result["right"]) == (1, False), done.stderr
    assert "devices" in result


def test_memory_that_cannot_be_taken_is_not_tested(jax_python: Path) -> None:
    lines = [
        "import sys",
        f"sys.path.insert(0, {str(WORKLOADS)!r})",
        "import devices, device_memory",
        "right, count = devices.Jax.xor, [0]",
        "def xor(self, array, key):",
        "    count[0] += 1",
        "    if count[0] == 3: raise MemoryError('RESOURCE_EXHAUSTED')",
        "    return right(self, array, key)",
        "devices.Jax.xor = xor",
        "sys.argv = ['x', '--device', 'cpu', '--seconds', '0.1', '--most', '0.8', '--json']",
        "sys.exit(device_memory.main())",
    ]
    done = subprocess.run(
        [jax_python, "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    result = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 3
    assert "2 of 6 blocks of 64 MiB could be taken; MemoryError" in result["error"]["what"]


def test_nvcc_makes_a_program(tmp_path: Path) -> None:
    nvcc = shutil.which("nvcc") or shutil.which("/usr/local/cuda/bin/nvcc")
    if not nvcc:
        pytest.skip("this machine has no nvcc")
    made = tmp_path / "vector_add"
    subprocess.run([nvcc, "-o", made, WORKLOADS / "vector_add.cu"], check=True, timeout=180)
    done = subprocess.run([made], capture_output=True, text=True, timeout=60, check=False)
    result = json.loads(done.stdout)
    if done.returncode == 3:
        assert result["error"]["what"].startswith("no GPU can be used: ")
    else:
        assert (done.returncode, result["wrong"]) == (0, 0)


def test_the_environment_is_left_alone(tmp_path: Path, jax_python: Path) -> None:
    before = {**os.environ}
    subprocess.run(
        [jax_python, WORKLOADS / "convolution.py", "--device", "cpu"],
        env={**before, "TMPDIR": str(tmp_path)},
        capture_output=True,
        timeout=120,
        check=True,
        cwd=tmp_path,
    )
    assert not list(tmp_path.iterdir())
