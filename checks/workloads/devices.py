"""The few operations that the programs of this folder need, in each framework alike.

A framework is imported only when it is asked for. Arrays are the framework's own; every operation is queued on
the array's device, and ``wait`` returns when it is done. Numbers of GPUs are those of the PCI bus, as in nvidia-smi.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nvml import Nvml, NvmlError
from program import FRAMEWORKS, WorkloadError, chosen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Array = Any  # of the framework

DTYPES = ("float32", "tf32", "bfloat16", "float16")
"""tf32: float32 arrays whose products are rounded to 10 bits of mantissa by tensor cores."""
_AMPERE = (8, 0)
"""Compute capability from which tensor cores know TF32 and bfloat16: CUDA C++ Programming Guide, table of features."""


@dataclass(frozen=True)
class Device:
    """One device; ``number`` is None for the CPU, ``capability`` the GPU's compute capability where it is known."""

    name: str
    model: str
    handle: Any
    number: int | None = None
    capability: tuple[int, int] | None = None

    @property
    def cpu(self) -> bool:
        """It is the CPU."""
        return self.number is None

    def lacks(self, dtype: str) -> str:
        """Why a product in this form says nothing on it; empty where it does."""
        if self.cpu:
            return "" if dtype in {"float32", "bfloat16"} else "a form of GPUs"
        if dtype in {"tf32", "bfloat16"} and self.capability and self.capability < _AMPERE:
            return f"compute capability {'.'.join(map(str, self.capability))} is below 8.0"
        return ""


class Framework(ABC):
    """A framework that was imported."""

    name = ""
    bits = ""
    """The form of whole numbers in which memory patterns are made."""

    def __init__(self, module: Any) -> None:  # noqa: ANN401 - the framework
        self.module = module
        self.version = str(module.__version__)
        self._made: dict[tuple[tuple[int, ...], int], Any] = {}

    def _on_host(self, shape: tuple[int, ...], seed: int, make: Callable[[], Any]) -> Any:  # noqa: ANN401 - an array
        """Random numbers, made once for all devices and forms: the largest take a second."""
        if (shape, seed) not in self._made:
            self._made[shape, seed] = make()
        return self._made[shape, seed]

    @abstractmethod
    def gpus(self) -> list[Device]:
        """Every GPU that it can use."""

    @abstractmethod
    def cpu(self) -> Device:
        """The CPU."""

    def devices(self, wanted: str) -> list[Device]:
        """Those that ``--device`` names.

        Raises:
            WorkloadError: it sees none of them.
        """
        if wanted == "cpu":
            return [self.cpu()]
        found = self.gpus()
        return [found[number] for number in chosen(len(found), wanted)]

    @abstractmethod
    def normal(self, shape: tuple[int, ...], dtype: str, device: Device, seed: int) -> Array:
        """Standard normal numbers: the same on every device, as they are made on the CPU."""

    @abstractmethod
    def pattern(self, count: int, device: Device, seed: int) -> Array:
        """So many random whole numbers of the form ``bits``."""

    @abstractmethod
    def tf32(self, *, on: bool) -> None:
        """Whether products of float32 may be rounded to TF32."""

    @abstractmethod
    def matmul(self, left: Array, right: Array) -> Array:
        """A matrix product."""

    @abstractmethod
    def xor(self, array: Array, key: int) -> Array:
        """A new array: every element by exclusive or with a number below 2³¹."""

    @abstractmethod
    def differing(self, first: Array, second: Array) -> int:
        """How many elements differ; waits."""

    @abstractmethod
    def wait(self, array: Array) -> None:
        """Until it is computed."""

    @abstractmethod
    def part(self, array: Array, rows: int, columns: int) -> list[list[float]]:
        """The first rows and columns of a matrix, on the host."""

    @abstractmethod
    def raw(self, array: Array) -> bytes:
        """Its bytes, on the host."""

    @abstractmethod
    def convolve(
        self, images: Array, kernels: Array, upstream: Array
    ) -> tuple[Array, Array, Array]:
        """A convolution by kernels of 3 by 3 with SAME padding, NHWC and HWIO: its result, and both gradients."""


