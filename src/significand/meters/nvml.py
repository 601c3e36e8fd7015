"""NVML: the energy counter of an NVIDIA GPU, through the package nvidia-ml-py, which is optional.

`nvmlDeviceGetTotalEnergyConsumption` gives millijoules since the driver was loaded, for Volta GPUs and newer (NVML API
reference). It is the whole board's, whoever uses it, and has no part of the host's energy.
"""

import contextlib
import os
import time
from collections.abc import Callable
from importlib import import_module
from types import ModuleType

from significand.meters.energy import EnergyError, EnergyReading, NoCounterError

REMEDIES = {
    "NVMLError_LibraryNotFound": "install the NVIDIA driver, which brings libnvidia-ml; pass the GPU into a container",
    "NVMLError_DriverNotLoaded": "load the NVIDIA driver: sudo modprobe nvidia",
    "NVMLError_NotSupported": "the counter needs a Volta GPU or newer, and not a virtual GPU",
    "NVMLError_NoPermission": "ask for access to the GPU's device files, /dev/nvidia*",
    "NVMLError_InvalidArgument": "choose a GPU that nvidia-smi -L lists",
    "NVMLError_NotFound": "choose a GPU that nvidia-smi -L lists",
}
"""By the name of the exception in nvidia-ml-py."""


class NvmlCounter:
    """The energy counter of one GPU, as from `open_nvml`.

    NVML is initialised at the first reading in a process, so that a counter made before a fork works after it.

    Parameters
    ----------
    nvml
        The module ``pynvml``.
    gpu
        As in `open_nvml`.
    clock_ns
        Monotonic time in nanoseconds.
    """

    kind = "measured"
    source = "nvml"
    assumptions = ""
    shortest_window_s = 0.1
    """The counter is refreshed every 20 to 100 ms (PETSc manual, PetscLogGpuEnergyMeter)."""

    def __init__(
        self, nvml: ModuleType, gpu: int | str = 0, clock_ns: Callable[[], int] = time.perf_counter_ns
    ) -> None:
        self._nvml = nvml
        self._gpu = gpu
        self._clock_ns = clock_ns
        self._handle: object = None
        self._process = 0  # the one that initialised NVML; 0 for none
        self.domains = f"gpu-{gpu}" if isinstance(gpu, int) else gpu

    def read(self) -> EnergyReading:
        """Read the counter, in millijoules.

        Raises
        ------
        EnergyError
            When NVML refuses; its error is the cause.
        """
        try:
            self._open()
            return EnergyReading(self._clock_ns(), (int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)),))
        except self._nvml.NVMLError as error:
            raise EnergyError(f"{self.domains}: {error}") from error

    def energy_j(self, start: EnergyReading, end: EnergyReading) -> float:
        """Return the joules between two readings. A counter of 64 bits does not wrap.

        Raises
        ------
        EnergyError
            When the counter fell, as when the driver is loaded again, or stood still for `shortest_window_s` or more.
        """
        (before,), (after,) = start.counts, end.counts
        elapsed_s = (end.time_ns - start.time_ns) / 1e9
        if after < before:
            raise EnergyError(f"{self.domains}: the counter fell from {before} to {after} mJ: was the driver reloaded?")
        if after == before and elapsed_s >= self.shortest_window_s:
            raise EnergyError(f"{self.domains}: the counter stood still at {after} mJ for {elapsed_s:.4g} s")
        return (after - before) / 1e3

    def close(self) -> None:
        """Shut NVML down, if this process initialised it here."""
        if self._process == os.getpid():
            with contextlib.suppress(self._nvml.NVMLError):  # what is gone need not be shut down
                self._nvml.nvmlShutdown()
        self._process = 0

    def _open(self) -> None:
        if self._process == os.getpid():
            return
        self._nvml.nvmlInit()
        self._process = os.getpid()  # before the handle: what was initialised is shut down, whatever follows
        by_index = isinstance(self._gpu, int)
        find = self._nvml.nvmlDeviceGetHandleByIndex if by_index else self._nvml.nvmlDeviceGetHandleByUUID
        try:
            self._handle = find(self._gpu)
        except self._nvml.NVMLError:
            self.close()
            raise


def open_nvml(gpu: int | str = 0, nvml: ModuleType | None = None) -> NvmlCounter:
    """Return the energy counter of a GPU after reading it once.

    Parameters
    ----------
    gpu
        Index in NVML's order, that of the PCI bus, or UUID (``"GPU-..."``). CUDA's index is another where
        ``CUDA_VISIBLE_DEVICES`` is set or GPUs of several models are mixed; the UUID is always the same.
    nvml
        The module ``pynvml``, or one like it; imported where not given.

    Raises
    ------
    NoCounterError
        Where the package, the driver, the GPU or its counter is missing.
    """
    if nvml is None:
        try:
            nvml = import_module("pynvml")
        except ImportError as error:
            raise NoCounterError(
                "the Python package nvidia-ml-py is not installed", "pip install 'significand[gpu]'"
            ) from error
    counter = NvmlCounter(nvml, gpu)
    try:
        counter.read()
    except EnergyError as error:
        remedy = REMEDIES.get(type(error.__cause__).__name__, "see whether nvidia-smi works")
        raise NoCounterError(str(error), remedy) from error
    finally:
        counter.close()
    return counter
