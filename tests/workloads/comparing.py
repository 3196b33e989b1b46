"""What the programs that compare a workload with its plain form have in common."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType


def load(path: str) -> ModuleType:
    """The workload as a module: it is in no package."""
    spec = importlib.util.spec_from_file_location("workload", path)
    assert spec is not None
    assert spec.loader is not None
    workload = sys.modules["workload"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(workload)
    return workload


def distance(first: Any, second: Any) -> float:  # noqa: ANN401 - a framework's tensors, or numpy's
    """Norm of the difference over the norm of the first."""
    one, two = np.asarray(first, np.float64), np.asarray(second, np.float64)
    return float(np.linalg.norm(one - two) / np.linalg.norm(one))


def digest(arrays: Sequence[Any]) -> str:
    """SHA-256 of arrays, with their types and shapes."""
    summed = hashlib.sha256()
    for array in arrays:
        summed.update(f"{array.dtype} {array.shape}".encode())
        summed.update(np.ascontiguousarray(array).tobytes())
    return summed.hexdigest()
