"""Environments with a real Python and a fake framework, in a folder that stands in for /opt.

They show what the checks conclude from what an environment does; nothing here is a measurement.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pip
from rig_cases import plan

if TYPE_CHECKING:
    from provision.plan import Plan

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"

TENSORFLOW = '''
"""A fake of the few names that the probe uses."""
import contextlib, os, sys, types
__version__ = "2.21.0"
float32 = "float32"
_at = ["CPU:0"]
class _Tensor:
    def __init__(self, rows): self.rows, self.device = rows, _at[0]
    def numpy(self): return self
    def tolist(self): return self.rows
@contextlib.contextmanager
def device(name):
    _at[0] = name
    yield
def constant(rows, dtype): return _Tensor([[float(value) for value in row] for row in rows])
def _matmul(a, b):
    return _Tensor([[sum(x * y for x, y in zip(row, column)) for column in zip(*b.rows)] for row in a.rows])
_device = types.SimpleNamespace(name="/device:CPU:0", device_type="CPU")
config = types.SimpleNamespace(
    set_soft_device_placement=lambda wanted: None, list_logical_devices=lambda: [_device]
)
linalg = types.SimpleNamespace(matmul=_matmul)
'''

TORCH = '''
"""A fake of the few names that the probe uses."""
import types
__version__ = "2.7.1+cu126"
float32 = "float32"
class _Tensor:
    def __init__(self, rows, device): self.rows, self.device = rows, device
    def __matmul__(self, other):
        rows = [[sum(x * y for x, y in zip(row, column)) for column in zip(*other.rows)] for row in self.rows]
        return _Tensor(rows, self.device)
    def cpu(self): return self
    def tolist(self): return self.rows
def tensor(rows, dtype, device): return _Tensor(rows, device)
cuda = types.SimpleNamespace(device_count=lambda: 0)
'''

JAX = '''
"""A fake of the few names that the probe uses, and of the numpy that comes with it."""
import sys, types
__version__ = "0.10.2"
class _Device:
    platform = "cpu"
    def __str__(self): return "cpu:0"
class _Array:
    def __init__(self, rows, device=None): self.rows, self.device = rows, device
    def devices(self): return {self.device}
    def tolist(self): return self.rows
def device_put(array, device): return _Array(array.rows, device)
def _matmul(a, b):
    rows = [[sum(x * y for x, y in zip(row, column)) for column in zip(*b.rows)] for row in a.rows]
    return _Array(rows, a.device)
_devices = [_Device()]
local_devices = lambda backend=None: _devices
numpy = types.SimpleNamespace(matmul=_matmul)
sys.modules["numpy"] = types.SimpleNamespace(
    float32="float32", array=lambda rows, dtype: _Array(rows), asarray=lambda array: array
)
'''

FRAMEWORKS = {
    "tensorflow": (TENSORFLOW, "2.21.0"),
    "torch": (TORCH, "2.7.1"),
    "jax": (JAX, "0.10.2"),
}
"""Module → its fake, and the version that the plan promises."""

BREAKS = {
    "tensorflow": "",
    "other_version": '__version__ = "2.20.0"',
    "broken_import": 'raise ImportError("libstdc++.so.6: version GLIBCXX_3.4.32 not found")',
    "illegal": "os.kill(os.getpid(), 4)",
    "chatty": 'print("a library says hello")',
    "silent": "os._exit(0)",
    "wrong_result": "_matmul = lambda a, b: a\nlinalg.matmul = _matmul",
    "no_kernel": "def _fails(a, b): raise RuntimeError('no kernel image is available')\nlinalg.matmul = _fails",
    "elsewhere": "def _moved(a, b):\n    p = _matmul(a, b)\n    p.device = '/device:CPU:7'"
    "\n    return p\nlinalg.matmul = _moved",
    "no_devices": "config.list_logical_devices = lambda: []",
    "inconsistent": "",
    "no_pip": "",
    "loss_rises": "",
    "loss_is_nan": "",
    "loss_starts_wrong": "",
    "busy": "",
    "crashes": "",
    "babbles": "",
    "stands_still": "",
    "torch": "",
    "torch_wrong": "_Tensor.__matmul__ = lambda a, b: a",
    "torch_moved": "_right = _Tensor.__matmul__\n"
    "_Tensor.__matmul__ = lambda a, b: _Tensor(_right(a, b).rows, 'meta')",
    "torch_no_kernel": """
cuda.device_count = lambda: 1
def tensor(rows, dtype, device):
    if device != "cpu": raise RuntimeError("CUDA error: no kernel image is available")
    return _Tensor(rows, device)
