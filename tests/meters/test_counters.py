import math
import sys
from pathlib import Path
from types import ModuleType

import pytest

from made_up_counter import FakeCounter
from significand.meters.counters import EnergyPlan, choose_counter, idle_power_w, probe_counters
from significand.meters.energy import CpuTimeEstimate, EnergyCounter, EnergyError


class FakeNvml(ModuleType):
    """A made-up pynvml with one GPU, or without a driver."""

    def __init__(self, driver: bool = True) -> None:
        super().__init__("pynvml")
        self.NVMLError = type("NVMLError", (Exception,), {})
        self.driver = driver
        self.nvmlShutdown = lambda: None
        self.nvmlDeviceGetHandleByIndex = lambda index: index
        self.nvmlDeviceGetTotalEnergyConsumption = lambda handle: 1_000 + handle

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's name
        """Fail where there is no driver."""
        if not self.driver:
            raise self.NVMLError("Driver Not Loaded")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return a root with one RAPL package."""
    zone = tmp_path / "sys/class/powercap/intel-rapl:0"
    zone.mkdir(parents=True)
    for file, text in {"name": "package-0", "energy_uj": "77", "max_energy_range_uj": "262143328850"}.items():
        (zone / file).write_text(f"{text}\n", encoding="ascii")
    return tmp_path


def test_best_counter_that_can_be_read_is_chosen(package: Path) -> None:
    """NVML where a GPU is used, else RAPL, else the estimate."""
    nowhere = package / "nowhere"
    assert choose_counter(12.0, package, uses_gpu=True, nvml=FakeNvml()).domains == "gpu-0"
    assert choose_counter(12.0, package, uses_gpu=True, nvml=FakeNvml(), gpu=2).domains == "gpu-2"
    assert choose_counter(12.0, nowhere, uses_gpu=True, nvml=FakeNvml()).source == "nvml"
    rapl = choose_counter(12.0, package, nvml=FakeNvml())
    assert (rapl.source, rapl.domains, rapl.assumptions) == ("rapl", "package-0", "")
    estimate = choose_counter(9.0, nowhere, nvml=FakeNvml())
    assert isinstance(estimate, CpuTimeEstimate)
    assert estimate.watts_per_core == 9.0


def test_an_estimate_says_why_there_is_no_counter(package: Path) -> None:
    """The assumptions carry the reason for which RAPL could not be used; a counter that is there needs none."""
    rapl = probe_counters(package / "nowhere", FakeNvml())[1]
    estimate = choose_counter(9.0, package / "nowhere", nvml=FakeNvml())
    assert estimate.assumptions == f"9 W per busy core, the same in every precision; no counter: {rapl.detail}"


def test_gpu_that_cannot_be_read_is_said_to_be_left_out(package: Path) -> None:
    """A counter of the host in a GPU's place is never silent about it."""
    without = FakeNvml(driver=False)
    words = "the GPU's energy is left out: gpu-0: Driver Not Loaded"
    rapl = choose_counter(12.0, package, uses_gpu=True, nvml=without)
    assert (rapl.source, rapl.assumptions) == ("rapl", words)
    estimate = choose_counter(12.0, package / "nowhere", uses_gpu=True, nvml=without)
    assert estimate.assumptions.startswith(f"12 W per busy core, the same in every precision; {words}; no counter: ")


def test_probe_tells_of_every_source(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each source in the order of choice: what it covers where it works, what is wrong and the remedy where not."""
    nvml, rapl, estimate = probe_counters(package, FakeNvml())
    assert [probe.source for probe in (nvml, rapl, estimate)] == ["nvml", "rapl", "cpu-time"]
    assert all(probe.available and not probe.remedy for probe in (nvml, rapl, estimate))
    assert (nvml.detail, rapl.detail) == ("gpu-0", "package-0")
    assert "estimate" in estimate.detail
    monkeypatch.setitem(sys.modules, "pynvml", None)
    nvml, rapl, estimate = probe_counters(package / "nowhere")
    assert [probe.available for probe in (nvml, rapl, estimate)] == [False, False, True]
    assert nvml.remedy == "pip install 'significand[gpu]'"
    assert "no RAPL zone" in rapl.detail
    assert "x86 Linux" in rapl.remedy


def test_idle_power_is_energy_over_the_time_that_really_passed() -> None:
    """Asked for 10 s, woken after 12.5 s, 400 J used: 32 W."""
    counter = FakeCounter()
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        counter.pass_time(12.5, 400)

    assert idle_power_w(counter, 10, sleep) == 32
    assert slept == [10]


@pytest.mark.parametrize("seconds", [0.0, -1.0, 0.099, math.nan, math.inf])
def test_idle_window_must_suit_the_counter(seconds: float) -> None:
    """A window below the counter's shortest, or endless, is refused before anything waits."""
    with pytest.raises(ValueError, match=rf"idle window of {seconds:g} s .* at least 0\.1 s; give 10 s"):
        idle_power_w(FakeCounter(), seconds, lambda _: pytest.fail("it waited"))


def test_estimate_has_no_idle_power() -> None:
    """The CPU clock of a process that sleeps stands still, whatever the machine draws."""
    with pytest.raises(ValueError, match="'cpu-time', which is estimated: only a measuring counter"):
        idle_power_w(CpuTimeEstimate(12.0), 10)


def test_idle_power_is_not_told_without_the_counter() -> None:
    """A counter that cannot be read is an error, not a power of 0 W."""
    counter: EnergyCounter = FakeCounter()
    assert isinstance(counter, FakeCounter)
    counter.refusal = "gone"
    with pytest.raises(EnergyError, match="gone"):
        idle_power_w(counter, 1, lambda _: None)


@pytest.mark.parametrize("power_w", [-1.0, math.nan, math.inf])
def test_what_is_no_idle_power_is_refused(power_w: float) -> None:
    """It would be subtracted from every energy, so a value that cannot be is a mistake that is named."""
    with pytest.raises(ValueError, match=rf"idle_power_w: {power_w!r} is no power; give watts, 0 or more"):
        EnergyPlan(5.0, idle_power_w=power_w)


def test_a_plan_opens_the_best_counter_there_is() -> None:
    """It is the one that `choose_counter` gives, with the plan's watts where it is an estimate."""
    counter = EnergyPlan(7.0).open()
    best = choose_counter(7.0)
    assert (counter.source, counter.kind, counter.assumptions) == (best.source, best.kind, best.assumptions)
    counter.close()
    best.close()
