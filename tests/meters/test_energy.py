import pytest

from significand.meters.energy import CpuTimeEstimate


@pytest.mark.parametrize(
    ("cpu_s", "watts", "joules"),
    [(2.5, 12.0, 30.0), (0.0, 12.0, 0.0), (0.001, 100.0, 0.1)],  # by hand: joules = seconds x watts
)
def test_estimate_is_cpu_seconds_times_watts(cpu_s: float, watts: float, joules: float) -> None:
    """Energy between two readings is CPU time in seconds times the assumed watts."""
    cpu_ns = 7_000_000_000
    counter = CpuTimeEstimate(watts, cpu_clock_ns=lambda: cpu_ns)
    before = counter.read_j()
    cpu_ns += round(cpu_s * 1e9)
    assert counter.read_j() - before == pytest.approx(joules, rel=1e-12, abs=1e-12)


def test_estimate_says_that_it_is_one() -> None:
    """An estimate names its kind, what it rests on and what it assumed, the same in every precision."""
    counter = CpuTimeEstimate(7.5)
    assert counter.kind == "estimated"
    assert counter.source == "cpu-time"
    assert counter.assumptions == "7.5 W per busy core, the same in every precision"


def test_real_cpu_time_only_grows() -> None:
    """With the process's own clock the reading never falls."""
    counter = CpuTimeEstimate(12.0)
    first = counter.read_j()
    sum(range(10_000))
    assert counter.read_j() >= first > 0
