"""The CIFAR-10 workload's command line, and how it fails."""

from __future__ import annotations

import ast
import importlib.util
import io
import json
import sys
from pathlib import Path

import pytest

# By path, as it is no part of a package: it is sent to rigs on standard input.
SOURCE = Path(__file__).parents[2] / "checks" / "workloads" / "cifar10_tensorflow.py"
_spec = importlib.util.spec_from_file_location("cifar10_tensorflow", SOURCE)
assert _spec is not None
assert _spec.loader is not None
workload = sys.modules.setdefault("cifar10_tensorflow", importlib.util.module_from_spec(_spec))
if not hasattr(workload, "main"):
    _spec.loader.exec_module(workload)


def test_defaults_are_those_of_the_tutorial() -> None:
    options = workload.parse_options([])

    assert (options.batch, options.window, options.mode) == (128, 10, "reference")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--steps", "19"], "--steps must be 2 windows"),
        (["--steps", "many"], "invalid int value: 'many'"),
        (["--batch", "0"], "--batch must be at least 1"),
        (["--window", "0"], "--window must be at least 1"),
        (["--time-limit", "0"], "--time-limit must be above 0"),
        (["--seed", "-1"], "--seed must lie between"),
        (["--mirror", "file:///etc/passwd"], "--mirror must be an http(s) URL"),
        (["--dtype", "bfloat16"], "--dtype needs --mode limit"),
        (["--device", "tpu"], "invalid choice: 'tpu'"),
        (["--step", "100"], "unrecognized arguments: --step"),
    ],
)
def test_wrong_usage_is_one_object_and_exit_2(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert workload.main([*arguments, "--json"]) == 2

    last = capsys.readouterr().out.splitlines()[-1]
    assert says in json.loads(last)["error"]["what"]
    assert json.loads(last)["error"]["hint"]


def test_without_json_an_error_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert workload.main(["--data", "/nonexistent/images"]) == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    assert "/nonexistent/images cannot be read as CIFAR-10" in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    ("raised", "says"),
    [
        (RuntimeError("CUDA out of memory\nmany more lines"), "RuntimeError: CUDA out of memory"),
        (KeyboardInterrupt(), "Interrupted"),
    ],
)
def test_an_unforeseen_failure_is_could_not_measure(
    raised: BaseException,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_options: object) -> None:
        raise raised

    monkeypatch.setattr(workload, "measure", fail)

    assert workload.main(["--json"]) == 3
    what = json.loads(capsys.readouterr().out)["error"]["what"]
    assert says in what
    assert "many more lines" not in what


def test_it_is_python_3_9_and_needs_numpy_and_tensorflow_only() -> None:
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 9))

    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name) or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    roots = {name.split(".")[0] for name in imported}
    assert roots - sys.stdlib_module_names == {"numpy"}
    assert "__file__" not in SOURCE.read_text(encoding="utf-8")


def test_the_summary_says_what_the_images_are() -> None:
    result = {
        "examples_per_sec": 10.0,
        "windows": [1.0, 9.0, 11.0],
        "data": "synthetic",
        "data_note": "asked for",
        "devices": 1,
        "device_name": "some CPU",
        "mode": "reference",
        "dtype": "float32",
        "fraction_of_matmul": 0.5,
        "matmul_gflops_before": 1.0,
        "matmul_gflops_after": 2.0,
        "steps": 30,
        "stopped_by": "steps",
        "accuracy": 0.25,
    }

    text = workload.summary(result)

    assert "10.0 examples/sec, windows 9.0 to 11.0" in text
    assert "data: synthetic" in text
    assert "accuracy on synthetic test images: 25.00%" in text


def test_help_names_every_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", shown := io.StringIO())

    with pytest.raises(SystemExit, match="0"):
        workload.parse_options(["--help"])

    for field in workload.Options.__dataclass_fields__:
        assert f"--{field.replace('_', '-')}" in shown.getvalue()
