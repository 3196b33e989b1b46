"""What an acceptance judges by, and no plan needs."""

from __future__ import annotations

import msgspec

from provision.catalogue.gpu_limits import GpuLimits, read_gpu_limits
from provision.catalogue.limits import TrainingLimits, read_limits
from provision.catalogue.peaks import Peaks, read_peaks
from provision.catalogue.xid import KernelLog, read_kernel_log


class Criteria(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Limits of counters, states and training runs, published rates, and what the kernel's log means."""

    gpu_limits: GpuLimits
    limits: TrainingLimits
    peaks: Peaks
    kernel_log: KernelLog


def read() -> Criteria:
    """From the files.

    Raises:
        msgspec.ValidationError: one is wrong.
    """
    return Criteria(
        gpu_limits=read_gpu_limits(),
        limits=read_limits(),
        peaks=read_peaks(),
        kernel_log=read_kernel_log(),
    )