class Torch(Framework):
    """PyTorch."""

    name, bits = "torch", "int64"

    def __init__(self) -> None:
        super().__init__(importlib.import_module("torch"))

    def gpus(self) -> list[Device]:
        """See ``Framework``."""
        cuda = self.module.cuda
        found = []
        for number in range(cuda.device_count()):
            handle = self.module.device(f"cuda:{number}")
            capability = tuple(cuda.get_device_capability(number))
            found.append(
                Device(f"gpu:{number}", cuda.get_device_name(number), handle, number, capability)
            )
        return found

    def cpu(self) -> Device:
        """See ``Framework``."""
        return Device("cpu", processor(), self.module.device("cpu"))

    def normal(self, shape: tuple[int, ...], dtype: str, device: Device, seed: int) -> Array:
        """See ``Framework``."""
        torch = self.module
        source = torch.Generator().manual_seed(seed)
        made = self._on_host(
            shape, seed, lambda: torch.randn(shape, generator=source, dtype=torch.float32)
        )
        return made.to(device.handle).to(getattr(torch, _form(dtype)))

    def pattern(self, count: int, device: Device, seed: int) -> Array:
        """See ``Framework``."""
        torch = self.module
        source = torch.Generator().manual_seed(seed)
        made = torch.randint(-(2**62), 2**62, (count,), generator=source, dtype=torch.int64)
        return made.to(device.handle)

    def tf32(self, *, on: bool) -> None:
        """See ``Framework``."""
        torch = self.module
        torch.backends.cuda.matmul.allow_tf32 = on
        torch.backends.cudnn.allow_tf32 = on

    def matmul(self, left: Array, right: Array) -> Array:
        """See ``Framework``."""
        return left @ right

    def xor(self, array: Array, key: int) -> Array:
        """See ``Framework``."""
        return array ^ key

    def differing(self, first: Array, second: Array) -> int:
        """See ``Framework``."""
        return int((first != second).sum().item())

    def wait(self, array: Array) -> None:
        """See ``Framework``."""
        if array.is_cuda:
            self.module.cuda.synchronize(array.device)

    def part(self, array: Array, rows: int, columns: int) -> list[list[float]]:
        """See ``Framework``."""
        found: list[list[float]] = array[:rows, :columns].double().cpu().tolist()
        return found

    def raw(self, array: Array) -> bytes:
        """See ``Framework``."""
        # Works without numpy, which PyTorch can do without.
        here = array.detach().cpu().contiguous()
        return ctypes.string_at(here.data_ptr(), here.numel() * here.element_size())

    def convolve(
        self, images: Array, kernels: Array, upstream: Array
    ) -> tuple[Array, Array, Array]:
        """See ``Framework``."""
        torch = self.module
        images, kernels = (each.clone().requires_grad_() for each in (images, kernels))
        out = torch.nn.functional.conv2d(
            images.permute(0, 3, 1, 2), kernels.permute(3, 2, 0, 1), padding=1
        ).permute(0, 2, 3, 1)
        by_images, by_kernels = torch.autograd.grad(out, (images, kernels), upstream)
        return out.detach(), by_images, by_kernels


