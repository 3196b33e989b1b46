"""NVIDIA's management library by ctypes: what a card is, and what it does now.

Names, numbers and structures are those of nvml.h. Standard library alone; Python 3.10 or later.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

LIBRARY = "libnvidia-ml.so.1"
NOT_SUPPORTED, NO_PERMISSION, INSUFFICIENT_SIZE, NO_FUNCTION = 3, 4, 7, 13
LOST = 15
_NOT_AVAILABLE = ctypes.c_ulonglong(-1).value
_UNKNOWN_STATE = 32
_UINT, _INT, _LONG = ctypes.c_uint, ctypes.c_int, ctypes.c_ulonglong

_SM, _MEMORY = 1, 2  # nvmlClockType_t
_SLOWDOWN, _GPU_MAX = 1, 3  # nvmlTemperatureThresholds_t
_TX, _RX = 0, 1  # nvmlPcieUtilCounter_t

# Name: functions, the first that is there counts; what they take beside the card; what they give; factor.
_Call = tuple[tuple[str, ...], tuple[int, ...], Any, float]
NOW: dict[str, _Call] = {
    "clock_sm": (("nvmlDeviceGetClockInfo",), (_SM,), _UINT, 1),
    "clock_memory": (("nvmlDeviceGetClockInfo",), (_MEMORY,), _UINT, 1),
    "temperature": (("nvmlDeviceGetTemperature",), (0,), _UINT, 1),
    "power": (("nvmlDeviceGetPowerUsage",), (), _UINT, 0.001),
    "reasons": (
        ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"),
        (),
        _LONG,
        1,
    ),
    "pcie_generation": (("nvmlDeviceGetCurrPcieLinkGeneration",), (), _UINT, 1),
    "pcie_width": (("nvmlDeviceGetCurrPcieLinkWidth",), (), _UINT, 1),
}
"""Clocks in MHz, temperature in °C, power in W, reasons as nvmlClocksEventReasons' bits."""
PCIE: dict[str, _Call] = {
    "pcie_tx": (("nvmlDeviceGetPcieThroughput",), (_TX,), _UINT, 1),
    "pcie_rx": (("nvmlDeviceGetPcieThroughput",), (_RX,), _UINT, 1),
}
"""kB/s that the card sends and receives; each takes 20 ms, over which it is counted."""
FIXED: dict[str, _Call] = {
    "clock_sm_max": (("nvmlDeviceGetMaxClockInfo",), (_SM,), _UINT, 1),
    "clock_memory_max": (("nvmlDeviceGetMaxClockInfo",), (_MEMORY,), _UINT, 1),
    "slowdown": (("nvmlDeviceGetTemperatureThreshold",), (_SLOWDOWN,), _UINT, 1),
    "temperature_max": (("nvmlDeviceGetTemperatureThreshold",), (_GPU_MAX,), _UINT, 1),
    "pcie_generation_max": (("nvmlDeviceGetMaxPcieLinkGeneration",), (), _UINT, 1),
    "pcie_generation_card": (("nvmlDeviceGetGpuMaxPcieLinkGeneration",), (), _UINT, 1),
    "pcie_width_max": (("nvmlDeviceGetMaxPcieLinkWidth",), (), _UINT, 1),
    "power_limit_default": (("nvmlDeviceGetPowerManagementDefaultLimit",), (), _UINT, 0.001),
}
SETTINGS: dict[str, _Call] = {
    "persistence": (("nvmlDeviceGetPersistenceMode",), (), _UINT, 1),
    "compute_mode": (("nvmlDeviceGetComputeMode",), (), _UINT, 1),
    "power_limit": (("nvmlDeviceGetPowerManagementLimit",), (), _UINT, 0.001),
    "application_clock_sm": (("nvmlDeviceGetApplicationsClock",), (_SM,), _UINT, 1),
    "application_clock_memory": (("nvmlDeviceGetApplicationsClock",), (_MEMORY,), _UINT, 1),
}
"""What a person sets, and what no measurement may change."""


class _Utilisation(ctypes.Structure):
    _fields_ = (("gpu", _UINT), ("memory", _UINT))


