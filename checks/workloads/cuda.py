"""The few calls of CUDA's driver library that copying needs, by ctypes: no framework, no toolkit.

Names are those of cuda.h. Everything that is taken is given back by ``Cuda.close``. Standard library alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from typing import Any

from program import WorkloadError

LIBRARY = "libcuda.so.1"
_ALREADY = 704  # CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED
_SIZE, _ADDRESS = ctypes.c_size_t, ctypes.c_uint64


class Gpu:
    """One GPU with its primary context."""

    def __init__(self, number: int, device: int, context: ctypes.c_void_p, model: str) -> None:
        self.number, self.device, self.context, self.model = number, device, context, model
        self.name = f"gpu:{number}"


class Cuda:
    """The library, initialised; numbers of GPUs are those of the PCI bus.

    Raises:
        WorkloadError: it is not there, or does not work.
    """

    def __init__(self) -> None:
        os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
        try:
            self._library = ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise WorkloadError(
                str(error), "Is NVIDIA's driver installed? Try: nvidia-smi"
            ) from error
        self._given: list[tuple[Gpu | None, str, Any]] = []
        self.call("cuInit", ctypes.c_uint(0))

    def __enter__(self) -> Cuda:  # noqa: PYI034 - Self came with Python 3.11
        """Itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Give back what was taken."""
        self.close()

    def call(self, function: str, *arguments: Any, allowed: int = 0) -> int:  # noqa: ANN401 - ctypes' own
        """Call a function.

        Raises:
            WorkloadError: it returns neither CUDA_SUCCESS nor what is ``allowed``.
        """
        code = int(getattr(self._library, function)(*arguments))
        if code not in {0, allowed}:
            raise WorkloadError(f"{function}: {self._explain(code)}")
        return code

    def _explain(self, code: int) -> str:
        text = ctypes.c_char_p()
        self._library.cuGetErrorString(code, ctypes.byref(text))
        return f"{(text.value or b'unknown error').decode(errors='replace')} ({code})"

    def count(self) -> int:
        """How many GPUs there are."""
        found = ctypes.c_int()
        self.call("cuDeviceGetCount", ctypes.byref(found))
        return found.value

    def gpu(self, number: int) -> Gpu:
        """One of them, ready for use."""
        device, context = ctypes.c_int(), ctypes.c_void_p()
        model = ctypes.create_string_buffer(96)
        self.call("cuDeviceGet", ctypes.byref(device), ctypes.c_int(number))
        self.call("cuDeviceGetName", model, ctypes.c_int(96), device)
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        made = Gpu(number, device.value, context, model.value.decode(errors="replace"))
        self._given.append((None, "cuDevicePrimaryCtxRelease_v2", device))
        return made

    def use(self, gpu: Gpu) -> None:
        """Make it the one that the calls which follow are for."""
        self.call("cuCtxSetCurrent", gpu.context)

    def on_gpu(self, gpu: Gpu, size: int) -> Any:  # noqa: ANN401 - an address
        """So many bytes of its memory."""
        self.use(gpu)
        address = _ADDRESS()
        self.call("cuMemAlloc_v2", ctypes.byref(address), _SIZE(size))
        self._given.append((gpu, "cuMemFree_v2", address))
        return address

    def on_host(self, gpu: Gpu, size: int) -> Any:  # noqa: ANN401 - an address
        """So many bytes of the host's memory, pinned: the card reads and writes them by itself."""
        self.use(gpu)
        address = ctypes.c_void_p()
        self.call("cuMemHostAlloc", ctypes.byref(address), _SIZE(size), ctypes.c_uint(0))
        self._given.append((gpu, "cuMemFreeHost", address))
        return address

    def to_gpu(self, target: Any, source: Any, size: int) -> None:  # noqa: ANN401 - addresses
        """Queue a copy."""
        self.call("cuMemcpyHtoDAsync_v2", target, source, _SIZE(size), None)

    def to_host(self, target: Any, source: Any, size: int) -> None:  # noqa: ANN401 - addresses
        """Queue a copy."""
        self.call("cuMemcpyDtoHAsync_v2", target, source, _SIZE(size), None)

    def to_peer(self, target: tuple[Gpu, Any], source: tuple[Gpu, Any], size: int) -> None:
        """Queue a copy from one GPU's memory to another's, in the source's context."""
        (there, to), (here, from_) = target, source
        self.call("cuMemcpyPeerAsync", to, there.context, from_, here.context, _SIZE(size), None)

    def reaches(self, here: Gpu, there: Gpu) -> bool:
        """Let a GPU reach another's memory by itself; whether it can."""
        can = ctypes.c_int()
        self.call(
            "cuDeviceCanAccessPeer",
            ctypes.byref(can),
            ctypes.c_int(here.device),
            ctypes.c_int(there.device),
        )
        if can.value:
            self.use(here)
            self.call("cuCtxEnablePeerAccess", there.context, ctypes.c_uint(0), allowed=_ALREADY)
        return bool(can.value)

    def wait(self, gpu: Gpu) -> None:
        """Until everything that is queued on it is done."""
        self.use(gpu)
        self.call("cuCtxSynchronize")

    def close(self) -> None:
        """Give back memory and contexts; what a sick card refuses is left to the end of the process."""
        for gpu, function, value in reversed(self._given):
            with contextlib.suppress(WorkloadError):
                if gpu is not None:
                    self.use(gpu)
                self.call(function, value)
        self._given.clear()