class TensorFlow(Framework):
    """TensorFlow, eager."""

    # Whole numbers of 32 bits stay on the host: TensorFlow's GPU kernels know those of 64.
    name, bits = "tensorflow", "int64"

    def __init__(self) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        # By default it takes nearly all memory of every GPU, and keeps what it took.
        os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
        super().__init__(importlib.import_module("tensorflow"))
        self.numpy = importlib.import_module("numpy")
        self.module.config.set_soft_device_placement(False)

    def gpus(self) -> list[Device]:
        """See ``Framework``."""
        found = []
        for number, device in enumerate(self.module.config.list_physical_devices("GPU")):
            details = self.module.config.experimental.get_device_details(device)
            found.append(
                Device(
                    f"gpu:{number}",
                    str(details.get("device_name", "")),
                    f"/device:GPU:{number}",
                    number,
                    details.get("compute_capability"),
                )
            )
        return found

    def cpu(self) -> Device:
        """See ``Framework``."""
        return Device("cpu", processor(), "/device:CPU:0")

    def normal(self, shape: tuple[int, ...], dtype: str, device: Device, seed: int) -> Array:
        """See ``Framework``."""
        random, single = self.numpy.random.default_rng(seed), self.numpy.float32
        made = self._on_host(shape, seed, lambda: random.standard_normal(shape, single))
        with self.module.device(device.handle):
            return self.module.cast(self.module.constant(made), _form(dtype))

    def pattern(self, count: int, device: Device, seed: int) -> Array:
        """See ``Framework``."""
        values = self.numpy.random.default_rng(seed).integers(-(2**62), 2**62, count)
        with self.module.device(device.handle):
            return self.module.constant(values)

    def tf32(self, *, on: bool) -> None:
        """See ``Framework``."""
        self.module.config.experimental.enable_tensor_float_32_execution(on)

    def matmul(self, left: Array, right: Array) -> Array:
        """See ``Framework``."""
        with self.module.device(left.device):
            return self.module.linalg.matmul(left, right)

    def xor(self, array: Array, key: int) -> Array:
        """See ``Framework``."""
        with self.module.device(array.device):
            return self.module.bitwise.bitwise_xor(array, self.module.constant(key, array.dtype))

    def differing(self, first: Array, second: Array) -> int:
        """See ``Framework``."""
        with self.module.device(first.device):
            unequal = self.module.cast(self.module.not_equal(first, second), "int64")
            return int(self.module.reduce_sum(unequal))

    def wait(self, array: Array) -> None:
        """See ``Framework``."""
        # The device works in order, so what is read last was computed last.
        with self.module.device(array.device):
            self.module.reshape(array, [-1])[:1].numpy()

    def part(self, array: Array, rows: int, columns: int) -> list[list[float]]:
        """See ``Framework``."""
        with self.module.device(array.device):
            cut = array[:rows, :columns].numpy()
        found: list[list[float]] = cut.astype("float64").tolist()
        return found

    def raw(self, array: Array) -> bytes:
        """See ``Framework``."""
        return bytes(array.numpy().tobytes())

    def convolve(
        self, images: Array, kernels: Array, upstream: Array
    ) -> tuple[Array, Array, Array]:
        """See ``Framework``."""
        tf = self.module
        with tf.device(images.device), tf.GradientTape() as tape:
            tape.watch((images, kernels))
            out = tf.nn.conv2d(images, kernels, strides=1, padding="SAME")
        with tf.device(images.device):
            by_images, by_kernels = tape.gradient(out, (images, kernels), upstream)
        return out, by_images, by_kernels


class Jax(Framework):
    """JAX."""

    # Without its 64-bit mode it has whole numbers of 32 bits only.
    name, bits = "jax", "int32"

    def __init__(self) -> None:
        # By default it takes three quarters of every GPU's memory; and times products to choose among algorithms,
        # which would give like cards different roundings.
        os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_gpu_autotune_level=0".strip()
        super().__init__(importlib.import_module("jax"))
        self.numpy = importlib.import_module("numpy")
        self._precision = "highest"
        jnp = self.module.numpy
        self._matmul = self.module.jit(jnp.matmul, static_argnames="precision")
        self._xor = self.module.jit(jnp.bitwise_xor)
        self._unequal = self.module.jit(lambda a, b: (a != b).sum())

    def gpus(self) -> list[Device]:
        """See ``Framework``."""
        found = [each for each in self.module.local_devices() if each.platform != "cpu"]
        return [self._gpu(number, each) for number, each in enumerate(found)]

    @staticmethod
    def _gpu(number: int, handle: Any) -> Device:  # noqa: ANN401 - JAX's
        text = str(getattr(handle, "compute_capability", ""))
        major, _, minor = text.partition(".")
        known = major.isdecimal() and minor.isdecimal()
        capability = (int(major), int(minor)) if known else None
        return Device(f"gpu:{number}", str(handle.device_kind), handle, number, capability)

    def cpu(self) -> Device:
        """See ``Framework``."""
        return Device("cpu", processor(), self.module.local_devices(backend="cpu")[0])

    def normal(self, shape: tuple[int, ...], dtype: str, device: Device, seed: int) -> Array:
        """See ``Framework``."""
        random, single = self.numpy.random.default_rng(seed), self.numpy.float32
        made = self._on_host(shape, seed, lambda: random.standard_normal(shape, single))
        return self.module.device_put(made, device.handle).astype(_form(dtype))

    def pattern(self, count: int, device: Device, seed: int) -> Array:
        """See ``Framework``."""
        values = self.numpy.random.default_rng(seed).integers(-(2**31), 2**31, count)
        return self.module.device_put(values.astype("int32"), device.handle)

    def tf32(self, *, on: bool) -> None:
        """See ``Framework``."""
        self._precision = "high" if on else "highest"

    def matmul(self, left: Array, right: Array) -> Array:
        """See ``Framework``."""
        return self._matmul(left, right, precision=self._precision)

    def xor(self, array: Array, key: int) -> Array:
        """See ``Framework``."""
        return self._xor(array, self.numpy.int32(key))

    def differing(self, first: Array, second: Array) -> int:
        """See ``Framework``."""
        return int(self._unequal(first, second))

    def wait(self, array: Array) -> None:
        """See ``Framework``."""
        array.block_until_ready()

    def part(self, array: Array, rows: int, columns: int) -> list[list[float]]:
        """See ``Framework``."""
        cut = self.numpy.asarray(array[:rows, :columns])
        found: list[list[float]] = cut.astype("float64").tolist()
        return found

    def raw(self, array: Array) -> bytes:
        """See ``Framework``."""
        return bytes(self.numpy.asarray(array).tobytes())

    def convolve(
        self, images: Array, kernels: Array, upstream: Array
    ) -> tuple[Array, Array, Array]:
        """See ``Framework``."""

        def convolution(inputs: Array, weights: Array) -> Array:
            return self.module.lax.conv_general_dilated(
                inputs,
                weights,
                (1, 1),
                "SAME",
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
                precision=self._precision,
            )

        out, back = self.module.vjp(convolution, images, kernels)
        by_images, by_kernels = back(upstream)
        return out, by_images, by_kernels