class _Memory(ctypes.Structure):
    _fields_ = (("total", _LONG), ("free", _LONG), ("used", _LONG))


class _Pci(ctypes.Structure):
    _fields_ = (
        ("legacy", ctypes.c_char * 16),
        ("domain", _UINT),
        ("bus", _UINT),
        ("device", _UINT),
        ("id", _UINT),
        ("subsystem", _UINT),
        ("bus_id", ctypes.c_char * 32),
    )


class _Process(ctypes.Structure):
    _fields_ = (("pid", _UINT), ("memory", _LONG), ("gpu_instance", _UINT), ("instance", _UINT))


class _Margin(ctypes.Structure):
    _fields_ = (("version", _UINT), ("margin", _INT))


class NvmlError(Exception):
    """The library is missing or a call of it failed; ``code`` is nvmlReturn_t, -1 for no library."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Nvml:
    """The library, initialised.

    Raises:
        NvmlError: it is not there, or does not work.
    """

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise NvmlError(str(error), -1) from error
        self.call("nvmlInit_v2")

    def call(self, function: str, *arguments: Any) -> None:  # noqa: ANN401 - ctypes' own
        """Call a function.

        Raises:
            NvmlError: it does not return NVML_SUCCESS.
        """
        try:
            code: int = getattr(self._library, function)(*arguments)
        except AttributeError:
            code = NO_FUNCTION
        if code:
            raise NvmlError(f"{function}: {self._explain(code)}", code)

    def _explain(self, code: int) -> str:
        if code == NO_FUNCTION:
            return "Function Not Found"
        try:
            explain = self._library.nvmlErrorString
            explain.restype = ctypes.c_char_p
            said: bytes = explain(code)
            return said.decode(errors="replace")
        except (AttributeError, TypeError):
            return f"error {code}"

    @property
    def driver(self) -> str:
        """The driver's version."""
        text = ctypes.create_string_buffer(80)
        self.call("nvmlSystemGetDriverVersion", text, _UINT(80))
        return text.value.decode(errors="replace")

    def cards(self) -> list[Card]:
        """Every card that answers, in the order of the bus, each with its index."""
        count = _UINT()
        self.call("nvmlDeviceGetCount_v2", ctypes.byref(count))
        return [Card(self, index) for index in range(count.value)]


