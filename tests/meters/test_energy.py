import math

import pytest

from made_up_counter import FakeCounter
from significand.meters.energy import CpuTimeEstimate, EnergyMeter, NoCounterError


@pytest.mark.parametrize(
    ("cpu_s", "watts", "joules"),
    [(2.5, 12.0, 30.0), (0.0, 12.0, 0.0), (0.001, 100.0, 0.1)],  # by hand: joules = seconds x watts
)
def test_estimate_is_cpu_seconds_times_watts(cpu_s: float, watts: float, joules: float) -> None:
    """Energy between two readings is CPU time in seconds times the assumed watts."""
    cpu_ns = 7_000_000_000
    counter = CpuTimeEstimate(watts, cpu_clock_ns=lambda: cpu_ns)
    before, start = counter.read_j(), counter.read()
    cpu_ns += round(cpu_s * 1e9)
    assert counter.read_j() - before == pytest.approx(joules, rel=1e-12, abs=1e-12)
    assert counter.energy_j(start, counter.read()) == pytest.approx(joules, rel=1e-12, abs=1e-12)


def test_estimate_says_that_it_is_one() -> None:
    """An estimate names its kind, what it rests on and what it assumed, the same in every precision."""
    counter = CpuTimeEstimate(7.5)
    assert counter.kind == "estimated"
    assert counter.source == "cpu-time"
    assert counter.domains == ""
    assert counter.shortest_window_s == 0
    assert counter.assumptions == "7.5 W per busy core, the same in every precision"


def test_real_cpu_time_only_grows() -> None:
    """With the process's own clocks the readings never fall."""
    counter = CpuTimeEstimate(12.0)
    first, start = counter.read_j(), counter.read()
    sum(range(10_000))
    end = counter.read()
    assert counter.read_j() >= first > 0
    assert counter.energy_j(start, end) >= 0
    assert end.time_ns > start.time_ns
    counter.close()


def test_meter_adds_up_windows_and_nothing_between_them() -> None:
    """Joules and seconds are those inside the windows; what happens while others run is not counted."""
    counter = FakeCounter()
    meter = EnergyMeter(counter)
    for seconds, energy_j in [(0.5, 10), (0.25, 3)]:
        with meter.window():
            counter.pass_time(seconds, energy_j)
        counter.pass_time(100, 10_000)
    assert [window.energy_j for window in meter.windows] == [10, 3]
    assert (meter.energy_j, meter.duration_s, meter.reason) == (13, 0.75, "")


def test_meter_without_windows_knows_nothing() -> None:
    """No window is no energy, which is not 0 J."""
    meter = EnergyMeter(FakeCounter())
    assert math.isnan(meter.energy_j)
    assert math.isnan(meter.duration_s)
    assert meter.reason == "no energy was read"


def test_refused_window_makes_the_energy_missing_with_its_reason() -> None:
    """A sum without one of its windows would be too small, so it is NaN; the window's length is still known."""
    counter = FakeCounter()
    counter.longest_s = 1
    meter = EnergyMeter(counter)
    for seconds in (0.5, 2.0):
        with meter.window():
            counter.pass_time(seconds, 1)
    assert math.isnan(meter.energy_j)
    assert meter.duration_s == 2.5
    assert meter.reason == "1 of 2 windows without energy: too long"


def test_unreadable_counter_does_not_stop_what_is_measured() -> None:
    """A failed reading at either end leaves the window without energy and length."""
    counter = FakeCounter()
    meter = EnergyMeter(counter)
    with meter.window():
        counter.refusal = "gone"
    with meter.window():
        counter.refusal = ""
    assert [math.isnan(window.duration_s) and math.isnan(window.energy_j) for window in meter.windows] == [True, True]
    assert [window.reason for window in meter.windows] == ["gone", "gone"]
    assert math.isnan(meter.duration_s)


def test_window_that_raises_is_not_kept() -> None:
    """What fails inside a window is the caller's to hear of."""
    meter = EnergyMeter(FakeCounter())
    with pytest.raises(ZeroDivisionError), meter.window():
        raise ZeroDivisionError
    assert meter.windows == []


def test_missing_counter_names_finding_and_remedy() -> None:
    """The error reads as one sentence and keeps its two parts."""
    error = NoCounterError("nothing there", "put it there")
    assert str(error) == "nothing there; put it there"
    assert (error.detail, error.remedy) == ("nothing there", "put it there")