_KINDS: dict[str, type[Torch | TensorFlow | Jax]] = {
    "torch": Torch,
    "tensorflow": TensorFlow,
    "jax": Jax,
}


def load(name: str, device: str) -> Framework:
    """Import a framework; ``auto`` takes the first of ``FRAMEWORKS`` that is installed.

    Raises:
        WorkloadError: there is none, or it cannot be imported.
    """
    # The order of nvidia-smi, whatever the cards' speeds.
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        os.environ["JAX_PLATFORMS"] = "cpu"
    there = [each for each in FRAMEWORKS if importlib.util.find_spec(each)]
    wanted = next(iter(there), "") if name == "auto" else name
    if wanted not in there:
        raise WorkloadError(
            f"{wanted or 'no framework'} is not installed here"
            if wanted
            else "no framework is installed here",
            f"Run it with the Python of an environment that has one of {', '.join(FRAMEWORKS)}.",
        )
    try:
        return _KINDS[wanted]()
    except Exception as error:
        raise WorkloadError(
            f"import {wanted}: {type(error).__name__}: {error}".splitlines()[0]
        ) from error


def free_memory(device: Device) -> int:
    """Bytes that a program could still take on it.

    Raises:
        WorkloadError: nothing says so.
    """
    if device.number is None:
        for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        raise WorkloadError("/proc/meminfo does not say how much memory is available")
    try:
        memory = Nvml().cards()[device.number].memory
    except (NvmlError, IndexError) as error:
        raise WorkloadError(f"{device.name}: free memory is not known: {error}") from error
    if memory is None:
        raise WorkloadError(f"{device.name}: NVIDIA's driver does not say how much memory is free")
    return memory[1]


def processor() -> str:
    """The CPU's model, as the kernel names it."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "CPU"


def wrong_products(
    left: Iterable[list[float]], right: list[list[float]], found: list[list[float]]
) -> float:
    """Largest error of a product's first rows and columns, in units of the root of the inner length."""
    worst = 0.0
    columns = list(zip(*right, strict=True))
    scale = len(right) ** 0.5
    for row, said in zip(left, found, strict=True):
        for column, value in zip(columns, said, strict=True):
            exact = sum(a * b for a, b in zip(row, column, strict=True))
            error = abs(exact - value) / scale
            # A NaN compares as false: it must not pass for a small error.
            worst = error if not error <= worst else worst
    return worst


def _form(dtype: str) -> str:
    return "float32" if dtype == "tf32" else dtype