class Card:
    """One card. Every reading gives None where the card or the driver does not offer it."""

    def __init__(self, nvml: Nvml, index: int) -> None:
        self.index = index
        self.trouble = ""
        self._nvml = nvml
        self._handle = ctypes.c_void_p()
        try:
            nvml.call("nvmlDeviceGetHandleByIndex_v2", _UINT(index), ctypes.byref(self._handle))
        except NvmlError as error:
            self.trouble = str(error)

    def _ask(self, function: str, *arguments: Any) -> bool:  # noqa: ANN401 - ctypes' own
        """Whether it answered; a failure that is not a plain "not offered" is kept in ``trouble``."""
        if not self._handle:
            return False
        try:
            self._nvml.call(function, self._handle, *arguments)
        except NvmlError as error:
            if error.code not in {NOT_SUPPORTED, NO_FUNCTION}:
                self.trouble = str(error)
            return False
        return True

    def read(self, calls: dict[str, _Call]) -> dict[str, float | None]:
        """The values of such a table."""
        return {name: self._value(*call) for name, call in calls.items()}

    def _value(
        self,
        functions: tuple[str, ...],
        arguments: tuple[int, ...],
        form: Any,  # noqa: ANN401 - a type of ctypes
        factor: float,
    ) -> float | None:
        value = form()
        for function in functions:
            if self._ask(function, *map(_UINT, arguments), ctypes.byref(value)):
                return int(value.value) if factor == 1 else round(value.value * factor, 3)
        return None

    def _text(self, function: str, length: int = 96) -> str:
        text = ctypes.create_string_buffer(length)
        asked = self._ask(function, text, _UINT(length))
        return text.value.decode(errors="replace") if asked else ""

    @property
    def name(self) -> str:
        """Its model."""
        return self._text("nvmlDeviceGetName")

    @property
    def uuid(self) -> str:
        """Its own name among all cards."""
        return self._text("nvmlDeviceGetUUID")

    @property
    def address(self) -> str:
        """On the PCI bus, as the kernel writes it; empty where it is not said."""
        pci = _Pci()
        if not self._ask("nvmlDeviceGetPciInfo_v3", ctypes.byref(pci)):
            return ""
        return f"{pci.domain:04x}:{pci.bus:02x}:{pci.device:02x}.0"

    @property
    def utilisation(self) -> tuple[int | None, int | None]:
        """Percent of the last period (1/6 to 1 s) in which a kernel ran; in which memory was used."""
        found = _Utilisation()
        if not self._ask("nvmlDeviceGetUtilizationRates", ctypes.byref(found)):
            return None, None
        return found.gpu, found.memory

    @property
    def memory(self) -> tuple[int, int] | None:
        """Bytes in all; bytes free."""
        found = _Memory()
        if not self._ask("nvmlDeviceGetMemoryInfo", ctypes.byref(found)):
            return None
        return found.total, found.free

    @property
    def state(self) -> int | None:
        """Performance state: 0 (fastest) to 15."""
        found = _INT()
        asked = self._ask("nvmlDeviceGetPerformanceState", ctypes.byref(found))
        return found.value if asked and found.value != _UNKNOWN_STATE else None

    @property
    def margin(self) -> int | None:
        """°C to the nearest slowdown, as later cards say it instead of a threshold."""
        found = _Margin(version=ctypes.sizeof(_Margin) | 1 << 24)
        asked = self._ask("nvmlDeviceGetMarginTemperature", ctypes.byref(found))
        return found.margin if asked else None

    @property
    def mig(self) -> bool:
        """It is split into instances."""
        now, pending = _UINT(), _UINT()
        asked = self._ask("nvmlDeviceGetMigMode", ctypes.byref(now), ctypes.byref(pending))
        return asked and now.value == 1

    def processes(self) -> dict[int, int | None] | None:
        """Programs that compute on it: process id → bytes of its memory, None where not said."""
        for function in (
            "nvmlDeviceGetComputeRunningProcesses_v3",
            "nvmlDeviceGetComputeRunningProcesses_v2",
        ):
            found = self._processes(function)
            if found is not None:
                return found
        return None

    def _processes(self, function: str) -> dict[int, int | None] | None:
        size = 64
        for _ in range(4):
            rows, count = (_Process * size)(), _UINT(size)
            try:
                self._nvml.call(function, self._handle, ctypes.byref(count), rows)
            except NvmlError as error:
                if error.code != INSUFFICIENT_SIZE:
                    return None
                size = 2 * max(size, count.value)
                continue
            return {
                row.pid: None if row.memory == _NOT_AVAILABLE else row.memory
                for row in rows[: count.value]
            }
        return None


def port(address: str) -> dict[str, float | None]:
    """What the slot's end of the link can do at most: PCI Express generation and width."""
    bridge = Path(f"/sys/bus/pci/devices/{address}").resolve().parent
    speed, width = _line(bridge / "max_link_speed"), _line(bridge / "max_link_width")
    rate = speed.split(" ")[0]
    generations = {"2.5": 1, "5.0": 2, "8.0": 3, "16.0": 4, "32.0": 5, "64.0": 6}
    number = int(width) if width.isdecimal() and 0 < int(width) <= 32 else None  # noqa: PLR2004 - lanes
    return {"pcie_generation_port": generations.get(rate), "pcie_width_port": number}


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def program_name(pid: int) -> str:
    """A process's name; empty where it is not of this machine, or gone."""
    return _line(Path(f"/proc/{pid}/comm"))


def parent(pid: int) -> int:
    """A process's parent; 0 where there is none to be seen."""
    fields = _line(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def descends(pid: int, ancestor: int | None = None) -> bool:
    """Whether a process was started by this one, or by one that it started."""
    wanted = os.getpid() if ancestor is None else ancestor
    for _ in range(64):
        if pid == wanted:
            return True
        pid = parent(pid)
        if pid <= 1:
            break
    return False
