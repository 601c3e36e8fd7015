import os
import sys
from types import ModuleType

import pytest

from significand.meters.energy import EnergyError, NoCounterError
from significand.meters.nvml import NvmlCounter, open_nvml


class NVMLError(Exception):
    """Base of the made-up module's errors, as in nvidia-ml-py."""


def failure(name: str) -> NVMLError:
    """Return an error of a class of that name, as nvidia-ml-py makes one for each code."""
    error: NVMLError = type(name, (NVMLError,), {})("as NVML words it")
    return error


class FakeNvml(ModuleType):
    """A made-up pynvml with one GPU, and what was asked of it."""

    NVMLError = NVMLError

    def __init__(self, energy_mj: int = 123_456_789_000) -> None:
        super().__init__("pynvml")
        self.energy_mj = energy_mj
        self.initialised = 0
        self.asked: list[object] = []
        self.failing: dict[str, NVMLError] = {}
        self.nvmlInit = self._init
        self.nvmlShutdown = self._shut_down
        self.nvmlDeviceGetHandleByIndex = self._find
        self.nvmlDeviceGetHandleByUUID = self._find
        self.nvmlDeviceGetTotalEnergyConsumption = self._energy

    def _fail(self, step: str) -> None:
        if step in self.failing:
            raise self.failing[step]

    def _init(self) -> None:
        self._fail("init")
        self.initialised += 1

    def _shut_down(self) -> None:
        self._fail("shutdown")
        self.initialised -= 1

    def _find(self, gpu: int | str) -> tuple[str, object]:
        assert self.initialised
        self._fail("find")
        self.asked.append(gpu)
        return "handle", gpu

    def _energy(self, handle: tuple[str, object]) -> int:
        assert self.initialised
        assert handle[0] == "handle"
        self._fail("energy")
        return self.energy_mj


def test_difference_is_joules() -> None:
    """The counter is in millijoules since the driver was loaded; a window is the difference, in joules."""
    nvml, now_ns = FakeNvml(), 10
    counter = NvmlCounter(nvml, 0, clock_ns=lambda: now_ns)
    start = counter.read()
    nvml.energy_mj += 41_500
    now_ns += 500_000_000
    end = counter.read()
    assert counter.energy_j(start, end) == 41.5
    assert end.time_ns - start.time_ns == 500_000_000
    assert (counter.kind, counter.source, counter.domains, counter.assumptions) == ("measured", "nvml", "gpu-0", "")


@pytest.mark.parametrize(("gpu", "domains"), [(0, "gpu-0"), (3, "gpu-3"), ("GPU-5fd4", "GPU-5fd4")])
def test_gpu_is_the_one_asked_for(gpu: int | str, domains: str) -> None:
    """A number is NVML's index, a text the UUID."""
    nvml = FakeNvml()
    assert open_nvml(gpu, nvml).domains == domains
    assert nvml.asked == [gpu]


def test_nvml_is_shut_down_once_for_each_time_it_was_initialised() -> None:
    """Opening leaves nothing behind, readings initialise once, closing may be repeated, reading after it works."""
    nvml = FakeNvml()
    counter = open_nvml(0, nvml)
    assert nvml.initialised == 0
    counter.read()
    counter.read()
    assert nvml.initialised == 1
    counter.close()
    counter.close()
    assert nvml.initialised == 0
    counter.read()
    nvml.failing["shutdown"] = failure("NVMLError_Uninitialized")
    counter.close()  # what NVML says then helps nobody


def test_forked_process_initialises_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A counter read before a fork is opened again in the child, and the child shuts down its own only."""
    nvml = FakeNvml()
    counter = NvmlCounter(nvml)
    counter.read()
    monkeypatch.setattr(os, "getpid", lambda: 4_242)
    counter.read()
    assert nvml.initialised == 2
    monkeypatch.setattr(os, "getpid", lambda: 4_243)
    counter.close()
    assert nvml.initialised == 2


@pytest.mark.parametrize(
    ("step", "name", "remedy"),
    [
        ("init", "NVMLError_LibraryNotFound", "install the NVIDIA driver"),
        ("init", "NVMLError_DriverNotLoaded", "modprobe nvidia"),
        ("init", "NVMLError_NoPermission", "/dev/nvidia"),
        ("find", "NVMLError_InvalidArgument", "nvidia-smi -L"),
        ("find", "NVMLError_NotFound", "nvidia-smi -L"),
        ("energy", "NVMLError_NotSupported", "Volta"),
        ("energy", "NVMLError_Unknown", "see whether nvidia-smi works"),
    ],
)
def test_what_is_missing_is_said_with_its_remedy(step: str, name: str, remedy: str) -> None:
    """Library, driver, access, GPU or counter: each has its remedy, and NVML is not left initialised."""
    nvml = FakeNvml()
    nvml.failing[step] = failure(name)
    with pytest.raises(NoCounterError) as caught:
        open_nvml(0, nvml)
    assert caught.value.detail == "gpu-0: as NVML words it"
    assert remedy in caught.value.remedy
    assert nvml.initialised == 0


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without nvidia-ml-py the counter is missing, and what to install is named."""
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(NoCounterError, match=r"nvidia-ml-py is not installed; pip install 'significand\[gpu\]'"):
        open_nvml()


def test_package_is_imported_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module is pynvml, that of nvidia-ml-py."""
    nvml = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    open_nvml()
    assert nvml.asked == [0]


def test_gpu_lost_meanwhile_is_an_energy_error() -> None:
    """What NVML refuses during a run becomes the reason of missing energy."""
    nvml = FakeNvml()
    counter = open_nvml(0, nvml)
    nvml.failing["energy"] = failure("NVMLError_GpuIsLost")
    with pytest.raises(EnergyError, match="gpu-0: as NVML words it"):
        counter.read()


def test_gpu_that_is_not_found_leaves_nvml_shut_down() -> None:
    """A reading that fails at the GPU is tried from the beginning the next time."""
    nvml = FakeNvml()
    counter = NvmlCounter(nvml)
    nvml.failing["find"] = failure("NVMLError_GpuIsLost")
    with pytest.raises(EnergyError, match="as NVML words it"):
        counter.read()
    assert nvml.initialised == 0
    nvml.failing.clear()
    assert counter.read().counts == (nvml.energy_mj,)


@pytest.mark.parametrize(
    ("change_mj", "seconds", "reason"),
    [(-5, 0.01, "fell from 1000 to 995 mJ"), (0, 0.1, r"stood still at 1000 mJ for 0\.1 s")],
)
def test_counter_that_cannot_be_right_is_refused(change_mj: int, seconds: float, reason: str) -> None:
    """A counter that fell was reset, one that stood still is not live: neither gives a number."""
    nvml, now_ns = FakeNvml(energy_mj=1_000), 0
    counter = NvmlCounter(nvml, clock_ns=lambda: now_ns)
    start = counter.read()
    nvml.energy_mj += change_mj
    now_ns += round(seconds * 1e9)
    end = counter.read()
    with pytest.raises(EnergyError, match=reason):
        counter.energy_j(start, end)


def test_window_shorter_than_the_refresh_may_be_nothing() -> None:
    """Within 0.1 s the counter need not have moved."""
    counter = NvmlCounter(FakeNvml(), clock_ns=lambda: 0)
    assert counter.energy_j(counter.read(), counter.read()) == 0