""",
    "torch_broken": 'raise OSError("libcudart.so.12: cannot open shared object file")',
    "jax": "",
    "jax_wrong": "numpy.matmul = lambda a, b: a",
    "jax_moved": "numpy.matmul = lambda a, b: _Array(_matmul(a, b).rows, 'cuda:0')",
    "jax_no_devices": "_devices.clear()",
    "jax_broken": 'raise RuntimeError("jaxlib is older than jax")',
}
"""Environment → what is appended to its fake."""

WORKLOAD = '''
"""A fake workload: the environment's name says what it does."""
import json, pathlib, sys
name = pathlib.Path(sys.prefix).name
data = sys.argv[sys.argv.index("--data") + 1]
steps = int(sys.argv[sys.argv.index("--steps") + 1])
if name == "crashes":
    raise SystemExit("MemoryError")
if name == "babbles":
    print("no JSON at all"), sys.exit(0)
if name in {"busy", "loss_is_nan"}:
    kind = {"busy": "failed", "loss_is_nan": "not-a-number"}[name]
    what = {"busy": "The GPU has other work", "loss_is_nan": "The loss is nan at step 20"}[name]
    print(json.dumps({"error": {"what": what, "hint": "Wait.", "kind": kind}})), sys.exit(3)
end, start = (5.0 if name == "loss_rises" else 4.2), (2.3 if name == "loss_starts_wrong" else 4.68)
speed = 0.0 if name == "stands_still" else 320.0
print(f"2017-04-02 17:41:33.123456: step 0, loss = {start} (274.9 examples/sec; 0.466 sec/batch) [synthetic]")
print(json.dumps({
    "examples_per_sec": speed, "windows": [100.0, 316.0, speed, 324.0],
    "losses": {"0": start, "10": 4.6, str(steps): end},
    "steps": steps, "data": "synthetic", "data_note": data, "device_name": "fake", "devices": 1, "mode": "reference",
    "batch": 128, "version": "2.21.0", "dtype": "float32", "matmul_gflops_before": 200.0, "matmul_gflops_after": 190.0,
    "fraction_of_matmul": 0.17, "first_step_seconds": 1.0, "startup_seconds": 2.0,
    "framework": name.partition("_")[0], "compute_examples_per_sec": 350.0, "input_examples_per_sec": 8000.0,
}))
'''


def build(opt: Path) -> Plan:
    """Make them all under ``opt``, and the plan that promises them."""
    envs = opt / "dlrig" / "envs"
    for name, breaks in BREAKS.items():
        _build(envs / name, breaks)
    promised = {
        name: msgspec.structs.replace(
            plan("local").environments["tensorflow"],
            name=name,
            maker="conda",
            python=VERSION,
            framework=_framework(name),
            version=FRAMEWORKS[_framework(name)][1],
            path=f"/opt/dlrig/envs/{name}",
        )
        for name in BREAKS
    }
    return msgspec.structs.replace(plan("local"), environments=promised)


def _framework(environment: str) -> str:
    """The module that an environment's name begins with, TensorFlow where it is none."""
    first = environment.partition("_")[0]
    return first if first in FRAMEWORKS else "tensorflow"


def _build(folder: Path, breaks: str) -> None:
    site = folder / "lib" / f"python{VERSION}" / "site-packages"
    (folder / "bin").mkdir(parents=True)
    base = Path(sys.executable).resolve()
    (folder / "bin" / "python").symlink_to(base)
    (folder / "pyvenv.cfg").write_text(
        f"home = {base.parent}\ninclude-system-site-packages = false\n"
    )
    framework = _framework(folder.name)
    (site / framework).mkdir(parents=True)
    (site / framework / "__init__.py").write_text(f"{FRAMEWORKS[framework][0]}\n{breaks}\n")
    if folder.name in {"tensorflow", "inconsistent"}:
        (site / "pip").symlink_to(Path(pip.__file__).parent)
    metadata = site / "tensorflow_cpu-2.21.0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    needs = "Requires-Dist: absl-py\n" if folder.name == "inconsistent" else ""
    metadata.write_text(f"Metadata-Version: 2.1\nName: tensorflow-cpu\nVersion: 2.21.0\n{needs}")
    record = {
        "name": folder.name,
        "maker": "conda",
        "python": f"{VERSION}.0",
        "requirements": ["tensorflow-cpu==2.21.0"],
        "installed": {"tensorflow_cpu": "2.21.0"},
    }
    (folder / "dlrig-environment.json").write_text(json.dumps(record))
